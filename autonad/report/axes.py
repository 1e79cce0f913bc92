"""An axis of a chart: from values to places, and its marks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

_STEPS = (1, 2, 2.5, 5, 10)
_WHOLE_STEPS = (1, 2, 5, 10)


class Tick(NamedTuple):
    """A mark on an axis."""

    at: float
    text: str


class Scale(NamedTuple):
    """From values to places along one axis."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Where a value lies."""
        return round(self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start), 1)


def scale_of(values: Sequence[float], start: float, end: float) -> Scale:
    """The axis that holds all values, with some room at both ends."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return Scale(low - margin, high + margin, start, end)


def ticks_of(scale: Scale, count: int, *, whole: bool = False) -> tuple[Tick, ...]:
    """About `count` marks at round values; where values are counts, at whole ones."""
    if scale.high <= scale.low:
        return ()
    least = max((scale.high - scale.low) / count, 1.0 if whole else 0.0)
    unit = 10.0 ** math.floor(math.log10(least))
    step = next(
        unit * factor for factor in (_WHOLE_STEPS if whole else _STEPS) if unit * factor >= least * (1 - 1e-9)
    )
    first, last = math.ceil(scale.low / step - 1e-9), math.floor(scale.high / step + 1e-9)
    values = (number * step for number in range(first, last + 1))
    return tuple(Tick(scale(value), f"{value:.6g}") for value in values)
