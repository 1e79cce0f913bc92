"""What a verb may write into: no folder that holds another run's result, unless that may be replaced."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from autonad.cli.options import OutputDir, Replace, Resume, ResumeOrRestart
from autonad.errors import ConfigError

if TYPE_CHECKING:
    from autonad.storage.checkpoints import Resume as Resumption


class _Traces(NamedTuple):
    """What a verb leaves: files of a finished run, and the file that an interrupted one goes on from."""

    finished: tuple[str, ...]
    interrupted: str | None = None


_TRACES = {
    "train-supernet": _Traces(("supernet.json",), "checkpoint/latest.json"),
    "profile-latency": _Traces(("table.parquet", "measured.json")),
    "assess-supernet": _Traces(("assessment.json",), "journal.jsonl"),
    "search": _Traces(("search.json",), "journal.jsonl"),
    "retrain": _Traces(("model.json",), "checkpoint/latest.json"),
    "evaluate": _Traces(("metrics.json",)),
    "fit-thresholds": _Traces(("operating.json",)),
    "export": _Traces(("parity.json",)),
}


@dataclass(frozen=True)
class Output:
    """The folder that a verb writes, which must be free."""

    output: OutputDir
    replace: Replace = False

    def require_free(self, verb: str) -> None:
        """Make sure that writing loses no other run's result.

        Raises:
            ConfigError: It would.
        """
        require_free(verb, self.output, replace=self.replace)


@dataclass(frozen=True)
class ResumedOutput:
    """The folder that a verb writes, and goes on in; see `autonad.storage.checkpoints.Resume`."""

    output: OutputDir
    replace: Replace = False
    resume: Resume = False
    restart: ResumeOrRestart = False

    @property
    def wanted(self) -> Resumption:
        """What is asked for; the second option wins."""
        return "or-restart" if self.restart else self.resume

    def require_free(self, verb: str) -> None:
        """See `Output.require_free`; who resumes says what shall become of the folder's content.

        Raises:
            ConfigError: Another run's result would be lost.
        """
        require_free(verb, self.output, replace=self.replace or bool(self.wanted))


def require_free(verb: str, output: Path, *, replace: bool) -> None:
    """Refuse an output folder with what an earlier run of the verb has left there.

    Args:
        verb: What is going to write.
        output: Where.
        replace: What is there may be lost.

    Raises:
        ConfigError: There is something.
    """
    if replace:
        return
    traces = _TRACES[verb]
    for name in traces.finished:
        if (output / name).exists():
            raise ConfigError(
                f"output {output} holds the result of a finished {verb} ({name}), so nothing was done; "
                "choose another folder, or give --replace"
            )
    if traces.interrupted is not None and (output / traces.interrupted).exists():
        raise ConfigError(
            f"output {output} holds a {verb} that was interrupted ({traces.interrupted}); go on with "
            "--resume, or start over with --replace"
        )
