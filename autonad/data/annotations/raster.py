"""Which pixels a shape covers: one rule for all formats.

A pixel belongs to a shape when its centre lies inside, or on its left or upper border. So shapes that share
a border share no pixel, and an outline along the edges of pixels gives back exactly these. Where an outline
crosses itself, what is enclosed an even number of times is outside. A shape that contains no centre takes
the pixels that its outline passes, so that a fine scratch does not vanish.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from autonad.data.annotations.marks import Brush, Ellipse, Polygon, Runs, Shape, Stamp, turned
from autonad.data.annotations.rle import decode_counts, unpack_brush
from autonad.data.images import IGNORE
from autonad.errors import DatasetError

# Rows that the edges of one outline cross, all together: an honest outline stays far below.
_MOST_CROSSINGS = 50_000_000
_CROSSINGS_AT_ONCE = 1_000_000
_STEP = 0.25  # pixels between the points at which a thin outline is followed


@dataclass(frozen=True)
class Region:
    """Pixels of an image: bool (h, w), whose first is at row `top` and column `left`."""

    top: int
    left: int
    inside: np.ndarray

    def of(self, mask: np.ndarray) -> np.ndarray:
        """The part of a mask that it lies in, as a view."""
        height, width = self.inside.shape
        return mask[self.top : self.top + height, self.left : self.left + width]


@dataclass(frozen=True)
class Painted:
    """A mask, and what happened while shapes were drawn.

    Attributes:
        mask: uint8 (H, W) of class indices, 255 = ignore.
        overlap: Pixels at which a later shape replaced one of another class.
        clipped: Shapes that reach more than a pixel out of the image.
        outside: Shapes of which nothing lies in the image.
        thin: Shapes without the centre of a pixel, drawn as the pixels that they pass.
    """

    mask: np.ndarray
    overlap: int
    clipped: int
    outside: int
    thin: int


def paint(shapes: Iterable[tuple[Shape, int]], size: tuple[int, int]) -> Painted:
    """Draw shapes with their class indices; a later one wins over those before it.

    Args:
        shapes: The shapes in their order, each with a class index or 255.
        size: Height and width of the image, pixels.

    Raises:
        DatasetError: A shape cannot be drawn in an image of this size.
    """
    mask = np.zeros(size, dtype=np.uint8)
    overlap = clipped = outside = thin = 0
    for shape, index in shapes:
        region, is_thin = cover(shape, size)
        if not region.inside.any():
            outside += 1
            continue
        thin += is_thin
        clipped += _reaches_out(shape, size)
        part = region.of(mask)
        taken = region.inside & (part != 0) & (part != IGNORE) & (part != index)
        overlap += int(taken.sum()) if index not in (0, IGNORE) else 0
        part[region.inside] = index
    return Painted(mask, overlap, clipped, outside, thin)


def cover(shape: Shape, size: tuple[int, int]) -> tuple[Region, bool]:
    """The pixels of a shape in an image, and whether it contains no centre of a pixel.

    Args:
        shape: What to draw.
        size: Height and width of the image, pixels.

    Raises:
        DatasetError: The shape belongs to an image of another size, or is damaged.
    """
    if isinstance(shape, Polygon | Ellipse):
        region = _polygon(shape, size) if isinstance(shape, Polygon) else _ellipse(shape, size)
        return (region, False) if region.inside.any() else (_passed(shape, size), True)
    if isinstance(shape, Stamp):
        return _placed(shape.bitmap, shape.corner, size), False
    if (shape.whole if isinstance(shape, Runs) else True) and shape.size != size:
        raise DatasetError(
            f"its runs of pixels are for an image of {shape.size[0]} × {shape.size[1]}, this one has "
            f"{size[0]} × {size[1]}; annotate the file as it is"
        )
    if isinstance(shape, Brush):
        return Region(0, 0, unpack_brush(shape.packed, shape.size)), False
    bitmap = decode_counts(shape.counts, shape.size, by_column=shape.by_column)
    return _placed(bitmap, shape.corner, size), False


def _bounds(shape: Polygon | Ellipse) -> tuple[float, float, float, float]:
    """Least x and y, greatest x and y."""
    if isinstance(shape, Ellipse):
        angle = np.radians(shape.degrees)
        reach = np.array(
            [
                np.hypot(shape.radii[0] * np.cos(angle), shape.radii[1] * np.sin(angle)),
                np.hypot(shape.radii[0] * np.sin(angle), shape.radii[1] * np.cos(angle)),
            ]
        )
        low, high = np.array(shape.centre) - reach, np.array(shape.centre) + reach
    else:
        low = np.min([points.min(axis=0) for points in shape.rings], axis=0)
        high = np.max([points.max(axis=0) for points in shape.rings], axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _reaches_out(shape: Shape, size: tuple[int, int]) -> bool:
    if not isinstance(shape, Polygon | Ellipse):
        return False
    x0, y0, x1, y1 = _bounds(shape)
    return min(x0, y0) < -1 or x1 > size[1] + 1 or y1 > size[0] + 1


def _window(shape: Polygon | Ellipse, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Rows and columns whose centres may lie inside: top, bottom, left, right; the ends are left out."""
    x0, y0, x1, y1 = np.ceil(np.array(_bounds(shape)) - 0.5)
    top, bottom = (int(np.clip(v, 0, size[0])) for v in (y0, y1 + 1))
    left, right = (int(np.clip(v, 0, size[1])) for v in (x0, x1 + 1))
    return top, bottom, left, right


