"""Masks in which colours stand for classes, as a list of colours says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autonad.data.faults import Fault
from autonad.data.images import MAX_PIXELS
from autonad.data.pixels.mask_files import MaskFile, read_mask_file
from autonad.data.pixels.mask_survey import packed
from autonad.data.pixels.pixel_options import colour_key
from autonad.errors import DatasetError

Colours = Mapping[tuple[int, int, int], int]


@dataclass(frozen=True)
class ColourMask:
    """A mask of colours, whether its file has three channels, a palette or grey values.

    Attributes:
        mask: Its file.
        colours: Class index of each colour.
        order: Class indices of the values 0, 1, 2 …, for masks that hold these in place of colours.
    """

    mask: Path
    colours: Colours
    order: tuple[int, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """The mask."""
        return (self.mask,)

    def draw(self, size: tuple[int, int]) -> tuple[np.ndarray, list[Fault]]:
        """The index mask of an image of this height and width, pixels: uint8 (H, W)."""
        colours = mask_of_size(self.mask, size).colours
        keys = packed(colours) if colours.ndim == 3 else colours
        result = np.zeros(size, dtype=np.uint8)
        unknown = np.ones(size, dtype=bool)
        for colour, index in self.colours.items():
            of_class = keys == colour_key(*colour)
            result[of_class] = index
            unknown &= ~of_class
        if not unknown.any():
            return result, []
        if colours.ndim == 2 and int(colours.max()) < len(self.order):
            return np.array(self.order, dtype=np.uint8)[colours], []
        stray = ",".join(str(value) for value in np.broadcast_to(colours[unknown][0], 3))
        count = int(unknown.sum())
        raise DatasetError(
            f"mask {self.mask.name} holds the colour {stray} in {count} pixels, which stands for no class; "
            "add it to the list of classes, or save the mask without smoothing"
        )


def mask_of_size(path: Path, size: tuple[int, int]) -> MaskFile:
    """A mask file, decoded, of an image of this height and width, pixels.

    Raises:
        DatasetError: It cannot be read, or has another size.
    """
    mask = read_mask_file(path, max_pixels=max(MAX_PIXELS, size[0] * size[1]))
    height, width = mask.samples.shape[:2]
    if (height, width) != size:
        raise DatasetError(
            f"the image is {size[0]} × {size[1]} pixels, its mask {path.name} {height} × {width}; give both "
            "the same size"
        )
    return mask
