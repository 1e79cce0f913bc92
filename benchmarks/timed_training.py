"""A training of so many minutes of processor time, for benchmarks that compare at equal cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from autonad.config import TrainingConfig
from autonad.training.distillation import taught
from autonad.training.inputs import TrainingData
from autonad.training.losses import make_criterion
from autonad.training.optimizer import learning_rate, make_optimizer
from autonad.training.paths import TrainingPath, backward
from autonad.training.samplers import batches, epoch_order

SCHEDULE = 100_000  # steps that the schedule is divided into; time decides which of them a real step is


def train_for(
    seconds: float,
    module: nn.Module,
    data: TrainingData,
    settings: TrainingConfig,
    seed: int,
    paths: Callable[[int, float], Sequence[TrainingPath]],
    after: Callable[[], None] = lambda: None,
) -> int:
    """Train as the loop does, with the schedule stretched over the time; returns the steps that were made.

    Args:
        seconds: Processor time, everything from reading images to the optimiser's step included.
        module: What is trained.
        data: What it learns from.
        settings: Of the training; its epochs do not count.
        seed: Seed of order and augmentation.
        paths: For a step's number, and the steps of the whole run as they are expected by then, its paths.
        after: Called after each step.
    """
    optimizer = make_optimizer(module, settings)
    loss_of = taught(
        make_criterion(
            cross_entropy=settings.cross_entropy, dice=settings.dice, class_weights=data.class_weights
        ),
        share=settings.teacher_share,
        temperature=settings.teacher_temperature,
    )
    repeats = np.ones(len(data.images)) if data.repeats is None else data.repeats
    module.train()
    begun, step, epoch = time.process_time(), 0, 0
    while True:
        for indices in batches(epoch_order(repeats, seed, epoch), settings.batch_size):
            done = (time.process_time() - begun) / seconds
            if done >= 1:
                return step
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(settings, int(done * SCHEDULE), SCHEDULE)
            images, labels = (torch.from_numpy(part) for part in data.images.batch(indices.tolist(), epoch))
            optimizer.zero_grad(set_to_none=True)
            backward(paths(step, step / done if step else 1.0), images, labels, loss_of, settings.precision)
            if settings.clip_norm is not None:
                nn.utils.clip_grad_norm_(module.parameters(), settings.clip_norm)
            optimizer.step()
            after()
            step += 1
        epoch += 1
