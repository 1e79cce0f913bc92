"""What matters on the line: parts whose defect goes unnoticed, and good parts that are rejected.

Definitions, on the pixels that count (a mask's "ignore" is left out of truth and prediction):

- A *defect image* has at least one true defect pixel; all others are *clean*.
- A *miss* is a defect image on which no defect pixel of any class was predicted. Per class: an image that
  shows the class and on which no pixel of that class was predicted.
- A *false alarm on a clean image* is a clean image with at least one predicted defect pixel.
- A *false alarm on a defect image* is a defect image on which some predicted class lies nowhere near a
  defect: none of its pixels within `near_px` of a true defect pixel of any class. Naming a defect wrongly is
  no false alarm here; the confusion matrix shows it.

"Near" is the larger of the row and the column distance, in pixels of the image that is scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autonad.data.images import IGNORE

NEAR_PX = 5


@dataclass(frozen=True, slots=True)
class ImageVerdict:
    """One image.

    Attributes:
        truth_pixels: True pixels of each class, background first.
        predicted_pixels: Predicted pixels of each class.
        stray_classes: Classes, by index, that were predicted nowhere near a defect.
    """

    truth_pixels: tuple[int, ...]
    predicted_pixels: tuple[int, ...]
    stray_classes: tuple[int, ...]

    @property
    def defect(self) -> bool:
        """Whether the image shows a defect."""
        return sum(self.truth_pixels[1:]) > 0

    @property
    def missed(self) -> bool:
        """Whether it shows a defect and nothing was predicted."""
        return self.defect and sum(self.predicted_pixels[1:]) == 0

    @property
    def false_alarm(self) -> bool:
        """Whether a class was predicted nowhere near a defect (on a clean image: at all)."""
        return bool(self.stray_classes)


def judge_image(
    labels: np.ndarray, predictions: np.ndarray, num_classes: int, *, near_px: int = NEAR_PX
) -> ImageVerdict:
    """Judge one prediction.

    Args:
        labels: (H, W) true classes or `IGNORE`.
        predictions: (H, W) predicted classes.
        num_classes: Classes including background.
        near_px: How far from a true defect a prediction may lie and still belong to it, in pixels.
    """
    valid = labels != IGNORE
    truth = np.bincount(labels[valid], minlength=num_classes)
    guess = np.bincount(predictions[valid], minlength=num_classes)
    near = dilate(valid & (labels > 0), near_px)
    away = np.bincount(predictions[valid & ~near], minlength=num_classes)
    stray = tuple(k for k in range(1, num_classes) if guess[k] and away[k] == guess[k])
    return ImageVerdict(tuple(map(int, truth)), tuple(map(int, guess)), stray)


def summarise_images(verdicts: Sequence[ImageVerdict], classes: Sequence[str]) -> dict[str, Any]:
    """Counts over a split, each with its denominator; a rate is None where there is nothing to divide by.

    Returns:
        `misses`, `false_alarms_clean`, `false_alarms_defect`, each `{count, of, rate}`, and
        `misses_by_class`, which holds one of these per defect class.
    """
    defect = [verdict for verdict in verdicts if verdict.defect]
    clean = [verdict for verdict in verdicts if not verdict.defect]
    by_class = {}
    for k, name in enumerate(classes):
        if k > 0:
            showing = [verdict for verdict in verdicts if verdict.truth_pixels[k]]
            by_class[name] = _rate(sum(v.predicted_pixels[k] == 0 for v in showing), len(showing))
    return {
        "misses": _rate(sum(verdict.missed for verdict in defect), len(defect)),
        "misses_by_class": by_class,
        "false_alarms_clean": _rate(sum(verdict.false_alarm for verdict in clean), len(clean)),
        "false_alarms_defect": _rate(sum(verdict.false_alarm for verdict in defect), len(defect)),
    }


def _rate(count: int, of: int) -> dict[str, int | float | None]:
    return {"count": count, "of": of, "rate": count / of if of else None}


def dilate(mask: np.ndarray, radius: int) -> np.ndarray:
    """Grow a boolean mask by a square of `radius` pixels, by running sums along each axis."""
    for axis in (0, 1):
        length = mask.shape[axis]
        sums = np.concatenate([np.zeros_like(mask.take([0], axis), int), mask.cumsum(axis)], axis)
        position = np.arange(length)
        upper = sums.take(np.minimum(position + radius + 1, length), axis)
        mask = upper > sums.take(np.maximum(position - radius, 0), axis)
    return mask
