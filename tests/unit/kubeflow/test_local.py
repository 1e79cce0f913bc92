"""A pipeline on this machine: what it left is told apart from what earlier ones of the same name left."""

import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import environment
from kfp import compiler, dsl, kubernetes

from autonad.kubeflow.local import run_local
from autonad.kubeflow.package import Package


@dsl.component(base_image="python", install_kfp_package=False)
def deliver(text: str, summary: dsl.Output[dsl.Markdown]) -> None:
    """Say something."""
    from pathlib import Path

    Path(summary.path).parent.mkdir(parents=True, exist_ok=True)
    Path(summary.path).write_text(text)


@dsl.component(base_image="python", install_kfp_package=False)
def silent() -> None:
    """Say nothing."""


@dsl.pipeline(name="delivery")
def delivery(text: str) -> None:
    """A nested pipeline, as the real one has."""
    kubernetes.set_timeout(deliver(text=text), 60)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline that delivers if it is told to."""

    @dsl.pipeline(name="small")
    def small(text: str = "") -> None:
        silent()
        with dsl.If(text != ""):
            delivery(text=text)

    path = tmp_path_factory.mktemp("pipeline") / "small.yaml"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compiler.Compiler().compile(small, str(path))
    return path


def test_a_reused_name_shows_what_this_run_found(compiled: Path, tmp_path: Path) -> None:
    package = Package.load(str(compiled))
    said = [
        run_local(package, {"text": text}, folder=tmp_path, execution="monday").summary
        for text in ("first", "second", "")
    ]

    assert said == ["first", "second", None]


def test_the_command_line_prints_the_summary_of_this_run(compiled: Path, tmp_path: Path) -> None:
    command = (sys.executable, "-m", "autonad.cli", "pipeline", "run", "--local", "--pipeline", compiled)
    for text in ("first", "second"):
        done = subprocess.run(
            [*command, "--name", "monday", "--parameter", f"text={text} summary"],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "second summary"


def test_an_interrupted_pipeline_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here nothing runs the exit handler: the execution would stay RUNNING in MLflow."""

    def interrupted(path: str) -> Callable[..., None]:
        def pipeline(**arguments: object) -> None:
            raise KeyboardInterrupt

        return pipeline

    said: list[dict[str, object]] = []
    monkeypatch.setattr("autonad.kubeflow.local.components.load_component_from_file", interrupted)
    monkeypatch.setattr("autonad.kubeflow.closing.close", lambda settings, **more: said.append(more))

    with pytest.raises(KeyboardInterrupt):
        run_local(
            Package.load("autonad"), {"experiment": "tuesday"}, folder=tmp_path, execution="interrupted"
        )
    assert [(one["state"], one["experiment"], one["name"]) for one in said] == [
        ("CANCELED", "tuesday", "interrupted")
    ]
