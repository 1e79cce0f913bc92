"""What a share of counted events promises: exact bounds (Clopper and Pearson 1934), with numpy alone.

Images of one physical part resemble each other, so what counts is the number of parts: a share among images
is bounded as if each part were seen once. That is exact where a part has one image, and cautious elsewhere.
"""

from __future__ import annotations

from math import exp, lgamma, log, log1p

# Halvings of an interval until a float64 cannot be told from the next.
_STEPS = 60


def upper_bound(rate: float, parts: int, confidence: float) -> float:
    """What the true share is not above, with this confidence (one-sided).

    Args:
        rate: Share that was seen, 0 to 1.
        parts: Parts that it was seen on.
        confidence: For example 0.95.

    Returns:
        A fraction; 1 without parts.
    """
    events = rate * parts
    if parts == 0 or events >= parts:
        return 1.0
    return _quantile(events + 1, parts - events, confidence)


def lower_bound(rate: float, parts: int, confidence: float) -> float:
    """What the true share is not below, with this confidence (one-sided); see `upper_bound`."""
    return 1 - upper_bound(1 - rate, parts, confidence)


def least_promise(parts: int, confidence: float) -> float:
    """The smallest share that so many parts can promise: the upper bound when nothing is seen on any.

    About 3 / parts at a confidence of 0.95 (the "rule of three").
    """
    return upper_bound(0.0, parts, confidence)


def parts_needed(rate: float, confidence: float) -> int:
    """Parts without any event that promise a share of at most `rate`, above 0 and below 1."""
    return -int(-log(1 - confidence) // log1p(-rate))


def _quantile(a: float, b: float, probability: float) -> float:
    """Where the distribution function of Beta(a, b) reaches a probability."""
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if _incomplete_beta(a, b, middle) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b) (Numerical Recipes, 6.4)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(b, a, 1 - x)
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)) / a
    tiny = 1e-300
    value, c, d = 1.0, 1.0, 0.0
    for step in range(500 + 10 * int((a + b) ** 0.5)):
        half = step // 2
        if step == 0:
            numerator = 1.0
        elif step % 2 == 0:
            numerator = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        else:
            numerator = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        d = 1 / (1 + numerator * d or tiny)
        c = 1 + numerator / c or tiny
        value *= c * d
        if abs(1 - c * d) < 1e-14:
            break
    return front * (value - 1)
