"""mIoU of a network on a split, quickly: what validation and search need again and again."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from autonad.data.loader import SegmentationData
from autonad.evaluation.metrics import ConfusionMatrix, Metrics, compute_metrics
from autonad.training.world import ALONE, World


@torch.no_grad()
def score(
    forward: Callable[[Tensor], Tensor],
    data: SegmentationData,
    *,
    classes: tuple[str, ...],
    device: torch.device,
    batch_size: int = 16,
    world: World = ALONE,
) -> Metrics:
    """Metrics at input size over a whole split, from one confusion matrix.

    Args:
        forward: (B, 3, H, W) → logits (B, C, H, W), in evaluation mode.
        data: The split, without augmentation.
        classes: Names, background first.
        device: Where `forward` expects its images.
        batch_size: Images per pass.
        world: The processes that share the images; all get the same metrics.
    """
    confusion = ConfusionMatrix(len(classes))
    for start in range(world.rank * batch_size, len(data), world.size * batch_size):
        images, labels = data.batch(range(start, min(start + batch_size, len(data))), 0)
        predictions = forward(torch.from_numpy(images).to(device)).argmax(1)
        confusion.update(labels, predictions.cpu().numpy())
    return compute_metrics(world.total(confusion.matrix), classes)
