"""The one training loop; the supernet and a single network differ only in what is passed in."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from autonad.config import TrainingConfig
from autonad.errors import DatasetError
from autonad.training.averaging import Average
from autonad.training.checkpoint import Checkpoints, Progress
from autonad.training.distillation import taught
from autonad.training.feed import Feed
from autonad.training.inputs import TrainingData
from autonad.training.losses import make_criterion
from autonad.training.optimizer import learning_rate, make_optimizer, total_steps
from autonad.training.paths import TrainingPath, backward
from autonad.training.postponing import postponed
from autonad.training.samplers import batches, epoch_order
from autonad.training.world import ALONE, World

Log = Callable[[dict[str, float], int], None]


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is trained, on which images, and how it is judged.

    Attributes:
        module: What is optimised; on the device that it shall be trained on.
        data: What it learns from.
        config: Settings.
        seed: Seed of order and augmentation.
        paths: For a step's number, the forward passes whose losses are averaged, and what each learns from.
            One for a single network; one or more sampled architectures for a supernet.
        validate: Metrics of the module (with averaged weights when `ema_decay` is set); `val/miou` decides.
            Of several processes all must be given the same.
    """

    module: nn.Module
    data: TrainingData
    config: TrainingConfig
    seed: int
    paths: Callable[[int], Sequence[TrainingPath]]
    validate: Callable[[nn.Module], dict[str, float]]


def train(
    task: Task,
    checkpoints: Checkpoints,
    *,
    resume: bool,
    log: Log = lambda metrics, epoch: None,
    on_checkpoint: Callable[[], None] = lambda: None,
    on_resume: Callable[[Progress], None] = lambda progress: None,
    world: World = ALONE,
) -> Progress:
    """Train a module and leave its best weights in it.

    Each epoch: run its steps, validate when due, keep the best weights, log, save a checkpoint. A step sums
    the gradients of all its paths. All randomness is derived from (seed, epoch, step), so a resumed run ends
    with the same weights where a step gives the same bits twice, as on a processor. One process that is asked
    to end saves a checkpoint within the epoch. Of several processes, one writes, and calls `log` and
    `on_checkpoint`.

    Args:
        task: What is trained.
        checkpoints: Where the state is kept.
        resume: Continue from the last checkpoint, if there is one; else start over.
        log: Receives metrics and the epoch.
        on_checkpoint: Called after each checkpoint.
        on_resume: Called once with the progress that is continued from.
        world: The processes that train together.

    Returns:
        Where it ended, with the history.

    Raises:
        CheckpointError: `resume`, and the checkpoint belongs to another configuration.
        DatasetError: There are no training images, or the loss diverges.
    """
    if len(task.data.images) == 0:
        raise DatasetError("the training split has no images; check the split of the manifest")
    loop = _Loop(task, checkpoints, world)
    if resume and checkpoints.exists():
        loop.restore()
        on_resume(loop.progress)
    elif world.leads:
        checkpoints.clear()

    with closing(loop.feed):
        for _ in range(loop.progress.epoch, task.config.epochs):
            try:
                row = loop.epoch()
                if loop.due(task.config.validate_every):
                    row |= loop.validate()
            except KeyboardInterrupt:
                if loop.save_within_epoch():
                    on_checkpoint()
                raise
            loop.close_epoch(row)
            if not world.leads:
                continue
            log({name: value for name, value in row.items() if name != "epoch"}, loop.progress.epoch)
            if loop.due(task.config.checkpoint_every):
                loop.save()
                on_checkpoint()

    loop.take_best()
    return loop.progress


