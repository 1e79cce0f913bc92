"""mIoU of a network on a split, quickly: what validation and search need again and again."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from autonad.data.loader import SegmentationData
from autonad.evaluation.metrics import ConfusionMatrix, Metrics, compute_metrics
from autonad.training.world import World

BATCH = 16  # images per pass


@torch.no_grad()
def score(
    forward: Callable[[Tensor], Tensor], data: SegmentationData, *, classes: tuple[str, ...], world: World
) -> Metrics:
    """Metrics at input size over a whole split, from one confusion matrix.

    Args:
        forward: (B, 3, H, W) → logits (B, C, H, W), in evaluation mode.
        data: The split, without augmentation.
        classes: Names, background first.
        world: The processes that share the images, and where `forward` expects them; all get the same result.
    """
    confusion = ConfusionMatrix(len(classes))
    for start in range(world.rank * BATCH, len(data), world.size * BATCH):
        images, labels = data.batch(range(start, min(start + BATCH, len(data))), 0)
        predictions = forward(torch.from_numpy(images).to(world.device)).argmax(1)
        confusion.update(labels, predictions.cpu().numpy())
    return compute_metrics(world.total(confusion.matrix), classes)
