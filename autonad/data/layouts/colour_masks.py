"""Masks in which colours stand for classes, as a list of colours says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autonad.data.faults import Fault
from autonad.data.images import MAX_PIXELS, read_image
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
        pixels = read_image(self.mask, max_pixels=max(MAX_PIXELS, size[0] * size[1]))
        if pixels.shape[:2] != size:
            raise DatasetError(
                f"the image is {size[0]} × {size[1]} pixels, its mask {self.mask.name} {pixels.shape[0]} × "
                f"{pixels.shape[1]}; give both the same size"
            )
        packed = pixels.astype(np.uint32) @ np.array([65536, 256, 1], dtype=np.uint32)
        result = np.zeros(size, dtype=np.uint8)
        unknown = np.ones(size, dtype=bool)
        for (red, green, blue), index in self.colours.items():
            of_class = packed == (red << 16 | green << 8 | blue)
            result[of_class] = index
            unknown &= ~of_class
        if not unknown.any():
            return result, []
        if (pixels == pixels[..., :1]).all() and int(pixels.max()) < len(self.order):
            return np.array(self.order, dtype=np.uint8)[pixels[..., 0]], []
        stray = int(packed[unknown][0])
        raise DatasetError(
            f"mask {self.mask.name} holds the colour {stray >> 16},{stray >> 8 & 255},{stray & 255} in "
            f"{int(unknown.sum())} pixels, which stands for no class; add it to the list of classes, or save "
            "the mask without smoothing"
        )
