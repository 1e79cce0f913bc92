"""Segmentation metrics, all read from one confusion matrix over a whole split.

The paper averages IoU and F1 over the classes of one matrix, background included; the figures beside that
(foreground mean, per class, support) come from the same matrix, so they always agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from autonad.data.images import IGNORE
from autonad.errors import DatasetError


class ConfusionMatrix:
    """Counts pixels by (true class, predicted class)."""

    def __init__(self, num_classes: int) -> None:
        """Start with no pixels.

        Args:
            num_classes: Classes including background, which is class 0.
        """
        self._matrix = np.zeros((num_classes, num_classes), dtype=np.int64)

    @property
    def matrix(self) -> np.ndarray:
        """(C, C) int64 pixel counts: rows are truth, columns are predictions. A copy."""
        return self._matrix.copy()

    def update(self, labels: np.ndarray, predictions: np.ndarray) -> None:
        """Add pixels.

        Args:
            labels: True classes, any shape, integers below num_classes or `IGNORE`, which does
                not count, whatever is predicted there.
            predictions: Predicted classes, same shape.

        Raises:
            DatasetError: A label is no class of this matrix, or a prediction is not.
        """
        self._matrix += confusion(labels, predictions, len(self._matrix))


def confusion(labels: np.ndarray, predictions: np.ndarray, num_classes: int) -> np.ndarray:
    """Confusion matrix of one set of pixels; see `ConfusionMatrix.update`.

    Returns:
        (C, C) int64: rows are truth, columns are predictions.

    Raises:
        DatasetError: The shapes differ, a label is no class, or a prediction is no class.
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if labels.shape != predictions.shape:
        raise DatasetError(
            f"a mask has shape {labels.shape} and its prediction {predictions.shape}; they must cover the "
            "same pixels"
        )
    valid = labels != IGNORE
    truth, guess = labels[valid].astype(np.int64), predictions[valid].astype(np.int64)
    for what, values in (("mask", truth), ("prediction", guess)):
        if values.size and not 0 <= values.min() <= values.max() < num_classes:
            wrong = sorted(set(np.unique(values).tolist()) - set(range(num_classes)))
            raise DatasetError(
                f"a {what} holds {wrong[:5]}; it may hold 0 to {num_classes - 1}, and {IGNORE} where a mask "
                "says nothing: check that model and dataset list the same classes"
            )
    counts = np.bincount(truth * num_classes + guess, minlength=num_classes * num_classes)
    return counts.reshape(num_classes, num_classes).astype(np.int64)


@dataclass(frozen=True, slots=True)
class ClassMetrics:
    """One class. Fractions; None where the quotient has no denominator, never 0 in its place.

    Attributes:
        name: The class.
        iou: Intersection over union; None if the class is in neither labels nor predictions.
        f1: Harmonic mean of precision and recall; None like `iou`.
        precision: Right among the predicted pixels; None if the class was never predicted.
        recall: Found among the true pixels; None if no pixel has the class.
        support: True pixels of the class.
        predicted: Predicted pixels of the class.
    """

    name: str
    iou: float | None
    f1: float | None
    precision: float | None
    recall: float | None
    support: int
    predicted: int


@dataclass(frozen=True, slots=True)
class Metrics:
    """What one confusion matrix says. All but counts are fractions.

    Attributes:
        miou: Mean IoU over the classes present in labels or predictions, background included (the paper's).
        mf1: Mean F1 over the same classes (the paper's).
        foreground_miou: Mean IoU over the same classes without background; None if no defect is labelled or
            predicted.
        pixel_accuracy: Right pixels among all that count.
        classes: Every class, in the dataset's order.
        skipped_classes: Names of the classes that are in neither labels nor predictions and enter no mean.
        pixels: Pixels that count.
    """

    miou: float
    mf1: float
    foreground_miou: float | None
    pixel_accuracy: float
    classes: tuple[ClassMetrics, ...]
    skipped_classes: tuple[str, ...]
    pixels: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, the classes keyed by name."""
        values = asdict(self)
        values["classes"] = {entry.pop("name"): entry for entry in values["classes"]}
        values["skipped_classes"] = list(self.skipped_classes)
        return values


def compute_metrics(matrix: np.ndarray, classes: Sequence[str]) -> Metrics:
    """Metrics of a confusion matrix.

    Args:
        matrix: (C, C) pixel counts, rows truth, columns prediction.
        classes: C names, background first.

    Raises:
        DatasetError: The matrix is empty: every pixel is "ignore", or there is no image.
    """
    matrix = np.asarray(matrix)
    assert matrix.shape == (len(classes), len(classes)), f"{matrix.shape} does not fit {len(classes)} classes"
    pixels = int(matrix.sum())
    if pixels == 0:
        raise DatasetError(
            "there is no pixel to score: the split is empty, or its masks hold nothing but 'ignore' (255); "
            "check the dataset with `autonad audit`"
        )
    entries = tuple(
        _class_metrics(name, int(matrix[k, k]), int(matrix[k].sum()), int(matrix[:, k].sum()))
        for k, name in enumerate(classes)
    )
    ious = [entry.iou for entry in entries if entry.iou is not None]
    f1s = [entry.f1 for entry in entries if entry.f1 is not None]
    foreground = [entry.iou for entry in entries[1:] if entry.iou is not None]
    return Metrics(
        miou=sum(ious) / len(ious),
        mf1=sum(f1s) / len(f1s),
        foreground_miou=sum(foreground) / len(foreground) if foreground else None,
        pixel_accuracy=int(np.trace(matrix)) / pixels,
        classes=entries,
        skipped_classes=tuple(entry.name for entry in entries if entry.iou is None),
        pixels=pixels,
    )


def _class_metrics(name: str, right: int, support: int, predicted: int) -> ClassMetrics:
    union = support + predicted - right
    return ClassMetrics(
        name=name,
        iou=right / union if union else None,
        # 2PR / (P + R), written so that it is defined whenever the class occurs at all.
        f1=2 * right / (support + predicted) if union else None,
        precision=right / predicted if predicted else None,
        recall=right / support if support else None,
        support=support,
        predicted=predicted,
    )
