"""The one training loop; the supernet and a single network differ only in what is passed in."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from autonad.config import TrainingConfig
from autonad.errors import DatasetError
from autonad.training.checkpoint import Checkpoints, Progress, load_weights, save_weights
from autonad.training.losses import Criterion, make_criterion
from autonad.training.samplers import epoch_order
from autonad.training.world import ALONE, World

Forward = Callable[[Tensor], Tensor]
Log = Callable[[dict[str, float], int], None]


class Batches(Protocol):
    """Images on demand; sample i of epoch e is always the same."""

    def __len__(self) -> int:
        """Number of images."""
        ...

    def batch(self, indices: Sequence[int], epoch: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Images (B, 3, H, W), normalised, and labels (B, H, W), 255 = ignore."""
        ...


@dataclass(frozen=True)
class Outcome:
    """What a training run ends with; the module holds the best weights.

    Attributes:
        progress: Where it ended, with the history.
        seconds: Wall time of this process's part.
    """

    progress: Progress
    seconds: float


def train(
    module: nn.Module,
    *,
    data: Batches,
    config: TrainingConfig,
    seed: int,
    paths: Callable[[int], Sequence[Forward]],
    validate: Callable[[nn.Module], dict[str, float]],
    checkpoints: Checkpoints,
    resume: bool,
    repeats: NDArray[np.float64] | None = None,
    class_weights: Tensor | None = None,
    log: Log = lambda metrics, step: None,
    on_checkpoint: Callable[[Progress], None] = lambda progress: None,
    on_resume: Callable[[Progress], None] = lambda progress: None,
    world: World = ALONE,
) -> Outcome:
    """Train a module and leave its best weights in it.

    Each epoch: run its steps, validate when due, keep the best weights, log, save a checkpoint. A step sums
    the gradients of all its paths. All randomness is derived from (seed, epoch, step), so a resumed run ends
    with the same weights. Of several processes, one writes, and calls `log` and `on_checkpoint`.

    Args:
        module: What is optimised; on the device that it shall be trained on.
        data: Training images.
        config: Settings.
        seed: Seed of order and augmentation.
        paths: For a step's number, the forward passes whose losses are summed: (B, 3, H, W) → logits. One for
            a single network; one or more sampled architectures for a supernet.
        validate: Metrics of the module (with averaged weights when `ema_decay` is set); `val/miou` decides.
        checkpoints: Where the state is kept.
        resume: Continue from the last checkpoint, if there is one; else start over.
        repeats: How often each image is shown per epoch; None is once.
        class_weights: (C,) weights of the classes in the cross-entropy; None weighs all alike.
        log: Receives metrics and the epoch.
        on_checkpoint: Called after each checkpoint.
        on_resume: Called once with the progress that is continued from.
        world: The processes that train together; `validate` must give all of them the same metrics.

    Raises:
        CheckpointError: `resume`, and the checkpoint belongs to another configuration.
        DatasetError: There are no training images.
    """
    if len(data) == 0:
        raise DatasetError("the training split has no images; check the split of the manifest")
    started = time.monotonic()
    device = next(module.parameters()).device
    optimizer = make_optimizer(module, config)
    criterion = make_criterion(
        cross_entropy=config.cross_entropy, dice=config.dice, class_weights=class_weights
    )
    progress, averaged = Progress(), Average(module, config.ema_decay)
    best_path = checkpoints.folder / "best.safetensors"
    if resume and checkpoints.exists():
        progress, extra = checkpoints.restore(module, optimizer)
        averaged.load(extra)
        on_resume(progress)
    elif world.leads:
        checkpoints.clear()
    total = total_steps(config, len(data), repeats)
    repeats = np.ones(len(data)) if repeats is None else repeats

    for epoch in range(progress.epoch, config.epochs):
        module.train()
        losses: list[Tensor] = []
        epoch_started = time.monotonic()
        order = epoch_order(repeats, seed, epoch)
        for indices in batches(order, config.batch_size):
            rate = learning_rate(config, progress.step, total)
            for group in optimizer.param_groups:
                group["lr"] = rate
            images, labels = (
                torch.from_numpy(part).to(device) for part in data.batch(world.share(indices).tolist(), epoch)
            )
            labels = world.gather(labels, len(indices))
            optimizer.zero_grad(set_to_none=True)
            losses.append(backward(paths(progress.step), images, labels, criterion, config.precision, world))
            world.sum_gradients(module)
            if config.clip_norm is not None:
                nn.utils.clip_grad_norm_(module.parameters(), config.clip_norm)
            optimizer.step()
            averaged.update(module)
            progress.step += 1
        progress.epoch = epoch + 1
        row = {
            "epoch": float(progress.epoch),
            "train/loss": float(torch.stack(losses).mean()),
            "train/learning_rate": rate,
            "train/seconds": time.monotonic() - epoch_started,
        }
        if not math.isfinite(row["train/loss"]):
            raise DatasetError(
                f"the loss became {row['train/loss']} in epoch {progress.epoch}; lower learning_rate or set "
                "clip_norm, and check the dataset with `autonad audit`"
            )
        if progress.epoch % config.validate_every == 0 or progress.epoch == config.epochs:
            module.eval()
            with torch.no_grad(), averaged.applied(module):
                row |= validate(module)
                if progress.best_miou is None or row["val/miou"] > progress.best_miou:
                    progress.best_miou, progress.best_epoch = row["val/miou"], progress.epoch
                    if world.leads:
                        save_weights(best_path, module.state_dict())
        progress.history.append(row)
        if not world.leads:
            continue
        log({name: value for name, value in row.items() if name != "epoch"}, progress.epoch)
        if progress.epoch % config.checkpoint_every == 0 or progress.epoch == config.epochs:
            checkpoints.save(progress, module, optimizer, averaged.tensors())
            on_checkpoint(progress)

    world.wait()  # Until the best weights are written.
    module.load_state_dict(load_weights(best_path, "the best weights"))
    module.eval()
    return Outcome(progress, time.monotonic() - started)


