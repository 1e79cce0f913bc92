"""Losses of segmentation with an "ignore" label."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from autonad.data.images import IGNORE

Criterion = Callable[[Tensor, Tensor], Tensor]


def make_criterion(*, cross_entropy: float, dice: float, class_weights: Tensor | None = None) -> Criterion:
    """A weighted sum of cross-entropy and Dice loss.

    Args:
        cross_entropy: Weight of the mean cross-entropy over labelled pixels.
        dice: Weight of `dice_loss`.
        class_weights: (C,) weight of each class in the cross-entropy; None weighs all alike.

    Returns:
        A function of logits (B, C, H, W) and labels (B, H, W), 255 = ignore, to a scalar. It computes in
        float32.
    """

    def criterion(logits: Tensor, labels: Tensor) -> Tensor:
        logits = logits.float()
        weights = None if class_weights is None else class_weights.to(logits.device)
        labelled = (labels != IGNORE).sum().clamp(min=1)  # A batch of padding alone has no loss, not NaN.
        total = F.cross_entropy(logits, labels, weight=weights, ignore_index=IGNORE, reduction="sum")
        loss = cross_entropy * total / labelled
        return loss + dice * dice_loss(logits, labels) if dice else loss

    return criterion


def dice_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """One minus the mean soft Dice over all classes of a batch (Milletari et al. 2016).

    The sums run over the whole batch, and the mean over the classes that the batch shows: where most defects
    are rare, a mean over all classes would mostly teach to predict none of them. False alarms of absent
    classes are left to the cross-entropy.

    Args:
        logits: (B, C, H, W).
        labels: (B, H, W), 255 = ignore.
    """
    valid = (labels != IGNORE).unsqueeze(1)
    classes = torch.arange(logits.shape[1], device=logits.device).view(-1, 1, 1)
    truth = labels.unsqueeze(1) == classes  # (B, C, H, W)
    probabilities = torch.softmax(logits, dim=1) * valid
    overlap = (probabilities * truth).sum((0, 2, 3))
    total = probabilities.sum((0, 2, 3)) + truth.sum((0, 2, 3))
    present = truth.sum((0, 2, 3)) > 0
    dice = (2 * overlap + 1) / (total + 1)
    return (present * (1.0 - dice)).sum() / present.sum().clamp(min=1)


def balanced_weights(pixels: Tensor, exponent: float) -> Tensor:
    """Class weights that lift rare classes: (median share / share) to a power (median frequency balancing).

    Args:
        pixels: (C,) labelled training pixels of each class.
        exponent: 0 weighs all alike, 1 makes every class count the same; classes without pixels get weight 1.

    Returns:
        (C,) float32 weights whose mean over the training pixels is 1.
    """
    share = pixels.double() / pixels.sum()
    known = share > 0
    weights = torch.ones_like(share)
    weights[known] = (share[known].median() / share[known]) ** exponent
    return (weights / (weights * share).sum()).float()
