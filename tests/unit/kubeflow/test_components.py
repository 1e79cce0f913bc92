"""Components are thin: they name steps, and everything they need is imported when they run."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from components.image import EXECUTOR

ROOT = Path(__file__).parents[3]
STEPS = (
    "prepare",
    "profile_latency",
    "train_supernet",
    "search",
    "retrain",
    "evaluate",
    "fit_thresholds",
    "deliver",
    "close_run",
)
LONGEST = 10


def function(name: str) -> ast.FunctionDef:
    tree = ast.parse((ROOT / "components" / f"{name}.py").read_text())
    (found,) = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    return found


def test_there_is_a_component_for_every_step_and_no_other() -> None:
    files = {path.stem for path in (ROOT / "components").glob("*.py")}

    assert files == {*STEPS, "image", "__init__"}


@pytest.mark.parametrize("name", STEPS)
def test_a_body_is_a_few_lines_behind_a_docstring(name: str) -> None:
    found = function(name)
    body = [node for node in found.body[1:] if not isinstance(node, ast.Import | ast.ImportFrom)]
    lines = ast.unparse(ast.Module(body, [])).splitlines()  # a statement a line, however long

    assert found.name == name
    assert ast.get_docstring(found)
    assert len(lines) <= LONGEST


@pytest.mark.parametrize("name", STEPS)
def test_inputs_are_required_and_described_by_types(name: str) -> None:
    arguments = function(name).args

    assert not arguments.defaults
    assert all(argument.annotation is not None for argument in arguments.args)


def test_no_other_file_names_an_image(monkeypatch: pytest.MonkeyPatch) -> None:
    users = [
        path.name
        for folder in ("components", "pipelines")
        for path in (ROOT / folder).glob("*.py")
        if "base_image" in path.read_text() or "AUTONAD_IMAGE" in path.read_text()
    ]

    assert users == ["image.py"]


@pytest.mark.parametrize(
    ("variable", "image"), [(None, "autonad:"), ("store/autonad@sha256:ab", "store/autonad@sha256:ab")]
)
def test_the_image_can_be_chosen(variable: str | None, image: str, tmp_path: Path) -> None:
    code = (
        "from kfp import compiler; from components.close_run import close_run; "
        f"compiler.Compiler().compile(close_run, {str(tmp_path / 'c.yaml')!r})"
    )
    environment = {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "PATH": ""}
    if variable is not None:
        environment["AUTONAD_IMAGE"] = variable
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True)
    compiled = yaml.safe_load((tmp_path / "c.yaml").read_text())
    (executor,) = compiled["deploymentSpec"]["executors"].values()

    assert executor["container"]["image"].startswith(image)
    assert "pip install" not in str(executor["container"]["command"])


def test_an_installation_of_kfp_that_runs_tasks_otherwise_is_found() -> None:
    """The supervisor is put before the module that kfp names; nothing would tell if it named another."""
    command = " ".join(
        importlib.import_module("components.deliver").deliver.component_spec.implementation.container.command
    )

    assert command.count(f"-m autonad.kubeflow.supervisor {EXECUTOR.removeprefix('-m ')}") == 1
    assert importlib.util.find_spec(EXECUTOR.removeprefix("-m ")) is not None


def test_every_component_is_the_function_of_its_file() -> None:
    for name in STEPS:
        component = getattr(importlib.import_module(f"components.{name}"), name)

        assert component.python_func.__name__ == name
