"""How sure a metric is: percentile bootstrap over groups of images.

Images of one physical part resemble each other, so resampling images would promise more certainty than there
is. Whole groups are resampled with replacement (Efron and Tibshirani 1993, ch. 6 and 13). A resample is a
vector of multinomial weights, and its confusion matrix the weighted sum of the groups' matrices: one matrix
product serves all resamples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

# Weights (resamples × groups) that are in memory at once; exact sums are the same however they are cut.
WEIGHTS = 2_000_000
BOOTSTRAP_METRICS = ("miou", "mf1", "foreground_miou")


@dataclass(frozen=True, slots=True)
class Interval:
    """A percentile interval.

    Attributes:
        low: Lower end, a fraction.
        high: Upper end, a fraction.
        level: Share of the resamples between the ends, for example 0.95.
        groups: Groups that were resampled.
        resamples: Resamples in which the metric is defined.
    """

    low: float
    high: float
    level: float
    groups: int
    resamples: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def bootstrap_intervals(
    matrices: np.ndarray,
    groups: Sequence[object] | np.ndarray,
    *,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval | None]:
    """Intervals of metrics over groups.

    Args:
        matrices: (N, C, C) confusion matrix per image.
        groups: N group names; images of one physical part share one.
        resamples: Bootstrap resamples.
        level: Coverage of the interval.
        seed: Of the resampling.

    Returns:
        Metric → interval; None with fewer than two groups, which tell nothing about spread, or if the metric
        is undefined in every resample.
    """
    sums = group_sums(matrices, groups)
    if len(sums) < 2:
        return dict.fromkeys(BOOTSTRAP_METRICS)
    values = metric_values(_resample(sums, resamples, seed))
    return {name: interval_of(values[name], level, len(sums)) for name in BOOTSTRAP_METRICS}


def bootstrap_values(
    matrices: np.ndarray,
    groups: Sequence[object] | np.ndarray,
    *,
    metric: str = "miou",
    resamples: int = 2000,
    seed: int = 0,
) -> np.ndarray:
    """A metric in every resample, (R,); models with the same groups and seed see the same resamples.

    For comparisons of more than two models; arguments as for `bootstrap_intervals`.
    """
    return metric_values(_resample(group_sums(matrices, groups), resamples, seed))[metric]


def metric_values(matrices: np.ndarray) -> Mapping[str, np.ndarray]:
    """The bootstrapped metrics of many confusion matrices at once.

    Args:
        matrices: (R, C, C) counts.

    Returns:
        Metric → (R,) values; NaN (internal to this file) where no class is present to average over.
    """
    right = np.diagonal(matrices, axis1=1, axis2=2).astype(float)  # (R, C)
    marginals = matrices.sum(2) + matrices.sum(1)  # support + predicted, (R, C)
    present = marginals > 0
    safe = np.where(present, marginals, 1)
    iou, f1 = right / np.where(present, safe - right, 1), 2 * right / safe

    def mean(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
        count = mask.sum(1)
        total = np.where(mask, values, 0.0).sum(1)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    return {
        "miou": mean(iou, present),
        "mf1": mean(f1, present),
        "foreground_miou": mean(iou[:, 1:], present[:, 1:]),
    }


def group_sums(matrices: np.ndarray, groups: Sequence[object] | np.ndarray) -> np.ndarray:
    """(G, C, C) sums over the images of each group, in the order of the groups' names."""
    matrices = np.asarray(matrices)
    assert len(matrices) == len(groups), f"{len(matrices)} matrices do not fit {len(groups)} group names"
    names, index = np.unique(np.asarray([str(group) for group in groups]), return_inverse=True)
    sums = np.zeros((len(names), *matrices.shape[1:]), dtype=np.int64)
    np.add.at(sums, index, matrices)
    return sums


def _resample(sums: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """(R, C, C) matrices of `resamples` draws of G groups with replacement."""
    count, classes = len(sums), sums.shape[1]
    rng, shares = np.random.default_rng(seed), np.full(count, 1 / count)
    # float64 holds pixel counts exactly up to 2^53 and multiplies through BLAS, which integers do not.
    flat, step = sums.reshape(count, -1).astype(float), max(1, WEIGHTS // count)
    chunks = [
        rng.multinomial(count, shares, size=min(step, resamples - start)).astype(float) @ flat
        for start in range(0, resamples, step)
    ]
    return np.concatenate(chunks).reshape(resamples, classes, classes)


def interval_of(values: np.ndarray, level: float, groups: int) -> Interval | None:
    """The interval of a metric over its resamples; None if it is defined in none.

    Args:
        values: Of the metric, NaN where it is not defined, (R,).
        level: Coverage.
        groups: That were resampled, to be reported.
    """
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), level, groups, len(values))