def _polygon(shape: Polygon, size: tuple[int, int]) -> Region:
    window = _window(shape, size)
    top, bottom, left, right = window
    inside = np.zeros((max(bottom - top, 0), max(right - left, 0)), dtype=bool)
    for points in shape.rings if inside.size else ():
        inside |= _enclosed(points, window)
    return Region(top, left, inside)


def _enclosed(points: np.ndarray, window: tuple[int, int, int, int]) -> np.ndarray:
    """The pixels of a window whose centres a closed outline (N, 2) encloses."""
    top, bottom, left, right = window
    ends = np.stack([points, np.roll(points, -1, axis=0)])
    # Both directions of an edge give the same numbers, so that neighbours neither overlap nor leave a gap.
    ends = np.where(ends[0, :, 1] <= ends[1, :, 1], ends.transpose(2, 0, 1), ends[::-1].transpose(2, 0, 1))
    (x0, x1), (y0, y1) = ends
    first, behind = (np.clip(np.ceil(y - 0.5), top, bottom).astype(np.int64) for y in (y0, y1))
    rows = behind - first
    kept = np.flatnonzero(rows)
    if rows.sum() > _MOST_CROSSINGS:
        raise DatasetError(f"a polygon of {len(points)} points is too intricate to draw; simplify it")
    toggles = np.zeros((bottom - top, right - left + 1), dtype=np.uint8)
    blocks = np.cumsum(rows[kept]) // _CROSSINGS_AT_ONCE
    for edges in np.split(kept, np.flatnonzero(np.diff(blocks)) + 1):
        count = rows[edges]
        edge = np.repeat(edges, count)
        row = first[edge] + np.arange(edge.size) - np.repeat(np.cumsum(count) - count, count)
        x = x0[edge] + (row + 0.5 - y0[edge]) * ((x1 - x0)[edge] / (y1 - y0)[edge])
        column = np.clip(np.ceil(x - 0.5), left, right).astype(np.int64)
        np.add.at(toggles, (row - top, column - left), 1)
    np.bitwise_and(toggles, 1, out=toggles)
    return np.bitwise_xor.accumulate(toggles, axis=1)[:, :-1].astype(bool)


def _ellipse(shape: Ellipse, size: tuple[int, int]) -> Region:
    top, bottom, left, right = _window(shape, size)
    angle = np.radians(shape.degrees)
    # (h, 1) and (1, w): distances of the pixels' centres from the ellipse's
    dy = np.arange(top, bottom)[:, None] + 0.5 - shape.centre[1]
    dx = np.arange(left, right)[None, :] + 0.5 - shape.centre[0]
    along = dx * np.cos(angle) + dy * np.sin(angle)
    across = dy * np.cos(angle) - dx * np.sin(angle)
    rx, ry = (max(radius, 1e-9) for radius in shape.radii)
    return Region(top, left, (along / rx) ** 2 + (across / ry) ** 2 <= 1)


def _passed(shape: Polygon | Ellipse, size: tuple[int, int]) -> Region:
    """The pixels through which the outline of a shape goes."""
    if isinstance(shape, Ellipse):
        angles = np.radians(np.arange(0, 360, 5))
        around = np.stack([np.cos(angles), np.sin(angles)], axis=1) * shape.radii + shape.centre
        rings: tuple[np.ndarray, ...] = (turned(around, shape.centre, shape.degrees),)
    else:
        rings = shape.rings
    pixels = [np.empty((0, 2), dtype=np.int64)]
    # What lies outside has nothing to follow, however long it is.
    limits = np.array([size[1], size[0]], dtype=np.float64)
    for points in rings:
        following = np.roll(points, -1, axis=0)
        for start, end in zip(points, following, strict=True):
            span = _within(start, end, limits)
            if span is None:
                continue
            a, b = start + (end - start) * span[0], start + (end - start) * span[1]
            steps = int(np.abs(b - a).max() / _STEP) + 2
            pixels.append(np.floor(np.linspace(a, b, steps)).astype(np.int64))
    found = np.concatenate(pixels)
    found = found[((found >= 0) & (found < limits)).all(axis=1)]
    if not len(found):
        return Region(0, 0, np.zeros((0, 0), dtype=bool))
    low = found.min(axis=0)
    inside = np.zeros((found.max(axis=0) - low + 1)[::-1], dtype=bool)
    inside[found[:, 1] - low[1], found[:, 0] - low[0]] = True
    return Region(int(low[1]), int(low[0]), inside)


def _within(start: np.ndarray, end: np.ndarray, limits: np.ndarray) -> tuple[float, float] | None:
    """Between which shares of its length a line lies in the image."""
    low, high = 0.0, 1.0
    for at, to, limit in zip(start.tolist(), end.tolist(), limits.tolist(), strict=True):
        if at == to:
            if not 0 <= at < limit:
                return None
            continue
        a, b = sorted(((0 - at) / (to - at), (limit - at) / (to - at)))
        low, high = max(low, a), min(high, b)
    return (low, high) if low <= high else None


def _placed(bitmap: np.ndarray, corner: tuple[int, int], size: tuple[int, int]) -> Region:
    """A bitmap at its place, without what lies outside of the image."""
    top, left = max(corner[0], 0), max(corner[1], 0)
    bottom, right = (min(corner[i] + bitmap.shape[i], size[i]) for i in (0, 1))
    if bottom <= top or right <= left:
        return Region(0, 0, np.zeros((0, 0), dtype=bool))
    return Region(
        top, left, bitmap[top - corner[0] : bottom - corner[0], left - corner[1] : right - corner[1]]
    )
