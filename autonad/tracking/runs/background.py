"""Sending metrics beside the work: a thread talks to the server, the step only hands over."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Mapping

from autonad.tracking.runs.buffer import MetricBuffer

# How often the thread looks whether a batch has become old enough.
LOOK_SECONDS = 1.0
Entry = tuple[Mapping[str, float], int, int]


class Background:
    """A `MetricBuffer` that sends from a thread of its own.

    Args:
        buffer: What sends; nobody else may use it until `close`.
    """

    def __init__(self, buffer: MetricBuffer) -> None:
        self._buffer = buffer
        self._entries: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="autonad-metrics", daemon=True)
        self._thread.start()

    def add(self, metrics: Mapping[str, float], step: int) -> None:
        """Hand over values of one moment; takes microseconds, whatever the server does."""
        self._entries.put((dict(metrics), step, time.time_ns() // 1_000_000))

    def close(self) -> None:
        """Send what waits and end the thread; our own mistakes that it met are raised here."""
        self._entries.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error
        self._buffer.flush(final=True)

    def _work(self) -> None:
        try:
            while True:
                try:
                    entry = self._entries.get(timeout=LOOK_SECONDS)
                except queue.Empty:
                    self._buffer.look()
                    continue
                if entry is None:
                    return
                metrics, step, timestamp_ms = entry
                self._buffer.add(metrics, step, timestamp_ms)
        except BaseException as error:
            self._error = error
