"""What waits for a server arrives, whatever happens while it is sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autonad.tracking.connection import MlflowException
from autonad.tracking.runs.metric_queue import Point
from autonad.tracking.runs.unsent import keep, replay


class Killed(BaseException):
    """The process ends here."""


class Server:
    """Takes everything, after something happens.

    Attributes:
        first: What happens before it takes anything.
        steps: Of the metrics that it took.
        ended: Statuses that it took.
    """

    def __init__(self, first: Callable[[], object] = lambda: None) -> None:
        self.first, self.steps, self.ended = first, [], []

    def get_run(self, run_id: str) -> None:
        self.first()

    def log_batch(self, run_id: str, metrics: Any = (), tags: Any = ()) -> None:
        self.steps += [metric.step for metric in metrics]

    def set_terminated(self, run_id: str, status: str, at: int) -> None:
        self.ended.append(status)


def raising(error: BaseException) -> Callable[[], None]:
    def action() -> None:
        raise error

    return action


def spill(unsent: Path, *steps: int) -> None:
    """Metrics as a step keeps them."""
    unsent.mkdir(exist_ok=True)
    with (unsent / "run.jsonl").open("a") as file:
        file.writelines(json.dumps(Point("loss", 1.0, step, step)._asdict()) + "\n" for step in steps)


def sent(server: Server, unsent: Path) -> Server:
    replay(server, unsent, lambda line: None)  # type: ignore[arg-type]
    return server


def test_what_a_kill_left_half_sent_is_sent_again_with_what_came_later(tmp_path: Path) -> None:
    unsent = tmp_path / "unsent"
    spill(unsent, 1, 2)
    with pytest.raises(Killed):
        sent(Server(raising(Killed())), unsent)
    spill(unsent, 3)
    keep(unsent, "run", {"end": "FINISHED", "at": 1})
    with pytest.raises(Killed):
        sent(Server(raising(Killed())), unsent)
    server = sent(Server(), unsent)

    assert sorted(server.steps) == [1, 2, 3]
    assert server.ended == ["FINISHED"]
    assert not unsent.exists()


def test_a_line_that_was_torn_costs_no_other(tmp_path: Path) -> None:
    unsent = tmp_path / "unsent"
    spill(unsent, 1)
    with pytest.raises(Killed):
        sent(Server(raising(Killed())), unsent)
    (unsent / "run.jsonl").write_text('{"name": "lo')

    assert sent(Server(), unsent).steps == [1]


def test_what_is_being_sent_is_left_to_its_sender(tmp_path: Path) -> None:
    unsent, other = tmp_path / "unsent", Server()

    def meanwhile() -> None:
        spill(unsent, 2)
        sent(other, unsent)

    spill(unsent, 1)
    first = sent(Server(meanwhile), unsent)

    assert (first.steps, other.steps) == ([1], [])
    assert sent(Server(), unsent).steps == [2]


def test_what_a_server_refuses_waits_with_what_came_meanwhile(tmp_path: Path) -> None:
    unsent = tmp_path / "unsent"

    def refuse() -> None:
        spill(unsent, 2)
        raise MlflowException("server away")

    spill(unsent, 1)
    sent(Server(refuse), unsent)

    assert [path.name for path in unsent.iterdir()] == ["run.jsonl"]
    assert sorted(sent(Server(), unsent).steps) == [1, 2]
