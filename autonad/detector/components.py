"""Defects of a mask: connected regions of one class, and their measures, from runs of equal pixels.

A run is a stretch of equal pixels in a row. There are few of them even in images of many megapixels, so that
connecting and measuring runs costs far less than pixels would.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Reals = NDArray[np.float64]

# Directions in which the extent of a defect is measured, beside its own axes.
DIRECTIONS = 36
# Values of all runs in some directions that are computed at a time.
BLOCK_VALUES = 1 << 16


@dataclass(frozen=True)
class Runs:
    """Stretches of equal pixels, row by row from left to right; each attribute is (R,).

    Attributes:
        row: Row of the image.
        start: First column.
        stop: Column after the last.
        value: Class, not background.
    """

    row: Integers
    start: Integers
    stop: Integers
    value: Integers

    @classmethod
    def of(cls, mask: np.ndarray) -> Runs:
        """The runs of a mask (H, W) whose background is 0."""
        height, width = mask.shape
        changes = np.ones((height, width + 1), dtype=bool)
        np.not_equal(mask[:, 1:], mask[:, :-1], out=changes[:, 1:-1])
        edges = np.flatnonzero(changes)
        row, column = np.divmod(edges, width + 1)
        first = column < width  # an edge behind the last column only ends a run
        start_row, start = row[first], column[first]
        stop = column[1:][first[:-1]]
        value = mask[start_row, start].astype(np.int64)
        shown = value != 0
        return cls(start_row[shown], start[shown], stop[shown], value[shown])


@dataclass(frozen=True)
class Components:
    """Connected regions of one class each, in the order of their first pixels; each attribute has N entries.

    Attributes:
        value: Class.
        area: Pixels.
        box: (N, 4) first row, first column, row after the last, column after the last.
        length: Largest extent over all directions (the maximum Feret diameter), pixels.
        width: Smallest extent over all directions (the minimum Feret diameter), pixels.
        mean: Mean score of the region's pixels.
        peak: Largest score of the region's pixels.
        label: (R,) of which region each run is.
        runs: The runs.
    """

    value: Integers
    area: Integers
    box: Integers
    length: Reals
    width: Reals
    mean: Reals
    peak: Reals
    label: Integers
    runs: Runs

    def __len__(self) -> int:
        return self.value.size

    def runs_of(self, index: int) -> Integers:
        """Positions of the runs of a region, from top to bottom; to ask for each region takes linear time."""
        order, begins = self._by_region
        return order[begins[index] : begins[index + 1]]

    @cached_property
    def _by_region(self) -> tuple[Integers, Integers]:
        order = np.argsort(self.label, kind="stable")
        return order, np.searchsorted(self.label[order], np.arange(len(self) + 1))


def find_components(mask: np.ndarray, score: np.ndarray) -> Components:
    """Regions of equal class whose pixels touch, also at corners.

    Args:
        mask: (H, W) of classes, 0 is background.
        score: (H, W) of each pixel's class, such as its probability.
    """
    runs = Runs.of(mask)
    label, first = _connect(runs)
    count = first.size
    sizes = runs.stop - runs.start
    area = np.bincount(label, sizes, count).astype(np.int64)
    order = np.argsort(label, kind="stable")
    begins = np.searchsorted(label[order], np.arange(count))

    def lowest(values: np.ndarray) -> np.ndarray:
        return np.minimum.reduceat(values[order], begins) if count else values[:0]

    def highest(values: np.ndarray) -> np.ndarray:
        return np.maximum.reduceat(values[order], begins) if count else values[:0]

    box = np.stack([lowest(runs.row), lowest(runs.start), highest(runs.row) + 1, highest(runs.stop)], axis=1)
    sums, peaks = _scores(runs, score)
    length, width = _extents(runs, label, area, order, begins)
    return Components(
        value=runs.value[first],
        area=area,
        box=box,
        length=length,
        width=width,
        mean=np.bincount(label, sums, count) / np.maximum(area, 1),
        peak=highest(peaks).astype(np.float64),
        label=label,
        runs=runs,
    )


def _connect(runs: Runs) -> tuple[Integers, Integers]:
    """Of which region each run is, and the first run of each region."""
    upper, lower = _touching(runs)
    parent = np.arange(runs.row.size)
    while True:
        # Both ends of each touching pair point to the smaller of their roots, until nothing moves.
        a, b = parent[upper], parent[lower]
        apart = a != b
        if not apart.any():
            break
        upper, lower, a, b = upper[apart], lower[apart], a[apart], b[apart]
        np.minimum.at(parent, np.maximum(a, b), np.minimum(a, b))
        while (parent[parent] != parent).any():
            parent = parent[parent]
    first, label = np.unique(parent, return_inverse=True)
    return label.astype(np.int64), first


def _touching(runs: Runs) -> tuple[Integers, Integers]:
    """Pairs of runs of one class in neighbouring rows whose pixels touch."""
    if runs.row.size == 0:
        return runs.row, runs.row
    stride = int(runs.stop.max()) + 2  # so that no run of one row reaches into the keys of the next
    begins, ends = runs.row * stride + runs.start, runs.row * stride + runs.stop
    above = (runs.row - 1) * stride
    low = np.searchsorted(ends, above + runs.start, side="left")
    high = np.searchsorted(begins, above + runs.stop, side="right")
    counts = np.maximum(high - low, 0)
    lower = np.repeat(np.arange(runs.row.size), counts)
    offsets = np.arange(lower.size) - np.repeat(np.cumsum(counts) - counts, counts)
    upper = low[lower] + offsets
    same = (runs.value[upper] == runs.value[lower]) & (runs.row[upper] + 1 == runs.row[lower])
    return upper[same], lower[same]


def _scores(runs: Runs, score: np.ndarray) -> tuple[Reals, np.ndarray]:
    """Sum and maximum of the scores of each run."""
    if runs.row.size == 0:
        return np.zeros(0), np.zeros(0)
    sizes = runs.stop - runs.start
    begins = np.cumsum(sizes) - sizes
    offsets = np.arange(int(sizes.sum())) - np.repeat(begins, sizes)
    values = score[np.repeat(runs.row, sizes), np.repeat(runs.start, sizes) + offsets]
    return np.add.reduceat(values, begins, dtype=np.float64), np.maximum.reduceat(values, begins)


def _extents(
    runs: Runs, label: Integers, area: Integers, order: Integers, begins: Integers
) -> tuple[Reals, Reals]:
    """(N,) largest and smallest extent of each region, pixels.

    Args:
        runs: All runs.
        label: (R,) of which region each is.
        area: (N,) pixels.
        order: (R,) positions of the runs, region by region.
        begins: (N,) where each region begins in `order`.
    """
    if not area.size:
        return np.zeros(0), np.zeros(0)
    own = _axes(runs, label, area)[None]
    fixed = np.broadcast_to(np.arange(DIRECTIONS)[:, None] * (np.pi / DIRECTIONS), (DIRECTIONS, area.size))
    angles = np.concatenate([own, own + np.pi / 2, fixed])  # (D, N)
    region, start, stop, row = label[order], runs.start[order], runs.stop[order], runs.row[order]
    length, width = np.zeros(area.size), np.full(area.size, np.inf)
    at_once = max(1, BLOCK_VALUES // region.size)
    for first in range(0, len(angles), at_once):
        angle = angles[first : first + at_once]
        cosine, sine = np.cos(angle)[:, region], np.sin(angle)[:, region]  # (d, R)
        # A pixel is a square: its corners reach half a pixel beyond its centre.
        reach = (np.abs(cosine) + np.abs(sine)) / 2
        left = (start + 0.5) * cosine + (row + 0.5) * sine
        right = left + (stop - start - 1) * cosine
        highest = np.maximum.reduceat(np.maximum(left, right) + reach, begins, axis=1)
        extent = highest - np.minimum.reduceat(np.minimum(left, right) - reach, begins, axis=1)
        length, width = np.maximum(length, extent.max(0)), np.minimum(width, extent.min(0))
    return length, width


def _axes(runs: Runs, label: Integers, area: Integers) -> Reals:
    """(N,) direction in which each region extends most, radians, from its second moments."""
    count, size = area.size, (runs.stop - runs.start).astype(np.float64)
    middle, row = (runs.start + runs.stop - 1) / 2, runs.row.astype(np.float64)

    def total(values: np.ndarray) -> Reals:
        return np.bincount(label, values, count).astype(np.float64)

    x, y = total(size * middle) / area, total(size * row) / area
    dx, dy = middle - x[label], row - y[label]
    # Within a run the columns spread evenly, which adds (size² − 1) / 12 to their variance.
    xx, yy, xy = (total(size * (dx**2 + (size**2 - 1) / 12)), total(size * dy**2), total(size * dx * dy))
    return np.asarray(np.arctan2(2 * xy, xx - yy) / 2)
