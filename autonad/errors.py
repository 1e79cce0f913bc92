"""Everything that AutoNAD raises on purpose.

    AutonadError                 exit code 2: the request is wrong, nothing was done
    ├── ConfigError              params.yaml, --set, an unknown preset
    ├── ArchitectureError        an architecture, or one that its space does not hold
    ├── DatasetError             a folder, an image, a mask or a manifest
    ├── CheckpointError          a checkpoint or weights of another configuration
    ├── LatencyError             a target, a latency table, a failed measurement
    ├── SearchError              a search that cannot go on
    ├── ExportError              an export that does not match the network
    ├── TrackingError            MLflow cannot be reached or answers unexpectedly
    ├── PipelineError            a Kubeflow pipeline that fails, or a server that cannot be used
    ├── StorageError             a disk or store that refuses to take a file
    └── BusyError                an output that another process is writing

A message says what we got, what we need and how to mend it. The command line prints it as one line, without
a traceback. `FaultyItems` is no failure of the request: the work was done, some items were faulty and are
named. `Interrupted` is no error, but a KeyboardInterrupt with another reason than Ctrl-C. What a message
quotes of another program's error goes through the functions at the end.
"""

from __future__ import annotations

import re

# A name, then a password that may hold anything, since it need not be escaped as RFC 3986 has it.
_UNESCAPED = r"[^/?#@\s:\[]*:(?!//)(?:(?!://)\S)*@"
# Of http, what stands before the path counts first, and a port is no password: its paths may hold an @.
_CREDENTIALS = re.compile(
    rf"(?<=://)(?:(?<!http://)(?<!https://){_UNESCAPED}|[^/?#\s]*@|(?![^/?#@\s:\[]*:\d{{1,5}}[/?#]){_UNESCAPED})"
)


class AutonadError(Exception):
    """A user's mistake or an outside failure that has a clear remedy."""

    exit_code = 2


class ConfigError(AutonadError):
    """A parameter file, an override or a preset name is wrong."""


class ArchitectureError(AutonadError):
    """An architecture is malformed, or lies outside the space that it is used with."""


class DatasetError(AutonadError):
    """A dataset, an image, a mask or a manifest cannot be used.

    Args:
        message: See `AutonadError`.
        kind: Of the fault, as an audit names it.
    """

    def __init__(self, message: str, kind: str = "unreadable") -> None:
        super().__init__(message)
        self.kind = kind


class CheckpointError(AutonadError):
    """A checkpoint or a weights file does not belong to what it is loaded into."""


class LatencyError(AutonadError):
    """A target, a latency table or a measurement cannot be used."""


class SearchError(AutonadError):
    """A search cannot start or cannot go on."""


class ExportError(AutonadError):
    """An exported network cannot be written or does not match its source."""


class TrackingError(AutonadError):
    """MLflow cannot be reached or answers unexpectedly."""


class PipelineError(AutonadError):
    """A pipeline failed, or Kubeflow cannot be reached."""


class StorageError(AutonadError):
    """A file cannot be written or read."""


class BusyError(AutonadError):
    """Another process is writing what this one wants to write."""


class Interrupted(KeyboardInterrupt):
    """The process was asked to end, by a signal or because nobody reads its output any more.

    To a step it is what Ctrl-C is: its run ends as KILLED, and what was written is kept.

    Args:
        number: The signal that stands for the reason.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.number = number

    @property
    def exit_code(self) -> int:
        """As a shell has it: 128 and the signal."""
        return 128 + self.number


class FaultyItems(AutonadError):
    """The work was done, but some items were faulty; the message names them."""

    exit_code = 1


def redact(text: str, mark: str = "***@") -> str:
    """Replace the user and password of every URI by `mark`, so that no secret reaches logs or runs."""
    return _CREDENTIALS.sub(mark, text)


def one_line(error: BaseException) -> str:
    """All that an error says, in one line; its type if it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def first_line(error: BaseException) -> str:
    """The first line of what an error says; its type if it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def cause_of(error: BaseException) -> str:
    """Why something failed, in one line of at most 300 characters, without secrets.

    The operating system's reason ("Connection refused") where one lies beneath, since HTTP libraries wrap it
    in hundreds of characters; else the first line of the error's text, else its type.
    """
    beneath: BaseException | None = error
    while beneath is not None:
        if isinstance(beneath, OSError) and beneath.strerror:
            return beneath.strerror
        beneath = beneath.__cause__ or beneath.__context__
    return redact(first_line(error))[:300]
