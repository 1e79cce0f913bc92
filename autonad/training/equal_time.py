"""Trainings that cost the same processor time, whatever the network: how many epochs fit."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from autonad.training.loop import Task
from autonad.training.optimizer import total_steps
from autonad.training.probing import PROBED, probe_steps


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


def fit_epochs(task: Task, minutes: float | None, *, probed: int = PROBED) -> Budget:
    """How many epochs of a task fit into a time, by the mean time of some of its steps.

    Time is the processor's on the CPU, so that other programs do not count, and the clock's on a GPU.
    Validation is not counted: it belongs to judging.

    Args:
        task: The task; its module is left as it is.
        minutes: The time; None takes the task's own epochs, whatever they cost.
        probed: Steps that are timed.
    """
    device = next(task.module.parameters()).device
    seconds = probe_steps(task, probed, clock=time.monotonic if device.type == "cuda" else time.process_time)
    once = task.config.model_copy(update={"epochs": 1})
    per_epoch = total_steps(once, len(task.data.images), task.data.repeats)
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
