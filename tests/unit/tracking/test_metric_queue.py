import itertools
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from autonad.tracking.runs.metric_queue import (
    FLUSH_COUNT,
    FLUSH_SECONDS,
    RETRY_SECONDS,
    MetricBuffer,
    MetricSender,
    Point,
)


class Server:
    """Takes metrics, or refuses while it is down; the clock is turned by hand."""

    def __init__(self, spill: Path) -> None:
        self.received: list[Point] = []
        self.calls, self.now, self.up = 0, 0.0, True
        self.warnings: list[str] = []
        self.spill = spill

    def send(self, points: Sequence[Point]) -> None:
        self.calls += 1
        if not self.up:
            raise ConnectionRefusedError(111, "Connection refused")
        self.received += points

    def buffer(self) -> MetricBuffer:
        return MetricBuffer(
            self.send,
            failures=(OSError,),
            spill=self.spill,
            warn=self.warnings.append,
            clock=lambda: self.now,
        )


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path / "unsent" / "run.jsonl")


def _values(points: Sequence[Point]) -> list[float]:
    return [point.value for point in points]


def test_metrics_travel_in_batches_and_arrive_complete_and_in_order(server: Server) -> None:
    buffer = server.buffer()
    for step in range(3 * FLUSH_COUNT + 7):
        buffer.add({"train/loss": float(step)}, step)
    assert server.calls == 3
    buffer.flush(final=True)
    assert [point.step for point in server.received] == list(range(3 * FLUSH_COUNT + 7))
    assert _values(server.received) == [float(step) for step in range(3 * FLUSH_COUNT + 7)]
    assert not server.spill.parent.exists()


def test_a_slow_step_is_sent_by_age(server: Server) -> None:
    buffer = server.buffer()
    buffer.add({"val/miou": 0.1}, 0)
    server.now += FLUSH_SECONDS
    buffer.add({"val/miou": 0.2}, 1)
    assert _values(server.received) == [0.1, 0.2]


def test_an_outage_warns_once_and_loses_nothing(server: Server) -> None:
    buffer = server.buffer()
    server.up = False
    for step in range(10):
        buffer.add({"val/miou": step / 10}, step)
        server.now += FLUSH_SECONDS
    assert len(server.warnings) == 1
    assert "Connection refused" in server.warnings[0]
    assert str(server.spill) in server.warnings[0]
    assert server.calls <= 1 + 50 / RETRY_SECONDS  # it is left alone in between
    kept = len(server.spill.read_text().splitlines())
    assert kept >= 8
    server.up = True
    buffer.flush(final=True)
    assert _values(server.received) == [step / 10 for step in range(10)]
    assert not server.spill.exists()


def test_what_a_dead_process_left_is_sent_by_the_next(server: Server) -> None:
    first = server.buffer()
    server.up = False
    first.add({"train/loss": 1.0, "val/miou": 0.25}, 3)
    first.flush(final=True)
    with server.spill.open("a") as file:
        file.write('{"name": "train/lo')  # cut off by the crash
    server.up = True
    second = server.buffer()
    second.add({"train/loss": 0.5}, 4)
    second.flush(final=True)
    assert [(point.name, point.step) for point in server.received] == [
        ("train/loss", 3),
        ("val/miou", 3),
        ("train/loss", 4),
    ]
    assert not server.spill.exists()


def test_each_outage_warns_again(server: Server) -> None:
    buffer = server.buffer()
    for _ in range(2):
        server.up = False
        buffer.add({"train/loss": 1.0}, 0)
        buffer.flush(final=True)
        server.up = True
        buffer.flush(final=True)
    assert len(server.warnings) == 2
    assert len(server.received) == 2


def test_a_full_disk_during_an_outage_does_not_stop_the_work(server: Server) -> None:
    server.spill.parent.write_text("a file where the folder should be")
    buffer = server.buffer()
    server.up = False
    buffer.add({"train/loss": 1.0}, 0)
    buffer.flush()
    assert len(server.warnings) == 2
    server.up = True
    buffer.flush(final=True)
    assert _values(server.received) == [1.0]


def test_other_errors_are_not_hidden(server: Server) -> None:
    def send(points: Sequence[Point]) -> None:
        raise ZeroDivisionError

    buffer = MetricBuffer(send, failures=(OSError,), spill=server.spill, warn=server.warnings.append)
    buffer.add({"train/loss": 1.0}, 0)
    with pytest.raises(ZeroDivisionError):
        buffer.flush()


def test_a_server_that_hangs_does_not_hold_up_the_step(tmp_path: Path) -> None:
    answer, received = threading.Event(), []

    def send(points: Sequence[Point]) -> None:
        assert answer.wait(30)
        received.extend(points)

    buffer = MetricBuffer(send, failures=(OSError,), spill=tmp_path / "x.jsonl", warn=lambda text: None)
    sender = MetricSender(buffer)
    for step in range(500):  # the first batch is stuck after 50; the step goes on
        sender.add({"train/loss": float(step)}, step)
    assert received == []
    answer.set()
    sender.close()
    assert [point.step for point in received] == list(range(500))
    assert all(one.timestamp_ms <= two.timestamp_ms for one, two in itertools.pairwise(received))


def test_our_own_mistakes_are_not_hidden(tmp_path: Path) -> None:
    def send(points: Sequence[Point]) -> None:
        raise ZeroDivisionError

    buffer = MetricBuffer(send, failures=(OSError,), spill=tmp_path / "x.jsonl", warn=lambda text: None)
    sender = MetricSender(buffer)
    sender.add({f"train/{n}": 1.0 for n in range(60)}, 0)
    with pytest.raises(ZeroDivisionError):
        sender.close()
