"""A folder to work in has what a clone has, but for the product's source files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from autonad import __version__
from autonad.config import Config, load_config
from autonad.errors import ConfigError
from autonad.steps import new_folder as module
from autonad.steps.new_folder import PIPELINES, VERSION, new_folder, version_note

ROOT = Path(__file__).parents[3]


def stages(text: str) -> dict[str, Any]:
    return {name: stage.get("do", stage) for name, stage in yaml.safe_load(text)["stages"].items()}


@pytest.mark.parametrize("name", PIPELINES)
def test_a_stage_depends_on_the_version_in_place_of_source_files(tmp_path: Path, name: str) -> None:
    new_folder(tmp_path)
    made, ours = stages((tmp_path / name).read_text()), stages((ROOT / name).read_text())

    assert made.keys() == ours.keys()
    for stage, content in ours.items():
        mine = made[stage]
        kept = [path for path in content["deps"] if path.split("/")[0] != "autonad"]
        assert mine["deps"] == [*kept, VERSION], stage
        assert {**mine, "deps": None} == {**content, "deps": None}


def test_its_text_speaks_of_no_source_files(tmp_path: Path) -> None:
    new_folder(tmp_path)
    text = (tmp_path / "dvc.yaml").read_text()

    assert "make dvc" not in text
    assert "autonad/" not in text
    assert f"autonad --version > {VERSION}" in text


def test_its_settings_are_the_defaults(tmp_path: Path) -> None:
    new_folder(tmp_path / "new")
    assert load_config(tmp_path / "new" / "params.yaml") == Config()
    assert (tmp_path / "new" / VERSION).read_text() == f"{__version__}\n"


@pytest.mark.parametrize("name", ["params.yaml", "dvc.yaml", "variants/dvc.yaml", VERSION])
def test_nothing_is_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")

    with pytest.raises(ConfigError, match=name):
        new_folder(tmp_path)

    assert [path.read_text() for path in tmp_path.rglob("*") if path.is_file()] == ["mine"]


def test_lines_are_added_to_what_git_and_dvc_ignore(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("secret\n/runs/")
    made = new_folder(tmp_path)

    lines = (tmp_path / ".gitignore").read_text().splitlines()
    assert lines[:2] == ["secret", "/runs/"]
    assert lines.count("/runs/") == 1
    assert "/mlflow.db*" in lines
    assert made.extended == (".gitignore",)


def test_what_git_ignores_here_is_ignored_there() -> None:
    assert set(module.IGNORED_BY_GIT) - {"/.venv/"} <= set((ROOT / ".gitignore").read_text().splitlines())


def test_another_version_is_noted(tmp_path: Path) -> None:
    assert version_note(tmp_path) is None
    new_folder(tmp_path)
    assert version_note(tmp_path) is None
    (tmp_path / VERSION).write_text("0.0.1\n")
    note = version_note(tmp_path)
    assert note is not None
    assert "'0.0.1'" in note
    assert __version__ in note


def test_what_is_written_is_in_the_wheel() -> None:
    import tomllib

    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {name: f"autonad/project/{name}" for name in PIPELINES}.items() <= wheel["force-include"].items()


def test_dvc_reads_what_is_written(tmp_path: Path) -> None:
    new_folder(tmp_path)

    def dvc(*arguments: str) -> str:
        call = [sys.executable, "-m", "dvc", *arguments]
        environment = os.environ | {"DVC_NO_ANALYTICS": "1"}
        done = subprocess.run(call, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
        return done.stdout

    dvc("init", "--no-scm", "--force", "-q")
    listed = [line.split()[0] for line in dvc("stage", "list", "--all").splitlines()]
    assert listed == list(stages((ROOT / "dvc.yaml").read_text()))
