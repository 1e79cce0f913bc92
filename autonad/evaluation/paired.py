"""Which of two models is better on the same images, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from autonad.evaluation.bootstrap import Interval, bootstrap_values, group_sums, interval_of, metric_values


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
    interval = interval_of(values, level, count)
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
    a, b = group_sums(matrices_a, groups).astype(float), group_sums(matrices_b, groups).astype(float)
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
