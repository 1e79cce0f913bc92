"""An axis of a chart: from values to places, and its marks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


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


def ticks_of(scale: Scale, count: int) -> tuple[Tick, ...]:
    """About `count` marks at round values."""
    from matplotlib.ticker import MaxNLocator

    values = MaxNLocator(count, steps=[1, 2, 2.5, 5, 10]).tick_values(scale.low, scale.high)
    return tuple(Tick(scale(value), f"{value:.6g}") for value in values if scale.low <= value <= scale.high)
