"""The forward passes of one step, and what each learns from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from autonad.training.distillation import PathLoss
from autonad.training.world import ALONE, World

Forward = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class TrainingPath:
    """One forward pass of a step.

    Attributes:
        forward: Images (B, 3, H, W) → logits (B, C, H, W).
        teacher: Another's forward pass, whose logits it learns from beside the labels; "first": the step's
            first path, whose logits are there already (in-place distillation: Yu and Huang 2019). None: it
            learns from the labels alone.
    """

    forward: Forward
    teacher: Forward | Literal["first"] | None = None


def backward(
    paths: Sequence[TrainingPath],
    images: Tensor,
    labels: Tensor,
    loss_of: PathLoss,
    precision: str,
    world: World = ALONE,
) -> Tensor:
    """Add the gradients of every path's loss; returns the mean loss, detached.

    Args:
        paths: The forward passes, in order.
        images: (b, 3, H, W) this process's share.
        labels: (B, H, W) of the whole batch.
        loss_of: Loss of the whole batch, with a teacher's logits or without.
        precision: Of the forward passes.
        world: The processes that train together; their gradients are still to be summed.
    """

    def run(forward: Forward) -> Tensor:
        with autocast(images.device, precision):
            return world.gather(forward(images), len(labels))

    losses, first = [], None
    for path in paths:
        told = first
        if path.teacher is None:
            told = None
        elif path.teacher != "first":
            with torch.no_grad():
                told = run(path.teacher)
        logits = run(path.forward)
        first = logits.detach() if first is None else first
        loss = loss_of(logits, labels, told) / len(paths)
        loss.backward()
        losses.append(loss.detach())
    return torch.stack(losses).sum()


def autocast(device: torch.device, precision: str) -> torch.autocast | nullcontext[None]:
    """bf16 autocast on the device, or nothing for fp32; bf16's range needs no loss scaling."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()
