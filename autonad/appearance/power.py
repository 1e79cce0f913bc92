"""The smallest shift of one feature that a comparison of this size can see."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2, ncx2

POWER = 0.8


def detectable_shift(
    strata: np.ndarray, in_batch: np.ndarray, active: np.ndarray, dimensions: float, level: float
) -> float | None:
    """Shift of one feature, between batch and reference, that is seen with a power of at least 80 %.

    A squared distance of means in d independent directions is, in units of its variance, chi-squared with d
    degrees of freedom; a shift of δ standard deviations makes it noncentral by δ² Σ m n / (m + n), summed
    over the strata with m and n parts. A feature that moves alone moves further in units of what the others
    predict of it, so that simulated shifts of this size are seen rather more often (docs/results.md).

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
    critical = chi2.ppf(1 - level, dimensions)
    noncentrality = brentq(lambda value: ncx2.sf(critical, dimensions, value) - POWER, 1e-6, 1e4)
    return float(math.sqrt(noncentrality / weight))
