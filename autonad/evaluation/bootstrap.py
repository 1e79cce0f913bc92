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


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """How much better a is than b on the same images.

    Attributes:
        metric: The metric compared.
        difference: a − b on the whole set.
        mean: Mean of a − b over the resamples.
        interval: Of a − b.
        probability: Share of the resamples in which a beats b; ties count half.
    """

    metric: str
    difference: float
    mean: float
    interval: Interval
    probability: float

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
    metrics: Sequence[str] = BOOTSTRAP_METRICS,
) -> dict[str, Interval | None]:
    """Intervals of metrics over groups.

    Args:
        matrices: (N, C, C) confusion matrix per image.
        groups: N group names; images of one physical part share one.
        resamples: Bootstrap resamples.
        level: Coverage of the interval.
        seed: Of the resampling.
        metrics: Of `BOOTSTRAP_METRICS`.

    Returns:
        Metric → interval; None with fewer than two groups, which tell nothing about spread, or if the metric
        is undefined in every resample.
    """
    sums = _group_sums(matrices, groups)
    if len(sums) < 2:
        return dict.fromkeys(metrics)
    values = metric_values(_resample(sums, resamples, seed))
    return {name: _interval(values[name], level, len(sums)) for name in metrics}


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
    return metric_values(_resample(_group_sums(matrices, groups), resamples, seed))[metric]


def paired_difference(
    matrices_a: np.ndarray,
    matrices_b: np.ndarray,
    groups: Sequence[object] | np.ndarray,
    *,
    metric: str = "miou",
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> PairedDifference | None:
    """Compare two models on the same images: both see the same resampled groups.

    Args:
        matrices_a: (N, C, C) confusion matrix per image, first model.
        matrices_b: (N, C, C), second model, the same images in the same order.
        groups: N group names.
        metric: One of `BOOTSTRAP_METRICS`.
        resamples: Bootstrap resamples.
        level: Coverage of the interval.
        seed: Of the resampling.

    Returns:
        The comparison, or None with fewer than two groups or if the metric is undefined for either model.
    """
    a, b = np.asarray(matrices_a), np.asarray(matrices_b)
    assert a.shape == b.shape, "a paired comparison needs the same images and classes for both models"
    count = len({str(group) for group in groups})
    if count < 2:
        return None
    values_a, values_b = (
        bootstrap_values(m, groups, metric=metric, resamples=resamples, seed=seed) for m in (a, b)
    )
    values = values_a - values_b
    whole = metric_values(a.sum(0)[None])[metric] - metric_values(b.sum(0)[None])[metric]
    interval = _interval(values, level, count)
    if interval is None or np.isnan(whole[0]):
        return None
    values = values[~np.isnan(values)]
    wins = np.mean(values > 0) + 0.5 * np.mean(values == 0)
    return PairedDifference(metric, float(whole[0]), float(values.mean()), interval, float(wins))


def swap_p_value(
    matrices_a: np.ndarray,
    matrices_b: np.ndarray,
    groups: Sequence[object] | np.ndarray,
    *,
    metric: str = "miou",
    resamples: int = 2000,
    seed: int = 0,
) -> float:
    """How often two equally good models would differ as much as this in a's favour.

    For equally good models it is a coin toss which of the two made which prediction. So the models change
    places in a random half of the groups, again and again (a paired permutation test, Good 2005, ch. 3). With
    few groups the bootstrap promises too much; this p-value holds for any number of them.

    Args:
        matrices_a: (N, C, C) confusion matrix per image, first model.
        matrices_b: (N, C, C), second model, the same images in the same order.
        groups: N group names.
        metric: One of `BOOTSTRAP_METRICS`.
        resamples: Random exchanges.
        seed: Of the exchanges.

    Returns:
        One-sided p-value, from 1 / (resamples + 1) to 1.
    """
    a, b = _group_sums(matrices_a, groups).astype(float), _group_sums(matrices_b, groups).astype(float)
    shape = a.shape[1:]
    swapped = np.random.default_rng(seed).integers(0, 2, size=(resamples, len(a))).astype(float)
    moved = (swapped @ (b - a).reshape(len(a), -1)).reshape(-1, *shape)

    def difference(shift: np.ndarray) -> np.ndarray:
        return metric_values(a.sum(0) + shift)[metric] - metric_values(b.sum(0) - shift)[metric]

    observed = difference(np.zeros((1, *shape)))[0]
    values = difference(moved)
    # A metric that is not defined after an exchange counts against a; so do sums that differ by rounding
    # alone.
    extreme = np.isnan(values) | (values >= observed - 1e-12)
    return float((1 + extreme.sum()) / (1 + resamples)) if not np.isnan(observed) else 1.0


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


def _group_sums(matrices: np.ndarray, groups: Sequence[object] | np.ndarray) -> np.ndarray:
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
    weights = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    # float64 holds pixel counts exactly up to 2^53 and multiplies through BLAS, which integers do not.
    flat = weights.astype(float) @ sums.reshape(count, -1).astype(float)
    return flat.reshape(resamples, classes, classes)


def _interval(values: np.ndarray, level: float, groups: int) -> Interval | None:
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), level, groups, len(values))
