"""Metrics between a step and a tracking server that may be slow, or away for a while.

A step hands values over to a `MetricSender`, whose thread gives them to a `MetricBuffer`, which sends them in
batches and keeps in a file what the server does not take.
"""

from __future__ import annotations

import contextlib
import json
import math
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import ConfigDict, Field

from autonad.errors import cause_of
from autonad.reading.bounds import Unreadable, parse_json
from autonad.reading.shape_checks import Shape, check_shape

# How often the thread looks whether a batch has become old enough.
LOOK_SECONDS = 1.0
FLUSH_COUNT = 50
FLUSH_SECONDS = 5.0
# After a failure the server is left alone for this long, then twice as long, and so on up to the second
# number.
RETRY_SECONDS, MAX_RETRY_SECONDS = 30.0, 600.0


Entry = tuple[Mapping[str, float], int, int]


class Point(NamedTuple):
    """One value of one metric."""

    name: str
    value: float
    step: int
    timestamp_ms: int


class PointFile(Shape):
    """A line of what was not sent."""

    model_config = ConfigDict(extra="forbid")

    name: str
    value: float
    step: int = Field(ge=0, le=2**53)
    timestamp_ms: int = Field(ge=0, le=2**53)


class MetricBuffer:
    """Collects metrics and sends them in small batches; what cannot be sent is kept in a file until it can.

    Args:
        send: Delivers a batch, in order.
        failures: What `send` raises when the server does not take it.
        spill: JSON-lines file of what is not delivered; there only as long as something is not. Lines that
            a previous process left for the same run are sent with the next batch.
        warn: Told once per outage.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        send: Callable[[Sequence[Point]], None],
        *,
        failures: tuple[type[BaseException], ...],
        spill: Path,
        warn: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._send, self._failures, self._spill, self._warn, self._clock = send, failures, spill, warn, clock
        self._pending = read_points(spill) if spill.exists() else []
        self._written = len(self._pending)
        self._flushed_at = clock()
        self._retry_at, self._wait = -math.inf, RETRY_SECONDS
        self._warned = False

    def add(self, metrics: Mapping[str, float], step: int, timestamp_ms: int | None = None) -> None:
        """Take values of one moment (None: now); send when a batch is full or old enough."""
        moment = time.time_ns() // 1_000_000 if timestamp_ms is None else timestamp_ms
        self._pending += [Point(name, float(value), step, moment) for name, value in metrics.items()]
        if len(self._pending) - self._written >= FLUSH_COUNT:
            self.flush()
        else:
            self.look()

    def look(self) -> None:
        """Send what waits if it is old enough."""
        if self._clock() - self._flushed_at >= FLUSH_SECONDS:
            self.flush()

    def flush(self, *, final: bool = False) -> None:
        """Send everything that waits. During an outage only now and then, and once more at the end.

        Args:
            final: The step is over: try even during an outage.
        """
        self._flushed_at = self._clock()
        if not self._pending:
            return
        if final or self._flushed_at >= self._retry_at:
            try:
                self._send(self._pending)
            except self._failures as error:
                self._retry_at, self._wait = (
                    self._clock() + self._wait,
                    min(2 * self._wait, MAX_RETRY_SECONDS),
                )
                self._tell(error)
            else:
                self._pending, self._written, self._wait = [], 0, RETRY_SECONDS
                with contextlib.suppress(OSError):
                    self._spill.unlink()
                self._warned = False
                return
        self._keep()

    def _tell(self, error: BaseException) -> None:
        if not self._warned:
            self._warned = True
            self._warn(
                f"the tracking server does not take metrics ({cause_of(error)}); the work goes on, and they "
                f"are kept in {self._spill} until it does"
            )

    def _keep(self) -> None:
        new = self._pending[self._written :]
        try:
            self._spill.parent.mkdir(parents=True, exist_ok=True)
            with self._spill.open("a") as file:
                file.writelines(json.dumps(point._asdict()) + "\n" for point in new)
        except OSError as error:
            self._warn(f"metrics cannot be kept in {self._spill} either ({error.strerror or error})")
        self._written = len(self._pending)


class MetricSender:
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


def read_points(path: Path) -> list[Point]:
    """Metrics that a previous process left; other lines, and one cut off by a crash, are skipped."""
    points = []
    for line in path.read_bytes().splitlines():
        with contextlib.suppress(Unreadable):
            points.append(Point(**check_shape(parse_json(line), PointFile)))
    return points
