"""Trainings that cost the same processor time, whatever the network: how many epochs fit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from autonad.config import TrainingConfig
from autonad.training.checkpoint import Checkpoints
from autonad.training.inputs import Batches, TrainingData
from autonad.training.loop import Task, train
from autonad.training.optimizer import total_steps

# The first of so many short epochs warms up, the last one validates; the others are timed.
EPOCHS, STEPS = 4, 4


@dataclass(frozen=True)
class Budget:
    """What a training may cost.

    Attributes:
        epochs: As many as fit, at least one; the learning rate's schedule ends with them.
        step_seconds: Processor time of one step, by which that was reckoned, s.
        minutes: What they cost by it.
    """

    epochs: int
    step_seconds: float
    minutes: float


def fit_epochs(task: Task, minutes: float | None, scratch: Path) -> Budget:
    """How many epochs of a task fit into a time, by the time of its first steps.

    Time is the processor's on the CPU, so that other programs do not count, and the clock's on a GPU.
    Validation is not counted: it belongs to judging.

    Args:
        task: The task; its module is trained for a few steps, so give one that is thrown away.
        minutes: The time; None takes the task's own epochs, whatever they cost.
        scratch: Folder for its checkpoints.

    Raises:
        DatasetError: There are no training images, or the loss diverges.
    """
    device = next(task.module.parameters()).device
    read = _clock(device)
    few = min(len(task.data.images), STEPS * task.config.batch_size)
    short = replace(
        task,
        data=TrainingData(_First(task.data.images, few), None, task.data.class_weights),
        config=task.config.model_copy(
            update={"epochs": EPOCHS, "validate_every": EPOCHS, "checkpoint_every": EPOCHS}
        ),
        validate=lambda module: {"val/miou": 0.0},
    )
    marks: list[float] = []
    train(short, Checkpoints(scratch, {}), resume=False, log=lambda row, epoch: marks.append(read()))
    seconds = float(np.diff(marks)[: EPOCHS - 2].mean()) / total_steps(_once(task), few)
    per_epoch = total_steps(_once(task), len(task.data.images), task.data.repeats)
    epochs = task.config.epochs
    if minutes is not None:
        epochs = max(1, round(60 * minutes / (seconds * per_epoch)))
    return Budget(epochs, seconds, epochs * per_epoch * seconds / 60)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute with a single thread, as processor time is compared."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _First(Batches):
    """The first so many images."""

    def __init__(self, images: Batches, count: int) -> None:
        self._images, self._count = images, count

    def __len__(self) -> int:
        return self._count

    def batch(self, indices: Sequence[int], epoch: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        return self._images.batch(indices, epoch)


def _once(task: Task) -> TrainingConfig:
    return task.config.model_copy(update={"epochs": 1})


def _clock(device: torch.device) -> Callable[[], float]:
    if device.type != "cuda":
        return time.process_time

    def read() -> float:
        torch.cuda.synchronize(device)
        return time.monotonic()

    return read
