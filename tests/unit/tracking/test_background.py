import itertools
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from autonad.tracking.runs.background import Background
from autonad.tracking.runs.buffer import MetricBuffer, Point


def test_a_server_that_hangs_does_not_hold_up_the_step(tmp_path: Path) -> None:
    answer, received = threading.Event(), []

    def send(points: Sequence[Point]) -> None:
        assert answer.wait(30)
        received.extend(points)

    buffer = MetricBuffer(send, failures=(OSError,), spill=tmp_path / "x.jsonl", warn=lambda text: None)
    sender = Background(buffer)
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
    sender = Background(buffer)
    sender.add({f"train/{n}": 1.0 for n in range(60)}, 0)
    with pytest.raises(ZeroDivisionError):
        sender.close()
