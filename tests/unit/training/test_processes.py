import pytest
import torch

from autonad.config import Config
from autonad.config.context import Context
from autonad.console import Console
from autonad.errors import ConfigError
from autonad.training.processes import STARTED, on_every_gpu


@on_every_gpu
def step(context: Context, *, word: str) -> str:
    """Echo."""
    return f"{word} of {context.config.processes}"


def test_one_process_runs_where_it_is() -> None:
    assert step(Context(Config(processes=1)), word="one") == "one of 1"
    assert step.__doc__ == "Echo."


def test_what_torchrun_started_is_not_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STARTED, "run")
    assert step(Context(Config(processes=2)), word="one") == "one of 2"


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ConfigError, match="processes is 3, but this machine has 2 GPUs"):
        step(Context(Config(processes=3)), word="one")


@on_every_gpu
def noting(context: Context) -> tuple[str, list[str]]:
    """As steps note what the next ones need not say again."""
    known = [*context.said, *context.red_flags]
    context.said.append("runs lie there")
    context.red_flags.append("a second flag")
    context.console.report("heard")
    return context.parameters, known


@pytest.mark.slow
def test_what_steps_note_for_one_another_goes_to_the_processes_and_comes_back() -> None:
    heard: list[str] = []
    context = Context(
        Config(processes=2), console=Console(heard.append), parameters="from here", red_flags=["a flag"]
    )
    assert noting(context) == ("from here", ["a flag"])
    assert (context.said, context.red_flags) == (["runs lie there"], ["a flag", "a second flag"])
    assert "heard" in heard
