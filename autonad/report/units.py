"""How quantities are written, on pages, in tables of text and on the model card."""

from __future__ import annotations

from collections.abc import Mapping

from autonad.latency.significant import milliseconds

ABSENT = "–"


def percent(fraction: float | None, digits: int = 1, *, absent: str = ABSENT) -> str:
    """A fraction in percent."""
    return absent if fraction is None else f"{100 * fraction:.{digits}f} %"


def points(interval: Mapping[str, float]) -> str:
    """The ends of an interval of fractions, in percent without the sign."""
    return f"{100 * interval['low']:.1f} to {100 * interval['high']:.1f}"


def per_image(tile_ms: float, tiles: int | None) -> str:
    """What the latency of one pass of the network means for an image that is cut into tiles; else nothing.

    Args:
        tile_ms: Of one pass, ms.
        tiles: Passes for an image, 1 without tiles; None where that differs from image to image.
    """
    if tiles == 1:
        return ""
    return (
        " a tile" if tiles is None else f" a tile, {milliseconds(tile_ms * tiles)} an image of {tiles} tiles"
    )


def whole(value: float) -> str:
    """A count."""
    return f"{value:,.0f}"


def fact(name: str, value: object) -> str:
    """A value of a table of facts; measured figures have the digits that mean something."""
    if not isinstance(value, float):
        return text(value)
    return milliseconds(value) if name.endswith("_ms") else f"{value:.4g}"


def text(value: object) -> str:
    """Any value; a dash where there is none."""
    return ABSENT if value is None else str(value)
