"""Images that are larger than the network's input, in overlapping tiles whose seams cannot be seen.

A tile is cut at the image's own scale. Tiles begin on one grid, that of the network's coarsest features: a
network with strides says the same of a pixel wherever on that grid its tile begins, else not. Where tiles
overlap, the outer part of each counts for nothing, since the network sees no surroundings there, and between
the inner parts the weight moves smoothly from one to the other. At the image's own border there is no other
tile, and the tile counts in full.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from autonad.detector.resizing import mirrored

# Share of an overlap, at both of its ends, in which only one of the tiles counts.
OUTER = 0.25
ROUNDING = 1e-9  # of a grid that is a fraction

Strip = tuple[int, np.ndarray]
"""A first row, and values (C, rows, W) of some rows of an image."""


@dataclass(frozen=True)
class Tiling:
    """How large images are cut.

    Attributes:
        height: Rows of a tile, pixels of the image file.
        width: Columns of a tile, pixels of the image file.
        overlap: Pixels that neighbours share at least; at most half of a tile.
        grid: Tiles begin at multiples of so many pixels, which may be a fraction; the last one then reaches
            beyond the image, whose border is mirrored.
    """

    height: int
    width: int
    overlap: int
    grid: float = 1

    def __post_init__(self) -> None:
        if not (self.height > 0 and self.width > 0 and 0 <= 2 * self.overlap <= min(self.height, self.width)):
            raise ValueError(
                f"tiles of {self.height} × {self.width} pixels cannot overlap by {self.overlap}; choose an "
                "overlap from 0 to half of a tile"
            )
        if not 0 < self.grid <= min(self.height, self.width) - self.overlap:
            raise ValueError(
                f"tiles of {self.height} × {self.width} pixels that overlap by {self.overlap} cannot begin "
                f"on a grid of {self.grid:g}; choose one from above 0 to a tile without its overlap"
            )


@dataclass(frozen=True)
class Box:
    """Where a tile begins; it may reach beyond the end of the image, whose border is then mirrored."""

    top: int
    left: int


def tile_boxes(native: tuple[int, int], tiling: Tiling) -> list[Box]:
    """The tiles of an image of `native` height and width, row by row; together they cover it."""
    rows, columns = _starts(native[0], tiling.height, tiling), _starts(native[1], tiling.width, tiling)
    return [Box(top, left) for top in rows for left in columns]


def cut(image: np.ndarray, box: Box, tiling: Tiling) -> np.ndarray:
    """The pixels (height, width, …) of a tile of an image (h, w, …)."""
    bottom, right = box.top + tiling.height, box.left + tiling.width
    part = image[box.top : bottom, box.left : right]
    below, beside = tiling.height - part.shape[0], tiling.width - part.shape[1]
    if below == beside == 0:
        return part
    return part[mirrored(part.shape[0], 0, below)[:, None], mirrored(part.shape[1], 0, beside)]


def owned_parts(native: tuple[int, int], tiling: Tiling) -> list[tuple[slice, slice]]:
    """Rows and columns of the image that belong to each tile of `tile_boxes`: each pixel to just one.

    Two tiles part in the middle of their overlap, so that each keeps what it sees with surroundings.
    """
    rows = _shares(_starts(native[0], tiling.height, tiling), native[0], tiling.height)
    columns = _shares(_starts(native[1], tiling.width, tiling), native[1], tiling.width)
    return [(down, across) for down in rows for across in columns]


def blended(
    values_of: Callable[[Box], np.ndarray], native: tuple[int, int], tiling: Tiling
) -> Iterator[Strip]:
    """Join what a network says of each tile, from the top of the image to its end.

    Args:
        values_of: float32 (C, height, width) of a tile, such as logits; called once per tile.
        native: Height and width of the image.
        tiling: How it is cut.

    Yields:
        Strips (first row, (C, rows, W)) that follow each other; at most a tile's rows are held.
    """
    tops, lefts = _starts(native[0], tiling.height, tiling), _starts(native[1], tiling.width, tiling)
    vertical = _weights(tops, native[0], tiling.height)
    horizontal = _weights(lefts, native[1], tiling.width)
    held: np.ndarray | None = None  # (C, tile rows, W), beginning at the current row of tiles
    for number, top in enumerate(tops):
        rows = min(tiling.height, native[0] - top)
        for left, across in zip(lefts, horizontal, strict=True):
            values = values_of(Box(top, left))[:, :rows, : across.size]
            if held is None:
                held = np.zeros((values.shape[0], tiling.height, native[1]), dtype=np.float32)
            part = held[:, :rows, left : left + across.size]
            part += values * (vertical[number][:, None] * across)
        assert held is not None
        done = (tops[number + 1] if number + 1 < len(tops) else native[0]) - top
        yield top, held[:, :done].copy()
        held[:, : tiling.height - done] = held[:, done:].copy()
        held[:, tiling.height - done :] = 0


def _starts(length: int, tile: int, tiling: Tiling) -> list[int]:
    """Where tiles along an axis begin, as evenly spread as the grid allows."""
    if length <= tile:
        return [0]
    last = math.ceil((length - tile) / tiling.grid - ROUNDING)
    gaps = math.ceil(last / int((tile - tiling.overlap) / tiling.grid + ROUNDING))
    return [round(round(index * last / gaps) * tiling.grid) for index in range(gaps + 1)]


def _shares(starts: list[int], length: int, tile: int) -> list[slice]:
    """The stretch of an axis that is nearest to the middle of each tile."""
    ends = [(start + tile + following) // 2 for start, following in pairwise(starts)]
    return [slice(begin, end) for begin, end in zip([0, *ends], [*ends, length], strict=True)]


def _weights(starts: list[int], length: int, tile: int) -> list[np.ndarray]:
    """How much each tile counts along an axis, float32; at every position they add up to one."""
    weights = []
    for index, start in enumerate(starts):
        size = min(tile, length - start)
        weight = np.ones(size, dtype=np.float64)
        if index > 0:
            shared = starts[index - 1] + tile - start
            weight[:shared] *= _ramp(shared)
        if index + 1 < len(starts):
            shared = start + tile - starts[index + 1]
            weight[size - shared :] *= _ramp(shared)[::-1]
        weights.append(weight)
    total = np.zeros(length)
    for start, weight in zip(starts, weights, strict=True):
        total[start : start + weight.size] += weight
    return [
        (weight / total[start : start + weight.size]).astype(np.float32)
        for start, weight in zip(starts, weights, strict=True)
    ]


def _ramp(count: int) -> np.ndarray:
    """From (almost) 0 to 1 over an overlap, smooth at both ends; it and its mirror image add up to one."""
    at = (np.arange(count) + 0.5) / max(count, 1)
    at = np.clip((at - OUTER) / (1 - 2 * OUTER), 0, 1)
    # Where three tiles meet, all may be in the outer part of an overlap: a trace keeps their sum positive.
    return np.maximum(at * at * (3 - 2 * at), 1e-6)