class _Loop:
    """The state of a run, and what is done with it."""

    def __init__(self, task: Task, checkpoints: Checkpoints, world: World) -> None:
        config, data = task.config, task.data
        self.task, self.checkpoints, self.world = task, checkpoints, world
        self.progress = Progress()
        self.device = next(task.module.parameters()).device
        self.optimizer = make_optimizer(task.module, config)
        self.loss_of = taught(
            make_criterion(
                cross_entropy=config.cross_entropy,
                dice=config.dice,
                class_weights=None if data.class_weights is None else data.class_weights.to(self.device),
            ),
            share=config.teacher_share,
            temperature=config.teacher_temperature,
        )
        self.averaged = Average(task.module, config.ema_decay)
        self.total = total_steps(config, len(data.images), data.repeats)
        self.losses: list[Tensor] = []  # of the epoch under way
        self.between_steps, self.first = True, (0, 0)  # epoch and step in it that the run begins with
        self.repeats = np.ones(len(data.images)) if data.repeats is None else data.repeats
        self.feed = Feed(
            data.images,
            lambda epoch: [world.share(part).tolist() for part in self._left(epoch)],
            config.epochs,
            self.device,
        )

    def due(self, every: int) -> bool:
        """Whether something that is done every so many epochs, and at the end, is done now."""
        return self.progress.epoch % every == 0 or self.progress.epoch == self.task.config.epochs

    def epoch(self) -> dict[str, float]:
        """Run the steps of one epoch; returns its row of the history."""
        started, number, config = time.monotonic(), self.progress.epoch, self.task.config
        self.task.module.train()
        with postponed(self.world.size == 1) as asked:
            for indices, (images, labels) in zip(self._left(number), self.feed.epoch(number), strict=True):
                self.between_steps = False
                rate = learning_rate(config, self.progress.step, self.total)
                self.losses.append(self._step(images, self.world.gather(labels, len(indices)), rate))
                self.between_steps = True
                if asked():
                    break
        self.progress.epoch = number + 1
        loss = float(torch.stack(self.losses).mean())
        if not math.isfinite(loss) or not self._finite():
            what = "weights are not finite" if math.isfinite(loss) else f"the loss became {loss}"
            raise DatasetError(
                f"{what} in epoch {number + 1}; lower learning_rate or set clip_norm, and check the dataset "
                "with `autonad audit`"
            )
        return {
            "epoch": float(number + 1),
            "train/loss": loss,
            "train/learning_rate": learning_rate(config, self.progress.step - 1, self.total),
            "train/seconds": time.monotonic() - started,
        }

    def close_epoch(self, row: dict[str, float]) -> None:
        """Count an epoch as complete, with its row of the history."""
        self.progress.history.append(row)
        self.progress.losses, self.losses = [], []

    def save_within_epoch(self) -> bool:
        """Write a checkpoint of an epoch that was broken off, if its last step is complete; whether it is.

        Of a training that diverges the checkpoint of before is the better one.
        """
        if self.world.size > 1 or not (self.between_steps and self.losses):
            return False
        if not torch.stack(self.losses).isfinite().all() or not self._finite():
            return False
        self.averaged.give_back(self.task.module)
        self.progress.epoch = len(self.progress.history)
        self.progress.losses = [float(loss) for loss in self.losses]
        self.save()
        return True

    def _finite(self) -> bool:
        """Whether one can go on from the weights and what the optimiser remembers."""
        slots = (tensor for slots in self.optimizer.state.values() for tensor in slots.values())
        tensors = [*self.task.module.state_dict().values(), *slots]
        return all(bool(tensor.isfinite().all()) for tensor in tensors if tensor.is_floating_point())

    def _left(self, epoch: int) -> list[NDArray[np.int64]]:
        """The batches of an epoch that are not done yet."""
        return self._batches(epoch)[self.first[1] if epoch == self.first[0] else 0 :]

    def _batches(self, epoch: int) -> list[NDArray[np.int64]]:
        """Indices of each batch of an epoch, of all processes."""
        return batches(epoch_order(self.repeats, self.task.seed, epoch), self.task.config.batch_size)

    def _step(self, images: Tensor, labels: Tensor, rate: float) -> Tensor:
        """One step of the optimiser; returns the loss, detached."""
        task, world = self.task, self.world
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        paths = task.paths(self.progress.step)
        loss = backward(paths, images, labels, self.loss_of, task.config.precision, world)
        world.sum_gradients(task.module)
        if task.config.clip_norm is not None:
            nn.utils.clip_grad_norm_(task.module.parameters(), task.config.clip_norm)
        self.optimizer.step()
        self.averaged.update(task.module)
        self.progress.step += 1
        return loss

    def validate(self) -> dict[str, float]:
        """Metrics of the present weights, which are kept if they are the best so far."""
        module, progress = self.task.module, self.progress
        module.eval()
        with torch.no_grad(), self.averaged.applied(module):
            metrics = self.task.validate(module)
            if progress.best_miou is None or metrics["val/miou"] > progress.best_miou:
                if self.world.leads:
                    self.checkpoints.save_best(progress.epoch, module)
                # Not before: a run that is broken off meanwhile would never write them.
                progress.best_miou, progress.best_epoch = metrics["val/miou"], progress.epoch
        return metrics

    def save(self) -> None:
        """Write a checkpoint."""
        self.checkpoints.save(self.progress, self.task.module, self.optimizer, self.averaged.tensors())

    def restore(self) -> None:
        """Go back to the last checkpoint."""
        self.progress, extra = self.checkpoints.restore(self.task.module, self.optimizer)
        self.averaged.load(extra)
        self.losses = [torch.tensor(loss, device=self.device) for loss in self.progress.losses]
        self.first = (self.progress.epoch, len(self.losses))

    def take_best(self) -> None:
        """Put the best weights into the module."""
        self.world.wait()  # Until they are written.
        assert self.progress.best_epoch is not None
        self.task.module.load_state_dict(self.checkpoints.load_best(self.progress.best_epoch))
        self.task.module.eval()
