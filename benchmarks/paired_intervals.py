"""How sure a difference is when the networks, the training seeds and the splits are all of a sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autonad.evaluation.bootstrap import bootstrap_values, metric_values

RESAMPLES = 2000


@dataclass(frozen=True)
class Score:
    """MIoU of one contender.

    Attributes:
        value: Mean over splits and seeds, a fraction.
        resampled: (R,) the same in every resample; equal positions of two contenders are pairs.
    """

    value: float
    resampled: np.ndarray

    @classmethod
    def of(cls, matrices: Sequence[np.ndarray], groups: Sequence[Sequence[str]]) -> Score:
        """Resample whole groups within each split, and seeds.

        Args:
            matrices: For every split (S, N, C, C): confusion matrix of each seed and test image.
            groups: For every split the group of each test image.
        """
        rng = np.random.default_rng(0)
        values, resampled = [], []
        for split, (each, names) in enumerate(zip(matrices, groups, strict=True)):
            values.append(metric_values(each.sum(axis=1))["miou"].mean())
            of_seeds = np.stack(
                [bootstrap_values(one, names, resamples=RESAMPLES, seed=1 + split) for one in each]
            )
            drawn = rng.integers(len(each), size=(len(each), RESAMPLES))  # (S, R)
            resampled.append(np.take_along_axis(of_seeds, drawn, axis=0).mean(axis=0))
        return cls(float(np.mean(values)), np.mean(resampled, axis=0))

    @classmethod
    def mean(cls, scores: Sequence[Score]) -> Score:
        """The mean of several contenders."""
        return cls(
            float(np.mean([one.value for one in scores])), np.mean([one.resampled for one in scores], axis=0)
        )

    def minus(self, other: Score) -> tuple[float, float, float]:
        """The difference and the ends of its 95 % interval, in points of mIoU."""
        low, high = np.nanquantile(self.resampled - other.resampled, [0.025, 0.975])
        return 100 * (self.value - other.value), 100 * float(low), 100 * float(high)


def points(difference: tuple[float, float, float]) -> str:
    """A difference with its interval, for a table."""
    value, low, high = difference
    return f"{value:+.1f} ({low:+.1f} to {high:+.1f})"
