"""What is measured once per image, when it is read: about 200 bytes, so that 100,000 images fit anywhere."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from autonad.data.images import IGNORE
from autonad.data.pictures import grey_of
from autonad.data.sanity.edges import edge_scores

FEW_LEVELS = 16  # fewer grey levels are suspicious
_SAMPLED = 128  # rows and columns of which grey levels are counted first
MOST_DEFECTS = 8  # of one image whose areas are kept, the largest first


@dataclass(frozen=True, slots=True)
class Measures:
    """One image with its mask, in figures.

    Attributes:
        size: Height and width, pixels.
        levels: Grey levels that occur, of 256; of large images, of some of the pixels if these have enough.
        brightness: Mean grey level.
        counted: Pixels that are not ignored.
        defect: Share of these that are defect; 0 where there are none.
        frame: Share of the outermost pixels that are defect.
        areas: Areas of connected defects, pixels, the largest `MOST_DEFECTS` of them, falling.
        num_defects: Connected defects in all.
        edges: See `edge_scores`.
    """

    size: tuple[int, int]
    levels: int
    brightness: float
    counted: int
    defect: float
    frame: float
    areas: tuple[int, ...]
    num_defects: int
    edges: tuple[float, ...] | None

    @classmethod
    def of(cls, image: np.ndarray, mask: np.ndarray | None) -> Measures:
        """Measure an image uint8 (H, W, 3) with its index mask uint8 (H, W), 255 = ignore."""
        grey = grey_of(image)
        levels, brightness, size = _levels(grey), cv2.mean(grey)[0], (image.shape[0], image.shape[1])
        if mask is None:
            return cls(size, levels, brightness, 0, 0.0, 0.0, (), 0, None)
        ignored = mask == IGNORE
        defect = (mask != 0) > ignored
        counted = mask.size - int(np.count_nonzero(ignored))
        pixels = int(np.count_nonzero(defect))
        if not pixels:
            return cls(size, levels, brightness, counted, 0.0, 0.0, (), 0, None)
        areas = _areas(defect)
        outermost = np.concatenate([defect[0], defect[-1], defect[:, 0], defect[:, -1]])
        largest = tuple(sorted(areas, reverse=True)[:MOST_DEFECTS])
        edges = edge_scores(grey, defect)
        frame = float(outermost.mean())
        return cls(size, levels, brightness, counted, pixels / counted, frame, largest, len(areas), edges)


def side_at_input(area: float, size: tuple[int, int], target: tuple[int, int], *, keep_aspect: bool) -> float:
    """Side of a square of a defect's area, in pixels of the network's input.

    Args:
        area: Of the defect, pixels of the image.
        size: Height and width of the image.
        target: Height and width of the network's input.
        keep_aspect: The image is padded, not stretched.
    """
    down, across = target[0] / size[0], target[1] / size[1]
    if keep_aspect:
        down = across = min(down, across)
    return math.sqrt(area * down * across)


def _levels(grey: np.ndarray) -> int:
    """Grey levels that occur in an image uint8 (H, W), or in some of its pixels if that many are enough."""
    step = max(1, min(grey.shape) // _SAMPLED)
    for pixels in (grey[::step, ::step], grey):
        histogram = cv2.calcHist([np.ascontiguousarray(pixels)], [0], None, [256], [0, 256])
        levels = int(np.count_nonzero(histogram))
        if levels >= FEW_LEVELS or step == 1:
            break
    return levels


def _areas(defect: np.ndarray) -> list[int]:
    """Areas of the connected regions of a mask bool (H, W), 8 neighbours."""
    rows, columns = np.flatnonzero(defect.any(axis=1)), np.flatnonzero(defect.any(axis=0))
    inside = defect[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    _, _, stats, _ = cv2.connectedComponentsWithStats(np.ascontiguousarray(inside, dtype=np.uint8))
    return [int(area) for area in stats[1:, cv2.CC_STAT_AREA]]
