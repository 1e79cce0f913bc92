from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from autonad.config import TrainingConfig
from autonad.training import equal_time
from autonad.training.equal_time import fit_epochs, one_thread
from autonad.training.inputs import TrainingData
from autonad.training.loop import Task
from autonad.training.paths import TrainingPath


class Paid(nn.Module):
    """Each forward pass in training takes a known time on a clock of its own."""

    def __init__(self, clock: dict[str, float], seconds: float, first: float) -> None:
        super().__init__()
        self.layer, self.clock, self.seconds, self.first = nn.Conv2d(3, 2, 1), clock, seconds, first

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.clock["now"] += self.seconds + self.first
        self.first = 0.0
        return self.layer(images)


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch, blobs: Any) -> Callable[..., equal_time.Budget]:
    clock = {"now": 0.0}
    monkeypatch.setattr(equal_time.time, "process_time", lambda: clock["now"])

    def fit(
        seconds: float, minutes: float | None, *, first: float = 0.0, count: int = 12
    ) -> equal_time.Budget:
        blobs.count = count
        module = Paid(clock, seconds, first)
        task = Task(
            module=module,
            data=TrainingData(blobs, None, None),
            config=TrainingConfig(epochs=5, batch_size=2),
            seed=0,
            paths=lambda number: [TrainingPath(module)],
            validate=lambda _: pytest.fail("validation is not counted"),
        )
        return fit_epochs(task, minutes)

    return fit


def test_twice_as_slow_a_network_gets_half_the_epochs(fitted: Callable[..., equal_time.Budget]) -> None:
    fast, slow = fitted(0.5, 1.0), fitted(1.0, 1.0)
    assert (fast.epochs, slow.epochs) == (20, 10)
    assert (fast.step_seconds, slow.step_seconds) == pytest.approx((0.5, 1.0))
    assert fast.minutes == pytest.approx(1.0)


def test_the_first_steps_only_warm_up(fitted: Callable[..., equal_time.Budget]) -> None:
    assert fitted(0.5, 1.0, first=60.0).epochs == 20


def test_a_slow_network_is_trained_for_an_epoch_all_the_same(
    fitted: Callable[..., equal_time.Budget],
) -> None:
    budget = fitted(100.0, 1.0)
    assert budget.epochs == 1
    assert budget.minutes == pytest.approx(10.0)


def test_few_images_are_enough(fitted: Callable[..., equal_time.Budget]) -> None:
    assert fitted(1.0, 1.0, count=3).epochs == 60


def test_without_a_time_all_get_the_same_epochs(fitted: Callable[..., equal_time.Budget]) -> None:
    assert {fitted(seconds, None).epochs for seconds in (0.1, 1.0)} == {5}


def test_one_thread_for_as_long_as_it_takes() -> None:
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
