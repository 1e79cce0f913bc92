"""How figures are printed."""

from __future__ import annotations


def percent(fraction: float | None) -> str:
    """A fraction as "71.3 %"; "n/a" where there is none."""
    return "n/a" if fraction is None else f"{100 * fraction:.1f} %"


def interval(bounds: tuple[float, float] | None) -> str:
    """What follows a percentage: " (68.0 to 74.1)", or nothing."""
    return "" if bounds is None else f" ({100 * bounds[0]:.1f} to {100 * bounds[1]:.1f})"
