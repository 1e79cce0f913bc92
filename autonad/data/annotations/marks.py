"""What labelling tools draw, as values in pixels: x to the right, y down, pixel (0, 0) from 0 to 1.

The corner of the image is the origin, so the centre of the first pixel is (0.5, 0.5).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autonad.errors import DatasetError

# Numbers beyond are damage, not positions in an image; their products would overflow.
_FARTHEST = 1e9


@dataclass(frozen=True)
class Polygon:
    """Areas enclosed by rings, each float64 (N, 2) of x and y with N ≥ 3; a pixel in any of them counts."""

    rings: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Ellipse:
    """An ellipse: its centre (x, y), its radii (x, y) before it is turned, and by how much, clockwise."""

    centre: tuple[float, float]
    radii: tuple[float, float]
    degrees: float = 0.0


@dataclass(frozen=True)
class Runs:
    """Alternating numbers of pixels outside and inside, the first of them outside.

    Attributes:
        counts: int64 (N,).
        size: Height and width of the area that they fill, pixels.
        by_column: Whether they go down the columns, as in COCO, rather than along the rows.
        corner: Row and column at which the area begins in the image.
        whole: Whether the area is the whole image, whose size it then has to be.
    """

    counts: np.ndarray
    size: tuple[int, int]
    by_column: bool
    corner: tuple[int, int] = (0, 0)
    whole: bool = True


@dataclass(frozen=True)
class Stamp:
    """A bitmap, bool (H, W), whose first pixel is at `corner` (row, column) of the image."""

    bitmap: np.ndarray
    corner: tuple[int, int]


@dataclass(frozen=True)
class Brush:
    """Label Studio's packed RGBA bitmap of an image of `size` (height, width)."""

    packed: bytes
    size: tuple[int, int]


Shape = Polygon | Ellipse | Runs | Stamp | Brush


@dataclass(frozen=True)
class Mark:
    """A shape, and the label that the user gave it."""

    shape: Shape
    label: str


def number(value: Any) -> float:
    """A finite number of reasonable size.

    Raises:
        DatasetError: It is something else.
    """
    try:
        result = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        result = math.nan
    if not abs(result) <= _FARTHEST:
        raise DatasetError(f"{value!r:.60} is no position in an image")
    return result


def ring(points: Sequence[Any] | np.ndarray) -> np.ndarray:
    """Corners of a polygon, float64 (N, 2), from pairs of x and y.

    Raises:
        DatasetError: There are fewer than three, or one is no pair of numbers.
    """
    try:
        array = np.array(points, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise DatasetError("the points of a polygon are no pairs of numbers x, y") from error
    if array.ndim != 2 or array.shape[1] != 2 or len(array) < 3:
        raise DatasetError(f"a polygon has {len(array) if array.ndim else 0} points x, y; it needs three")
    if not (np.abs(array) <= _FARTHEST).all():
        raise DatasetError("a polygon has a point at a position that no image has")
    return array


def flat_ring(values: Iterable[Any]) -> np.ndarray:
    """Corners of a polygon from x1, y1, x2, y2 …; see `ring`."""
    listed = list(values)
    if len(listed) % 2:
        raise DatasetError(f"a polygon has {len(listed)} numbers; it needs an x and a y for each point")
    return ring([listed[i : i + 2] for i in range(0, len(listed), 2)])


def rectangle(corner: tuple[float, float], opposite: tuple[float, float], degrees: float = 0.0) -> Polygon:
    """An upright rectangle between two corners (x, y), turned clockwise about its centre."""
    (x0, y0), (x1, y1) = corner, opposite
    corners = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], dtype=np.float64)
    return Polygon((turned(corners, ((x0 + x1) / 2, (y0 + y1) / 2), degrees),))


def turned(points: np.ndarray, centre: tuple[float, float], degrees: float) -> np.ndarray:
    """Points (N, 2) turned clockwise, as seen on the screen, about a centre (x, y)."""
    if not degrees:
        return points
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return (points - centre) @ np.array([[c, s], [-s, c]]) + centre
