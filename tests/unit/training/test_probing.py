"""What a step costs, by steps over the whole schedule."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from autonad.config import TrainingConfig
from autonad.training.inputs import TrainingData
from autonad.training.loop import Task
from autonad.training.paths import TrainingPath
from autonad.training.probing import probe_steps


class Probe:
    """A task whose steps get slower along the schedule, on a clock of its own."""

    def __init__(self, images: Any, steps: int = 60) -> None:
        self.now, self.places = 0.0, []  # type: ignore[var-annotated]
        self.module = nn.Conv2d(3, 2, 1)
        config = TrainingConfig(epochs=steps // (len(images) // 2), batch_size=2)
        self.task = Task(
            module=self.module,
            data=TrainingData(images, None, None),
            config=config,
            seed=0,
            paths=self.paths,
            validate=lambda _: pytest.fail("validation is not counted"),
        )

    def paths(self, place: int) -> list[TrainingPath]:
        self.now += 100.0 if not self.places else place / 60
        self.places.append(place)
        return [TrainingPath(self.module)]

    def mean(self, **given: Any) -> float:
        return probe_steps(self.task, 10, clock=lambda: self.now, **given)


def test_steps_over_the_whole_schedule_are_timed_and_the_first_warms_up(blobs: Any) -> None:
    probe = Probe(blobs)
    assert probe.mean() == pytest.approx(0.5, abs=0.01)
    assert sorted(probe.places[1:]) == list(range(3, 60, 6))


def test_when_the_time_is_over_those_that_were_timed_lie_over_the_whole_schedule(blobs: Any) -> None:
    probe = Probe(blobs)
    assert probe.mean(seconds=101.0) == pytest.approx(0.5, abs=0.15)
    assert 5 <= len(probe.places) < 9
    assert max(probe.places) > 30 > min(probe.places[1:])


def test_a_beginning_can_be_left_out(blobs: Any) -> None:
    probe = Probe(blobs)
    assert probe.mean(since=0.4) == pytest.approx(0.7, abs=0.02)
    assert min(probe.places) >= 24


def test_the_module_stays_as_it_is(blobs: Any) -> None:
    probe = Probe(blobs)
    before = {name: tensor.clone() for name, tensor in probe.module.state_dict().items()}
    probe.mean()
    assert all(torch.equal(before[name], tensor) for name, tensor in probe.module.state_dict().items())