def backward(
    paths: Sequence[Forward],
    images: Tensor,
    labels: Tensor,
    criterion: Criterion,
    precision: str,
    world: World = ALONE,
) -> Tensor:
    """Add the gradients of every path's loss; returns the mean loss, detached.

    Args:
        paths: The forward passes.
        images: (b, 3, H, W) this process's share.
        labels: (B, H, W) of the whole batch.
        criterion: Loss of the whole batch.
        precision: Of the forward passes.
        world: The processes that train together; their gradients are still to be summed.
    """
    losses = []
    for forward in paths:
        with autocast(images.device, precision):
            logits = world.gather(forward(images), len(labels))
        loss = criterion(logits, labels) / len(paths)
        loss.backward()
        losses.append(loss.detach())
    return torch.stack(losses).sum()


def autocast(device: torch.device, precision: str) -> torch.autocast | nullcontext[None]:
    """bf16 autocast on the device, or nothing for fp32; bf16's range needs no loss scaling."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()


def make_optimizer(module: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """Adam or AdamW; only weights of two or more axes decay (norms, biases and scales do not)."""
    weights = [p for p in module.parameters() if p.ndim >= 2]
    others = [p for p in module.parameters() if p.ndim < 2]
    groups = [
        {"params": weights, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=config.learning_rate)


def learning_rate(config: TrainingConfig, step: int, total: int) -> float:
    """Linear warm-up, then cosine or poly (power 0.9) decay to zero.

    Args:
        config: Peak rate, schedule and share of warm-up.
        step: Steps done before this one.
        total: Steps of the whole run.
    """
    warmup = config.warmup * total
    if step < warmup:
        return config.learning_rate * (step + 1) / (warmup + 1)
    # Chance in `epoch_order` may add a few steps to the expected total.
    share = min(1.0, (step - warmup) / max(1.0, total - warmup))
    decay = 0.5 * (1 + math.cos(math.pi * share)) if config.schedule == "cosine" else (1 - share) ** 0.9
    return config.learning_rate * decay


def batches(order: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    """Cut an epoch into batches; a last incomplete one is dropped unless it is the only one."""
    full = [order[start : start + size] for start in range(0, len(order) - size + 1, size)]
    return full or [order]


def total_steps(config: TrainingConfig, num_images: int, repeats: NDArray[np.float64] | None = None) -> int:
    """Expected steps of a whole run; `repeats` says how often each image is shown per epoch (None: once)."""
    shown = num_images if repeats is None else math.floor(repeats.sum())
    return config.epochs * max(1, shown // config.batch_size)


class Average:
    """Exponential moving average of a module's weights; does nothing without a decay.

    The decay rises with the number of updates, as min(decay, (1 + n) / (10 + n)), so early weights are
    forgotten.
    """

    def __init__(self, module: nn.Module, decay: float | None) -> None:
        self.decay, self.updates = decay, 0
        self.shadow = (
            {n: t.detach().clone() for n, t in module.state_dict().items()} if decay is not None else {}
        )

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Move towards the module's present weights."""
        if self.decay is None:
            return
        self.updates += 1
        weight = 1.0 - min(self.decay, (1 + self.updates) / (10 + self.updates))
        own = module.state_dict()
        torch._foreach_lerp_(list(self.shadow.values()), [own[name] for name in self.shadow], weight)

    def applied(self, module: nn.Module) -> _Swapped | nullcontext[None]:
        """Within this context the module holds the averaged weights."""
        return nullcontext() if self.decay is None else _Swapped(module, self.shadow)

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint keeps."""
        return self.shadow | {"updates": torch.tensor(self.updates)} if self.shadow else {}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Back to what `tensors` gave."""
        if self.decay is not None:
            self.updates = int(tensors["updates"])
            for name, tensor in self.shadow.items():
                tensor.copy_(tensors[name])


class _Swapped:
    """Other weights in a module for the time of a `with` block."""

    def __init__(self, module: nn.Module, weights: dict[str, Tensor]) -> None:
        self.module, self.weights = module, weights

    def __enter__(self) -> None:
        self.own = {name: tensor.clone() for name, tensor in self.module.state_dict().items()}
        self.module.load_state_dict(self.weights)

    def __exit__(self, *_: object) -> None:
        self.module.load_state_dict(self.own)
