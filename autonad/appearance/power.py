"""The smallest shift of one feature that a comparison of this size can see."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq
from scipy.stats import f, ncf

POWER = 0.8


def detectable_shift(
    strata: np.ndarray, in_batch: np.ndarray, active: np.ndarray, dimensions: float, level: float
) -> float | None:
    """Shift of one feature, between batch and reference, that is seen with a power of about 80 %.

    The squared distance of two means in d directions follows, in units of its estimated variance, an F
    distribution (Hotelling's T²); a shift of δ standard deviations makes it noncentral by δ² Σ m n / (m + n),
    summed over the strata with m and n parts. Where features go together, a feature that moves alone moves
    further than this says; docs/results.md has simulated shifts.

    Args:
        strata: (N,).
        in_batch: bool (N,).
        active: Parts that take part, bool (N,).
        dimensions: Effective number of independent features.
        level: Level of one test.

    Returns:
        δ in standard deviations between parts, or None if there are fewer labellings than the level needs.
    """
    weight, labellings = 0.0, 0.0
    for stratum in np.unique(strata[active]):
        batch = in_batch[active & (strata == stratum)]
        m, n = int(batch.sum()), int((~batch).sum())
        weight += m * n / (m + n)
        labellings += math.lgamma(m + n + 1) - math.lgamma(m + 1) - math.lgamma(n + 1)
    if not weight or labellings < math.log(1 / level):
        return None
    free = int(active.sum()) - len(np.unique(strata[active]))
    directions = min(dimensions, max(1.0, free / 2))
    rest = max(1.0, free - directions)
    critical = f.ppf(1 - level, directions, rest)
    noncentrality = brentq(lambda value: ncf.sf(critical, directions, rest, value) - POWER, 1e-6, 1e5)
    return float(math.sqrt(noncentrality / weight))
