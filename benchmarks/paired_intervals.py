"""How sure a difference is when images, training seeds and random networks are all of a sample.

Splits are not: what is said holds for those that were made. Of one seed nothing is known of how seeds differ,
and of two or three little: intervals are then too narrow by a part that no resampling can tell.
"""

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
            resampled.append(_mean_of_a_sample(of_seeds, rng))
        return cls(float(np.mean(values)), np.mean(resampled, axis=0))

    @classmethod
    def mean(cls, scores: Sequence[Score]) -> Score:
        """The mean of contenders that are a sample themselves, such as random networks."""
        drawn = _mean_of_a_sample(np.stack([one.resampled for one in scores]), np.random.default_rng(1))
        return cls(float(np.mean([one.value for one in scores])), drawn)

    def minus(self, other: Score) -> tuple[float, float, float]:
        """The difference and the ends of its 95 % interval, in points of mIoU."""
        low, high = np.nanquantile(self.resampled - other.resampled, [0.025, 0.975])
        return 100 * (self.value - other.value), 100 * float(low), 100 * float(high)


def _mean_of_a_sample(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(R,) mean of the members (K, R) of a sample, of which K are drawn anew in every resample.

    Draws from K members vary by (K − 1) / K of what they should; their deviations are widened accordingly.
    """
    count, resamples = values.shape
    mean = values.mean(axis=0)
    if count == 1:
        return mean
    drawn = np.take_along_axis(values, rng.integers(count, size=(count, resamples)), axis=0).mean(axis=0)
    return mean + (drawn - mean) * (count / (count - 1)) ** 0.5


def points(difference: tuple[float, float, float]) -> str:
    """A difference with its interval, for a table."""
    value, low, high = difference
    return f"{value:+.1f} ({low:+.1f} to {high:+.1f})"
