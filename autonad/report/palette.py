"""The colours of everything that is drawn: one name per meaning, for light and for dark ground.

Pages use the names as CSS variables, `var(--ink)`; a file that stands alone has the light values.
"""

from __future__ import annotations

import colorsys
import re
from typing import NamedTuple

from autonad.space import Operator

LIGHT = {
    "ink": "#1d2733",
    "soft": "#566573",
    "line": "#dbe3ec",
    "rule": "#c3cfdb",
    "stroke": "#8a98a8",
    "paper": "#ffffff",
    "wash": "#f4f7fa",
    "header": "#1f3a52",
    "on-header": "#fefefe",
    "header-soft": "#d5e0ea",
    "link": "#1d4f80",
    "warning": "#fdf3ec",
    # Series: first what counts most, then Okabe and Ito's, which colour-blind readers can tell apart.
    "best": "#1a66b3",
    "chosen": "#d55e00",
    "series-1": "#0072b2",
    "series-2": "#d95f02",
    "series-3": "#009e73",
    "series-4": "#c3679a",
    "series-5": "#b87d00",
    "series-6": "#3d9bd1",
    # Generations of a search, from the first to the last.
    "age-1": "#b9c4d0",
    "age-2": "#9db4d3",
    "age-3": "#7d9fd2",
    "age-4": "#5d86c9",
    "age-5": "#3d6bb8",
    "age-6": "#204f9b",
    "attention-fill": "#ede7f8",
    "attention-line": "#6a46b5",
    "convolution-fill": "#e1eefb",
    "convolution-line": "#1a5fa8",
    "shift-fill": "#fdeedb",
    "shift-line": "#994c00",
}
DARK = {
    "ink": "#e4eaf0",
    "soft": "#a6b3c1",
    "line": "#303b48",
    "rule": "#465463",
    "stroke": "#708091",
    "paper": "#1a212a",
    "wash": "#11161c",
    "header": "#16293a",
    "on-header": "#f2f6fa",
    "header-soft": "#b9c8d6",
    "link": "#8ec1f0",
    "warning": "#3a2518",
    "best": "#62aef5",
    "chosen": "#ff9147",
    "series-1": "#4fb0ee",
    "series-2": "#ff9147",
    "series-3": "#35c99b",
    "series-4": "#e596c2",
    "series-5": "#ecb23c",
    "series-6": "#9ad3f5",
    "age-1": "#46525f",
    "age-2": "#4a6384",
    "age-3": "#4f78ab",
    "age-4": "#5a8fd0",
    "age-5": "#74aaee",
    "age-6": "#a8cdff",
    "attention-fill": "#2b2340",
    "attention-line": "#c4aef5",
    "convolution-fill": "#182c40",
    "convolution-line": "#8ec1f0",
    "shift-fill": "#3a2812",
    "shift-line": "#f5b76b",
}
SERIES = tuple(name for name in LIGHT if name.startswith("series-"))
AGES = tuple(name for name in LIGHT if name.startswith("age-"))
OPERATORS: tuple[Operator, ...] = ("attention", "convolution", "shift")
BLUE, WARM = "#104e8b", "#d94801"
"""Full shades of heat tables: of confusion, of probability."""

# Okabe and Ito's colours; more classes get evenly spaced hues.
_CLASSES = ("#e69f00", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#f0e442")
UNLABELLED = "#808080"


class Heat(NamedTuple):
    """Ground and text of a shaded cell, on light and on dark paper."""

    ground: str
    text: str
    dark_ground: str
    dark_text: str


def heat(share: float, colour: str) -> Heat:
    """Shade a cell by a share (0 to 1) of a colour; the text is dark or light, whichever reads better."""
    share = min(max(share, 0.0), 1.0)
    ground, dark_ground = (_mix(scheme["paper"], colour, share) for scheme in (LIGHT, DARK))
    return Heat(ground, _readable(ground), dark_ground, _readable(dark_ground))


def class_colour(index: int) -> str:
    """Colour of a defect class, "#rrggbb": the same for an index in every report. Background is 0."""
    if 1 <= index <= len(_CLASSES):
        return _CLASSES[index - 1]
    # Steps of the golden ratio keep neighbouring hues apart for any number of classes.
    red, green, blue = colorsys.hsv_to_rgb(index * 0.618034 % 1, 0.75, 0.85)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


def channels(colour: str) -> tuple[int, int, int]:
    """Red, green and blue of "#rrggbb", 0 to 255."""
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return red, green, blue


def contrast(one: str, other: str) -> float:
    """Contrast of two colours as WCAG defines it, 1 to 21; text needs 4.5."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def with_colours(svg: str) -> str:
    """CSS variables as light colours, for a picture that is a file of its own."""
    return re.sub(r"var\(--([\w-]+)\)", lambda found: LIGHT[found[1]], svg)


def _mix(one: str, other: str, share: float) -> str:
    mixed = (round(a + (b - a) * share) for a, b in zip(channels(one), channels(other), strict=True))
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def _readable(ground: str) -> str:
    return max(("#ffffff", LIGHT["ink"]), key=lambda text: contrast(text, ground))


def _luminance(colour: str) -> float:
    parts = [channel / 255 for channel in channels(colour)]
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
