"""What a network says of an image, or of each of its tiles, at the image's own size."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from autonad.detector.fitting import place
from autonad.detector.resample import upsampled
from autonad.detector.tiles import Box, Strip, Tiling, blended


def native_logits(
    logits_of: Callable[[Box], np.ndarray],
    native: tuple[int, int],
    *,
    size: tuple[int, int],
    keep_aspect: bool,
    tiles: Tiling | None,
) -> Iterator[Strip]:
    """Logits of an image at its own size, strip by strip from the top.

    Args:
        logits_of: (C, H, W) at input size of a tile; called once for each, in the order of `tile_boxes`.
            Without tiles it is called once, for the whole image.
        native: Height and width of the image.
        size: Height and width of the network's input.
        keep_aspect: Padded, not stretched.
        tiles: How the image is cut; None fits the whole image to the input.

    Yields:
        Strips (first row, (C, rows, width)) that follow each other.
    """

    def restored(box: Box, extent: tuple[int, int]) -> Iterator[Strip]:
        at = place(extent, size, keep_aspect=keep_aspect)
        return upsampled(at.inside(logits_of(box)), *extent)

    if tiles is None:
        return restored(Box(0, 0), native)
    extent = (tiles.height, tiles.width)
    return blended(
        lambda box: np.concatenate([values for _, values in restored(box, extent)], axis=1), native, tiles
    )
