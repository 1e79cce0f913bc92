"""mIoU of a network on a split, quickly: what validation and search need again and again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from autonad.data.loader import SegmentationData
from autonad.evaluation.metrics import ConfusionMatrix, Metrics, compute_metrics
from autonad.evaluation.predict import count_images
from autonad.evaluation.result import SIZES, Size
from autonad.training.world import World

BATCH = 16  # images per pass

Forward = Callable[[Tensor], Tensor]
"""(B, 3, H, W) → logits (B, C, H, W), in evaluation mode."""


def score(
    forward: Forward, data: SegmentationData, *, classes: tuple[str, ...], world: World, size: Size = "input"
) -> Metrics:
    """Metrics over a whole split, from one confusion matrix; see `score_sizes`."""
    return score_sizes(forward, data, classes=classes, world=world, sizes=(size,))[size]


@torch.no_grad()
def score_sizes(
    forward: Forward,
    data: SegmentationData,
    *,
    classes: tuple[str, ...],
    world: World,
    sizes: Sequence[Size] = SIZES,
) -> Mapping[Size, Metrics]:
    """Metrics over a whole split at the network's input size, at each image's own size, or at both.

    They are those of `evaluate_network`; one pass gives both, and where the images have the input's size they
    are the same.

    Args:
        forward: The network.
        data: The split, without augmentation.
        classes: Names, background first.
        world: The processes that share the images, and where `forward` expects them; all get the same result.
        sizes: At which sizes pixels are counted.
    """
    if "native" not in sizes or _at_own_size(data):
        metrics = compute_metrics(world.total(_at_input(forward, data, len(classes), world)), classes)
        return dict.fromkeys(sizes, metrics)
    counts = np.zeros((len(SIZES), len(classes), len(classes)), dtype=np.int64)

    def logits_of(images: np.ndarray) -> Tensor:
        return forward(torch.from_numpy(images).to(world.device))

    for start in range(world.rank * BATCH, len(data.rows), world.size * BATCH):
        images = range(start, min(start + BATCH, len(data.rows)))
        for found in count_images(
            logits_of, data, data.dataset, images, batch_size=BATCH, num_classes=len(classes)
        ):
            counts += (found.at_input, found.at_native)
    totals = world.total(counts)
    return {size: compute_metrics(totals[SIZES.index(size)], classes) for size in sizes}


def _at_input(forward: Forward, data: SegmentationData, num_classes: int, world: World) -> np.ndarray:
    """(C, C) counts at input size over the samples of this process; classes are chosen on the device."""
    confusion = ConfusionMatrix(num_classes)
    for start in range(world.rank * BATCH, len(data), world.size * BATCH):
        images, labels = data.batch(range(start, min(start + BATCH, len(data))), 0)
        predictions = forward(torch.from_numpy(images).to(world.device)).argmax(1)
        confusion.update(labels, predictions.cpu().numpy())
    return confusion.matrix


def _at_own_size(data: SegmentationData) -> bool:
    """Whether every image comes to the network as it is."""
    sides = (data.rows["height"] == data.size[0]) & (data.rows["width"] == data.size[1])
    return data.tiling is None and bool(sides.all())
