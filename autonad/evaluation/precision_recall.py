"""Precision and recall of each class over all thresholds of its probability, pixel by pixel.

Probabilities are counted in bins, so that a split of any size needs a few kilobytes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from autonad.data.images import IGNORE

BINS = 1000


class PrecisionRecall:
    """Counts pixels by class, truth and probability.

    Args:
        num_classes: Classes including background.
        bins: Thresholds, evenly spaced in probability.
    """

    def __init__(self, num_classes: int, bins: int = BINS) -> None:
        self._bins = bins
        # (C, 2, bins): pixels of other classes and of this class, by probability of this class.
        self._counts = np.zeros((num_classes, 2, bins), dtype=np.int64)

    def update(self, logits: np.ndarray, labels: np.ndarray) -> None:
        """Add an image.

        Args:
            logits: (C, H, W).
            labels: (H, W) true classes; 255 does not count.
        """
        valid = labels != IGNORE
        scores, truth = logits[:, valid].astype(np.float32), labels[valid]  # (C, N), (N,)
        scores = np.exp(scores - scores.max(0, keepdims=True))
        scores /= scores.sum(0, keepdims=True)
        index = np.minimum((scores * self._bins).astype(np.int64), self._bins - 1)
        for k, bins in enumerate(index):
            is_class = (truth == k).astype(np.int64)
            self._counts[k] += np.bincount(is_class * self._bins + bins, minlength=2 * self._bins).reshape(
                2, -1
            )

    def curve(self, k: int) -> pd.DataFrame | None:
        """Columns threshold, precision, recall of class `k`, by falling threshold.

        Thresholds that nothing reaches are left out; None if no pixel has the class.
        """
        wrong, right = (np.cumsum(counts[::-1]) for counts in self._counts[k])
        if right[-1] == 0:
            return None
        some = wrong + right > 0
        thresholds = (np.arange(self._bins)[::-1] / self._bins)[some]
        return pd.DataFrame(
            {
                "threshold": thresholds,
                "precision": right[some] / (wrong + right)[some],
                "recall": right[some] / right[-1],
            }
        )

    def average_precision(self, k: int) -> float | None:
        """Mean precision over the steps of recall; None if no pixel has the class."""
        curve = self.curve(k)
        if curve is None:
            return None
        steps = np.diff(curve["recall"].to_numpy(), prepend=0.0)
        return float(steps @ curve["precision"].to_numpy())

    def roc(self, points: int = 100) -> pd.DataFrame:
        """How well pixels of any defect are told from the background, by falling threshold.

        Args:
            points: Thresholds, evenly spaced among those that something reaches.

        Returns:
            Columns threshold (of the probability of being a defect), false_alarm_rate (share of background
            pixels at or above it), detection_rate (share of defect pixels); it begins at (0, 0) and ends at
            (1, 1). Empty without pixels of both kinds.
        """
        # The background's probability p in bins from 0: a defect's probability is 1 - p, falling.
        defect, background = (np.cumsum(counts) for counts in self._counts[0])
        if not defect[-1] or not background[-1]:
            return pd.DataFrame({"threshold": [], "false_alarm_rate": [], "detection_rate": []})
        reached = np.flatnonzero(np.diff(defect + background, prepend=0))
        chosen = reached[np.unique(np.linspace(0, len(reached) - 1, points).round().astype(int))]
        return pd.DataFrame(
            {
                "threshold": np.append(1.0, 1 - (chosen + 1) / self._bins),
                "false_alarm_rate": np.append(0.0, background[chosen] / background[-1]),
                "detection_rate": np.append(0.0, defect[chosen] / defect[-1]),
            }
        )

    def curves(self, classes: Sequence[str]) -> dict[str, tuple[pd.DataFrame, float]]:
        """Curve and average precision of every class but the background that occurs."""
        found = {}
        for k, name in enumerate(classes[1:], start=1):
            curve, average = self.curve(k), self.average_precision(k)
            if curve is not None and average is not None:
                found[name] = (curve, average)
        return found
