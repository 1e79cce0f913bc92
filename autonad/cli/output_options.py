"""What a verb may write into: no folder of another process, and no result unless it may be lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autonad.cli.options import OutputDir, Replace, Resume, ResumeOrRestart
from autonad.errors import ConfigError
from autonad.files import remove_leftovers
from autonad.locks import exclusive

if TYPE_CHECKING:
    from autonad.storage.checkpoints import Resume as Resumption

# What each verb writes last.
_FINISHED = {
    "train-supernet": ("supernet.json",),
    "pack-profile": ("profile.sh",),
    "profile-latency": ("prior.png", "measured.json"),
    "assess-supernet": ("assessment.json",),
    "search": ("search.json",),
    "retrain": ("model.json",),
    "evaluate": ("report.html",),
    "fit-thresholds": ("rules.yaml",),
    "export": ("MODEL_CARD.md",),
}
RESUMED = frozenset({"train-supernet", "search", "retrain", "assess-supernet", "run", "demo"})
"""The verbs that go on where they were interrupted."""


@dataclass(frozen=True)
class Output:
    """The folder that a verb writes, which must be free."""

    output: OutputDir
    replace: Replace = False

    @contextmanager
    def held(self, verb: str) -> Iterator[None]:
        """Keep the folder for this process, and make sure that writing loses no other run's result.

        Raises:
            BusyError: Another process writes it.
            ConfigError: A result would be lost.
        """
        with held(self.output):
            if not self.replace:
                require_free(verb, self.output)
            yield


@dataclass(frozen=True)
class ResumedOutput:
    """The folder that a verb writes, and goes on in if it was interrupted there."""

    output: OutputDir
    replace: Replace = False
    resume: Resume = False
    restart: ResumeOrRestart = False

    @contextmanager
    def held(self, verb: str) -> Iterator[Resumption]:
        """See `Output.held`; how the verb goes on, see `autonad.storage.checkpoints.Resume`.

        An interrupted run of the same settings and data is always gone on with: it ends as it would have if
        it were started over, and sooner. `--replace` starts over what has finished, or is another run.
        """
        with held(self.output):
            wanted = self.restart or self.resume
            if not (wanted or self.replace):
                require_free(verb, self.output)
            if self.restart or (self.replace and not self.resume and not _results(verb, self.output)):
                yield "or-restart"
            else:
                yield self.resume or not self.replace


@contextmanager
def held(output: Path) -> Iterator[None]:
    """Keep an output for this process; of those that a launcher has started together, the first holds it.

    Raises:
        BusyError: Another process writes it.
    """
    from autonad.training.processes import started_first

    if not started_first():
        yield
        return
    with exclusive(output, f"output {output}"):
        remove_leftovers(output)
        yield


def require_free(verb: str, output: Path) -> None:
    """Refuse an output folder that holds the result of the verb.

    Raises:
        ConfigError: It does.
    """
    for name in _results(verb, output):
        raise ConfigError(
            f"output {output} holds the result of a finished {verb} ({name}), so nothing was done; choose "
            "another folder, or give --replace"
        )


def _results(verb: str, output: Path) -> list[str]:
    return [name for name in _FINISHED[verb] if (output / name).exists()]
