"""Test-time augmentation: a network asked about several views of an image, and what that gains and costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np

from autonad.evaluation.predict import Forward, evaluate_network
from autonad.latency.measure import time_calls

if TYPE_CHECKING:
    from autonad.data.dataset import Dataset
    from autonad.data.loader import SegmentationData
    from autonad.evaluation.result import EvaluationResult

TestTime = Literal["none", "flips", "flips+scales"]
SCALES = (0.75, 1.25)
TIMED_CALLS = 10


def average_views(forward: Forward, test_time: TestTime, *, least_side: int) -> Forward:
    """A network that answers with the mean probabilities over views of an image.

    Args:
        forward: The network; with scales it must take images of any size.
        test_time: "flips" are the image and its three mirror images; "flips+scales" adds each at `SCALES`.
        least_side: Fewest rows and columns that the network takes, pixels.

    Returns:
        Images (B, 3, H, W) → logarithms of probabilities (B, C, H, W), to be used as logits are.
    """

    def averaged(images: np.ndarray) -> np.ndarray:
        total, views = None, 0
        height, width = images.shape[2:]
        for scaled in _scaled(images, test_time, least_side):
            for axes in ((), (2,), (3,), (2, 3)) if test_time != "none" else ((),):
                logits = _array(forward(np.ascontiguousarray(np.flip(scaled, axes))))
                seen = _resize(np.flip(_softmax(logits), axes), height, width)
                total = seen if total is None else total + seen
                views += 1
        assert total is not None
        return np.log(np.maximum(total / views, np.finfo(np.float32).tiny))

    return averaged


def measure_views(
    forward: Forward,
    data: SegmentationData,
    dataset: Dataset,
    plain: EvaluationResult,
    test_time: TestTime,
    *,
    least_side: int,
) -> dict[str, Any]:
    """What test-time views gain on a split, and what they cost.

    Args:
        forward: The network.
        data: The split.
        dataset: Where its masks are.
        plain: What the network found without views.
        test_time: Which views.
        least_side: Fewest rows and columns that the network takes, pixels.

    Returns:
        `views`; `miou` and `plain_miou` at input size, and `gain` (fractions); `ms` and `plain_ms`,
        median of one pass on this machine: an image, or a tile of one that is cut.
    """
    from autonad.evaluation.metrics import compute_metrics

    averaged = average_views(forward, test_time, least_side=least_side)
    classes = plain.classes
    found = evaluate_network(averaged, data, dataset, batch_size=16, num_classes=len(classes))
    before, after = (compute_metrics(result.input_matrices.sum(0), classes).miou for result in (plain, found))
    sample, _ = data.batch([0])
    return {
        "views": test_time,
        "miou": after,
        "plain_miou": before,
        "gain": after - before,
        "ms": _milliseconds(averaged, sample),
        "plain_ms": _milliseconds(forward, sample),
    }


def _scaled(images: np.ndarray, test_time: TestTime, least_side: int) -> Iterator[np.ndarray]:
    yield images
    if test_time == "flips+scales":
        for scale in SCALES:
            height, width = (max(least_side, round(side * scale)) for side in images.shape[2:])
            yield _resize(images, height, width)


def _resize(batch: np.ndarray, height: int, width: int) -> np.ndarray:
    """(B, K, h, w) → (B, K, height, width), bilinearly."""
    if batch.shape[2:] == (height, width):
        return batch
    planes = [
        [
            cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR)
            for plane in np.ascontiguousarray(one)
        ]
        for one in batch
    ]
    return np.array(planes, dtype=np.float32)


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)


def _array(values: Any) -> np.ndarray:
    """A numpy array from an array or a torch tensor on any device."""
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values, dtype=np.float32)


def _milliseconds(forward: Forward, sample: np.ndarray) -> float:
    """Median time of one pass, ms; the first call is not counted."""
    return float(np.median(time_calls(lambda: _array(forward(sample)), warmup=1, repeats=TIMED_CALLS)))
