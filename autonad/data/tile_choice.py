"""Whether the images of a dataset are cut into tiles, and into which."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

from autonad.data.dataset import Dataset
from autonad.data.images import IGNORE
from autonad.detector.fitting import place
from autonad.detector.tiles import Tiling, tile_boxes

if TYPE_CHECKING:
    from autonad.config import InputConfig

LARGEST_STRIDE = 32  # of the network's features, input pixels
SMALLEST = 0.1  # share of the defects that may be thinner than what is asked for


@dataclass(frozen=True)
class TileWish:
    """How images shall come into the network's input, whole or in tiles.

    Attributes:
        size: Height and width of the network's input.
        keep_aspect: Images are padded to it, not stretched.
        tile: Rows of a tile, pixels of the image; "none" fits whole images, and "auto" chooses.
        overlap: Share of a tile's shorter side that neighbours have in common, up to a half; what is nearest
            to it on the grid on which tiles begin.
        defect_px: How thick nine tenths of the defects shall be at the input, pixels, for "auto".
    """

    size: tuple[int, int] = (128, 128)
    keep_aspect: bool = True
    tile: int | Literal["none", "auto"] = "none"
    overlap: float = 0.25
    defect_px: float = 3.0

    @classmethod
    def of(cls, config: InputConfig) -> TileWish:
        """What the section `input` says."""
        return cls(config.size, config.keep_aspect, config.tile, config.tile_overlap, config.tile_defect_px)

    def tiling(self, rows: int) -> Tiling:
        """Tiles of so many rows of the image, in the shape of the input."""
        columns = max(1, round(rows * self.size[1] / self.size[0]))
        shorter, grid = min(rows, columns), self._input_grid() * rows / self.size[0]
        step = max(math.ceil(shorter / 2 / grid), round(shorter * (1 - self.overlap) / grid)) * grid
        return Tiling(rows, columns, max(0, shorter - math.ceil(step)), grid)

    def _input_grid(self) -> int:
        """Grid on which tiles begin, input pixels: the largest stride, less if the input is small."""
        return min(LARGEST_STRIDE, 1 << (min(self.size).bit_length() - 3))


def tiling_of(
    dataset: Dataset, wish: TileWish, say: Callable[[str], None] = lambda text: None
) -> Tiling | None:
    """How training cuts the images of a dataset; None where it takes them whole.

    Args:
        dataset: The dataset.
        wish: What is asked for.
        say: Hears whether images are cut into tiles, and why, where that follows from the dataset.
    """
    if wish.tile == "auto":
        tiling, reason = choose_tiling(dataset, wish)
        say(reason)
        return tiling
    return None if wish.tile == "none" else wish.tiling(wish.tile)


def choose_tiling(dataset: Dataset, wish: TileWish) -> tuple[Tiling | None, str]:
    """Tiles in which small and thin defects of the training split stay visible, and why.

    The tiles are as large as that allows, never enlarged, and there are none where whole images do as well.
    """
    thickness: list[float] = []  # pixels of the image
    scale: list[float] = []  # input pixels per pixel, of each defect's image
    sizes: list[tuple[int, int]] = []
    for row in dataset.split("train").itertuples():
        mask = dataset.read_mask(row)
        native = (mask.shape[0], mask.shape[1])
        found = list(defect_thickness(mask))
        at = place(native, wish.size, keep_aspect=wish.keep_aspect)
        thickness += found
        scale += [min(at.resized[0] / native[0], at.resized[1] / native[1])] * len(found)
        sizes.append(native)
    if not thickness:
        return None, "the images are not cut into tiles: the training split shows no defects"
    whole = float(np.quantile(np.array(thickness) * scale, SMALLEST))
    says = (
        f"a tenth of the training defects are at most {whole:.1f} pixels thick at an input of "
        f"{wish.size[0]} × {wish.size[1]}, and input.tile_defect_px is {wish.defect_px:g}"
    )
    if whole >= wish.defect_px:
        return None, f"the images are not cut into tiles: {says}"
    thinnest = float(np.quantile(thickness, SMALLEST))
    enlarged = min(1.0, wish.defect_px / thinnest)
    tiling = wish.tiling(math.floor(wish.size[0] / enlarged))
    if all(height <= tiling.height and width <= tiling.width for height, width in sizes):
        return None, f"the images are not cut into tiles, although {says}: a tile would hold a whole image"
    return tiling, f"the images are cut into {describe_tiling(tiling)}: {says}"


def describe_tiling(tiling: Tiling | None) -> str:
    """Such as "tiles of 256 × 256 pixels that overlap by 64"."""
    if tiling is None:
        return "no tiles"
    return f"tiles of {tiling.height} × {tiling.width} pixels that overlap by {tiling.overlap}"


def tiles_per_image(dataset: Dataset, tiling: Tiling | None) -> int | None:
    """Tiles of an image, 1 without tiling; None where images of several sizes have different numbers."""
    if tiling is None:
        return 1
    sizes = dataset.manifest[["height", "width"]].drop_duplicates().to_numpy().tolist()
    counts = {len(tile_boxes((int(height), int(width)), tiling)) for height, width in sizes}
    return counts.pop() if len(counts) == 1 else None


def defect_thickness(mask: np.ndarray) -> Iterator[float]:
    """How thick each connected defect of an index mask is at its thickest place, pixels."""
    defect = np.pad((mask != 0) & (mask != IGNORE), 1).astype(np.uint8)
    if not defect.any():
        return
    _, labels, stats, _ = cv2.connectedComponentsWithStats(defect)
    distance = cv2.distanceTransform(defect, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    for label, (left, top, across, down, _) in enumerate(stats.tolist()):
        if label > 0:
            window = np.s_[top : top + down, left : left + across]
            # Of a line of one pixel the distance to the next pixel outside is 1.
            yield 2 * float(distance[window][labels[window] == label].max()) - 1
