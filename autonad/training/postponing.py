"""Signals that wait until the step of an optimiser is complete, so that its state can be kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from autonad.errors import Interrupted

_POSTPONED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def postponed(wanted: bool = True) -> Iterator[Callable[[], bool]]:
    """Let the first signal that asks this process to end wait until the end of the block.

    A second one ends it at once. Signals that somebody has switched off stay off; outside of the main thread
    nothing is changed.

    Args:
        wanted: False lets signals end the block at any time.

    Yields:
        Whether a signal is waiting; the block shall then end soon.
    """
    waiting: list[tuple[int, FrameType | None]] = []
    before: dict[int, Any] = {}

    def note(number: int, frame: FrameType | None) -> None:
        if waiting:
            deliver(number, frame)
        waiting.append((number, frame))

    def deliver(number: int, frame: FrameType | None) -> None:
        before[number](number, frame)

    if wanted and threading.current_thread() is threading.main_thread():
        before = {n: signal.getsignal(n) for n in _POSTPONED if callable(signal.getsignal(n))}
    for number in before:
        signal.signal(number, note)
    try:
        yield lambda: bool(waiting)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if waiting:
        deliver(*waiting[0])
        raise Interrupted(waiting[0][0])  # whatever the handler makes of it: the block has ended early
