"""A task's process under supervision: what dies is started again, and goes on from its checkpoint.

`python -m autonad.kubeflow.supervisor MODULE ARGUMENTS…` runs `python -m MODULE ARGUMENTS…`. Argo's stock
settings (`retryPolicy: OnError`) repeat a pod that was lost, but not one whose process died of its own, so a
training that ran out of memory would end for good. A process that ends with an exit code has said why: a
user's mistake is not repeated. `AUTONAD_RETRIES` is how often a task is started again (3).

This process imports nothing heavy, so that it is not the one that runs out of memory.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from types import FrameType

from autonad.kubeflow.pod_memory import PodMemory

RETRIES = "AUTONAD_RETRIES"
CRASHES = frozenset(
    {signal.SIGKILL, signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE}
)
SECONDS_BETWEEN_LOOKS = 0.1
SECONDS_BEFORE_REPEATING = 1.0


class Supervisor:
    """Runs one command until it ends with an exit code, is terminated, or has died too often.

    Args:
        command: The program and its arguments.
        retries: How often it is started again.
        memory: The pod's memory.
    """

    def __init__(self, command: Sequence[str], *, retries: int, memory: PodMemory) -> None:
        self._command, self._retries, self._memory = list(command), retries, memory
        self._child: subprocess.Popen[bytes] | None = None
        self._asked: int | None = None

    def run(self) -> int:
        """The exit code: that of the command, or 128 and the signal that ended it."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._pass_on)
        attempt = 0
        while True:
            ended, why = self._attempt()
            if self._asked is not None:
                return 128 + self._asked
            if ended >= 0 and ended - 128 not in CRASHES:
                return ended
            died = -ended if ended < 0 else ended - 128
            if died not in CRASHES or attempt == self._retries:
                print(f"error: {_sentence(died, why)}, and is not started again", file=sys.stderr, flush=True)
                return 128 + died
            attempt += 1
            print(
                f"note: {_sentence(died, why)}; it is started again ({attempt} of {self._retries}) and goes "
                "on from its last checkpoint",
                file=sys.stderr,
                flush=True,
            )
            time.sleep(SECONDS_BEFORE_REPEATING)

    def _attempt(self) -> tuple[int, str]:
        """Start the command and wait for it: the exit code, negative for a signal, and why it was killed."""
        kills, why = self._memory.kills(), ""
        self._child = child = subprocess.Popen(self._command, start_new_session=True)
        if self._asked is not None:  # between two attempts
            self._send(self._asked)
        while True:
            try:
                ended = child.wait(SECONDS_BETWEEN_LOOKS)
                break
            except subprocess.TimeoutExpired:
                if full := self._memory.nearly_full():
                    why = full
                    self._send(signal.SIGKILL)
        self._send(signal.SIGKILL)  # what it has started and left behind
        if not why and self._memory.kills() > kills:
            why = self._memory.ran_out()
        return ended, why

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        self._asked = number
        self._send(number)

    def _send(self, number: int) -> None:
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._child.pid, number)


def _sentence(died: int, why: str) -> str:
    return f"the task's process died of {signal.Signals(died).name}" + (f" ({why})" if why else "")


def main(arguments: Sequence[str]) -> int:
    """Supervise `python -m` with these arguments."""
    retries = int(os.environ.get(RETRIES) or 3)
    return Supervisor([sys.executable, "-m", *arguments], retries=retries, memory=PodMemory()).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
