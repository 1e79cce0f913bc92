"""Tiles of large images as samples: all of them to evaluate, a selection to learn from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from autonad.data.images import IGNORE
from autonad.detector.tiles import Box, Tiling, cut, owned_parts, tile_boxes

Region = tuple[int, int, int, int]
"""First row, first column, row after the last, column after the last."""


@dataclass(frozen=True, slots=True)
class TileSample:
    """One tile.

    Attributes:
        image: Position of its image among the rows.
        box: Where it begins.
        counted: Rows and columns of the image whose labels count.
        pixels: Of each class; empty where nobody needs them.
    """

    image: int
    box: Box
    counted: tuple[slice, slice]
    pixels: tuple[int, ...] = ()

    def cut(self, image: np.ndarray, mask: np.ndarray, tiling: Tiling) -> tuple[np.ndarray, np.ndarray]:
        """Copies of the tile's pixels and labels; "ignore" where they do not count or are mirrored."""
        rows, columns = self.counted
        labels = np.full((tiling.height, tiling.width), IGNORE, dtype=np.uint8)
        top, left = self.box.top, self.box.left
        within = np.s_[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        labels[within] = mask[rows, columns]
        return np.array(cut(image, self.box, tiling)), labels


def all_tiles(sizes: Sequence[tuple[int, int]], tiling: Tiling) -> list[TileSample]:
    """Every tile of images of these heights and widths; each pixel counts in one tile.

    The order is that of the images, and of `tile_boxes` in each.
    """
    return [
        TileSample(image, box, part)
        for image, native in enumerate(sizes)
        for box, part in zip(tile_boxes(native, tiling), owned_parts(native, tiling), strict=True)
    ]


def training_tiles(
    masks: Iterable[np.ndarray], tiling: Tiling, *, num_classes: int, empty_share: float, seed: int
) -> list[TileSample]:
    """Tiles to learn from: all that show a defect, and some that show none.

    A defect that fits into a tile lies whole in at least one: where the grid cuts it, a tile is added that
    holds it, at a place drawn from the seed.

    Args:
        masks: uint8 (H, W) index masks of the images, in their order.
        tiling: How images are cut.
        num_classes: Classes including background.
        empty_share: Largest share of tiles without a defect; where there are no defects, all are taken.
        seed: Decides where added tiles lie and which empty ones are taken.
    """
    showing: list[TileSample] = []
    empty: list[TileSample] = []
    for image, mask in enumerate(masks):
        rng = np.random.default_rng([seed, image, 5])
        boxes = tile_boxes((mask.shape[0], mask.shape[1]), tiling)
        for defect in defect_regions(mask):
            if not any(_holds(box, defect, tiling) for box in boxes) and _fits(defect, tiling):
                boxes.append(_around(defect, mask.shape, tiling, rng))
        for box in boxes:
            sample = _counted(image, box, mask, tiling, num_classes)
            (showing if any(sample.pixels[1:]) else empty).append(sample)
    if showing and empty_share < 1:
        wanted = min(len(empty), round(len(showing) * empty_share / (1 - empty_share)))
        chosen = np.random.default_rng([seed, 6]).choice(len(empty), wanted, replace=False)
        empty = [empty[index] for index in sorted(chosen.tolist())]
    return sorted(showing + empty, key=lambda sample: (sample.image, sample.box.top, sample.box.left))


def defect_regions(mask: np.ndarray) -> list[Region]:
    """Where the connected defects of an index mask lie; neighbours at corners are connected."""
    defect = ((mask != 0) & (mask != IGNORE)).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(defect)
    return [(top, left, top + down, left + across) for left, top, across, down, _ in stats[1:].tolist()]


def _fits(defect: Region, tiling: Tiling) -> bool:
    top, left, bottom, right = defect
    return bottom - top <= tiling.height and right - left <= tiling.width


def _holds(box: Box, defect: Region, tiling: Tiling) -> bool:
    top, left, bottom, right = defect
    return (
        box.top <= top
        and box.left <= left
        and bottom <= box.top + tiling.height
        and right <= box.left + tiling.width
    )


def _around(defect: Region, native: tuple[int, ...], tiling: Tiling, rng: np.random.Generator) -> Box:
    """A tile inside the image that holds a defect; all of them are equally likely."""
    begins = []
    for first, last, length, tile in zip(
        defect[:2], defect[2:], native, (tiling.height, tiling.width), strict=True
    ):
        lowest = max(0, last - tile)
        begins.append(int(rng.integers(lowest, max(lowest, min(first, length - tile)) + 1)))
    return Box(*begins)


def _counted(image: int, box: Box, mask: np.ndarray, tiling: Tiling, num_classes: int) -> TileSample:
    bottom = min(box.top + tiling.height, mask.shape[0])
    right = min(box.left + tiling.width, mask.shape[1])
    rows, columns = slice(box.top, bottom), slice(box.left, right)
    pixels = np.bincount(mask[rows, columns].ravel(), minlength=256)[:num_classes]
    return TileSample(image, box, (rows, columns), tuple(pixels.tolist()))
