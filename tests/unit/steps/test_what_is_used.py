"""A step says which store it logs to, and that no parameter file was there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from autonad.cli.options import Settings
from autonad.config import parse_config
from autonad.config.context import Context
from autonad.console import Console
from autonad.steps.step import begin

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def said(uri: str, parameters: str = "", steps: int = 1) -> list[str]:
    lines: list[str] = []
    text = f"tracking: {{uri: '{uri}', system_seconds: null}}" if uri else "tracking: {enabled: false}"
    context = Context(parse_config(text, source="test"), console=Console(lines.append), parameters=parameters)
    for _ in range(steps):
        with begin("retrain", context, params={}):
            lines.append("work")
    return lines


def test_the_store_and_missing_parameters_are_said_before_the_work(new_store: Callable[..., str]) -> None:
    uri = new_store()
    assert said(uri, "no params.yaml") == ["no params.yaml", f"MLflow: {uri}, experiment autonad", "work"]
    assert said("") == ["work"]


def test_steps_of_one_command_say_it_once(new_store: Callable[..., str]) -> None:
    uri = new_store()
    told = said(uri, "no params.yaml", steps=2)
    assert told == ["no params.yaml", f"MLflow: {uri}, experiment autonad", "work", "work"]


def test_another_working_folder_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Settings().context() as context:
        assert f"no params.yaml in {tmp_path}" in context.parameters
        assert "--params" in context.parameters
    (tmp_path / "params.yaml").write_text("seed: 1\n")
    with Settings().context() as context:
        assert context.parameters == ""
