"""How a command ends when it is asked to, or when nobody takes what it prints."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from autonad.console import LONGEST_LINE
from autonad.errors import Interrupted
from autonad.locks import command_line

# A signal that whoever started the command has switched off (nohup, a job in the background) stays off.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ending:
    """Why a command has to end early.

    Attributes:
        asked: The signal that asked for it (SIGPIPE: its output goes nowhere); None while nothing did.
        problem: What is wrong with its output, where that must be said.
    """

    def __init__(self) -> None:
        self.asked: int | None = None
        self.problem = ""

    def ask(self, number: int, frame: FrameType | None = None) -> None:
        """End what runs now; its steps close their runs and keep what they have written.

        Raises:
            Interrupted: Always.
        """
        self.asked = number
        raise Interrupted(number)

    @property
    def exit_code(self) -> int:
        """As a shell has it."""
        return Interrupted(self.asked or signal.SIGINT).exit_code

    def sentence(self, resumed: frozenset[str]) -> str:
        """What is said in the end, and the whole command to repeat; nothing where nobody listens.

        Args:
            resumed: The verbs that go on where they were interrupted.
        """
        if self.asked == signal.SIGPIPE:
            return self.problem
        goes_on = len(sys.argv) > 1 and sys.argv[1] in resumed
        then = "the same command goes on from here" if goes_on else "repeat the command"
        said, command = f"interrupted; what was written is kept, {then}:", command_line(sys.argv)
        # A command that is cut cannot be pasted: a long one is whole, on a line of its own.
        return f"{said}{' ' if len(said) + len(command) < LONGEST_LINE else chr(10)}{command}"


@contextmanager
def listening() -> Iterator[Ending]:
    """Listen to signals and watch over the standard output, until the end of the block.

    Afterwards an interrupt ends the process at once, without a traceback of what Python still has to do.
    """
    end = Ending()
    before: dict[int, Any] = {number: signal.getsignal(number) for number in _SIGNALS}
    for number in before:
        if before[number] not in (signal.SIG_IGN, None):
            signal.signal(number, end.ask)
    stdout = sys.stdout
    _open_standard_streams()
    sys.stdout = _Output(sys.stdout, end)
    try:
        yield end
    finally:
        for number, handler in before.items():
            if handler is not None:
                if handler is signal.default_int_handler:
                    handler = signal.SIG_DFL
                signal.signal(number, handler)
        sys.stdout = stdout


class _Output:
    """The standard output, of which a failure ends the command instead of the step's own work failing."""

    def __init__(self, stream: Any, end: Ending) -> None:
        self._stream, self._end = stream, end

    def write(self, text: str) -> int:
        try:
            return int(self._stream.write(text))
        except OSError as error:
            self._give_up(error)
            raise

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _give_up(self, error: OSError) -> None:
        # What is still in the buffer goes nowhere, so that Python's own end is quiet too.
        with suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
        if error.errno != errno.EPIPE:
            self._end.problem = (
                f"error: the standard output takes nothing more: {error.strerror}; free some space or send "
                "it elsewhere, then repeat the command (what was written is kept)"
            )
        self._end.ask(signal.SIGPIPE)


def _open_standard_streams() -> None:
    """Give a process that was started without them its three streams, else its next file would be one."""
    while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(handle)
    # Both live as long as the process.
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
