"""Losses of segmentation with an "ignore" label."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

IGNORE = 255
Criterion = Callable[[Tensor, Tensor], Tensor]


def make_criterion(*, cross_entropy: float, dice: float) -> Criterion:
    """A weighted sum of cross-entropy and Dice loss.

    Args:
        cross_entropy: Weight of the mean cross-entropy over labelled pixels.
        dice: Weight of `dice_loss`.

    Returns:
        A function of logits (B, C, H, W) and labels (B, H, W), 255 = ignore, to a scalar. It computes in float32.
    """

    def criterion(logits: Tensor, labels: Tensor) -> Tensor:
        logits = logits.float()
        labelled = (labels != IGNORE).sum().clamp(min=1)  # A batch of padding alone has no loss, not NaN.
        loss = cross_entropy * F.cross_entropy(logits, labels, ignore_index=IGNORE, reduction="sum") / labelled
        return loss + dice * dice_loss(logits, labels) if dice else loss

    return criterion


def dice_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """One minus the mean soft Dice over all classes of a batch (Milletari et al. 2016).

    The sums run over the whole batch, so an image without a class does not punish every pixel of it. Smoothing by one
    pixel leaves a class that is absent from labels and predictions without loss.

    Args:
        logits: (B, C, H, W).
        labels: (B, H, W), 255 = ignore.
    """
    valid = (labels != IGNORE).unsqueeze(1)
    num_classes = logits.shape[1]
    truth = F.one_hot(labels.clamp(max=num_classes - 1), num_classes).permute(0, 3, 1, 2) * valid
    probabilities = torch.softmax(logits, dim=1) * valid
    overlap = (probabilities * truth).sum((0, 2, 3))
    total = probabilities.sum((0, 2, 3)) + truth.sum((0, 2, 3))
    return 1.0 - ((2 * overlap + 1) / (total + 1)).mean()
