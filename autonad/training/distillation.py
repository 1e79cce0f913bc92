"""Learning from a teacher: what a path's loss is where another network's logits stand beside the labels."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from autonad.data.images import IGNORE
from autonad.training.losses import Criterion

PathLoss = Callable[[Tensor, Tensor, Tensor | None], Tensor]

# Ratio of probabilities above which a pixel weighs no more (Wang et al. 2021 use 5 as well).
CLIP = 5.0


def taught(criterion: Criterion, *, share: float, temperature: float) -> PathLoss:
    """A loss for paths with and without a teacher.

    Args:
        criterion: Loss of logits and labels.
        share: Of the teacher in the loss of a path that has one; the labels have the rest.
        temperature: By which both logits are divided before they are compared; the gradient keeps its size
            (Hinton et al. 2015).

    Returns:
        A function of logits (B, C, H, W), labels (B, H, W), 255 = ignore, and the teacher's logits or None,
        to a scalar.
    """

    def loss(logits: Tensor, labels: Tensor, teacher: Tensor | None) -> Tensor:
        if teacher is None or share == 0:
            return criterion(logits, labels)
        told = teacher_loss(logits, teacher, labels, temperature)
        return share * told + (1 - share) * criterion(logits, labels) if share < 1 else told

    return loss


def teacher_loss(logits: Tensor, teacher: Tensor, labels: Tensor, temperature: float = 1.0) -> Tensor:
    """Mean divergence from the teacher over labelled pixels (AlphaNet: Wang et al. 2021, Eq. 9 and 10).

    Each pixel takes the larger of two α-divergences: α = 1 (Kullback and Leibler's) grows where the student
    misses what the teacher sees, α = −1 where it sees what the teacher does not. In the latter the ratio of
    probabilities is clipped, so that no pixel outweighs the others.

    Args:
        logits: (B, C, H, W) of the student; gradients flow into these alone.
        teacher: (B, C, H, W).
        labels: (B, H, W); pixels of 255 do not count.
        temperature: By which both logits are divided.

    Returns:
        A scalar, in float32, times the temperature squared.
    """
    log_student = torch.log_softmax(logits.float() / temperature, dim=1)
    log_teacher = torch.log_softmax(teacher.detach().float() / temperature, dim=1)
    with torch.no_grad():
        target, own = log_teacher.exp(), log_student.exp()
        ratio = (log_student - log_teacher).exp().clamp(max=CLIP)  # (p_student / p_teacher)^-α, α = -1
        missed = (target * (log_teacher - log_student)).sum(1)
        invented = ((own * ratio).sum(1) - 1) / 2
        valid = labels != IGNORE
        more_invented = (invented > missed).unsqueeze(1)
        value = torch.maximum(missed, invented)[valid].sum()
        # Gradients of both divergences by log p_student: -p_teacher, and p_student times the ratio.
        slope = torch.where(more_invented, own * ratio, -target) * valid.unsqueeze(1)
    along = (slope * log_student).sum()
    return temperature**2 * (value + along - along.detach()) / valid.sum().clamp(min=1)
