"""How figures are printed."""

from __future__ import annotations


def interval(bounds: tuple[float, float] | None) -> str:
    """What follows a percentage: " (68.0 to 74.1)", or nothing."""
    return "" if bounds is None else f" ({100 * bounds[0]:.1f} to {100 * bounds[1]:.1f})"


def coefficient(value: float | None, bounds: tuple[float, float] | None = None) -> str:
    """A correlation as "0.71", with its interval " (0.45 to 0.88)"; "n/a" where there is none."""
    if value is None:
        return "n/a"
    return f"{value:.2f}" + ("" if bounds is None else f" ({bounds[0]:.2f} to {bounds[1]:.2f})")
