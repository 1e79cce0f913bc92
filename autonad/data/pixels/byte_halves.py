"""Colours of 16 bits without OpenCV: Pillow keeps one byte of each sample, so that a file is read twice."""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np
from PIL import Image, TiffImagePlugin

_ORIENTATION = 274
_INTERLACED = 28  # byte of a PNG
_SWAPPED = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}


def read_halves(content: bytes, frame: int) -> np.ndarray | None:
    """Samples of a PNG or TIFF of three or four channels of 16 bits.

    The raw mode of a tile names the order of the bytes in a sample, of which Pillow takes the high one; with
    the other order it takes the low one.

    Args:
        content: The file's bytes.
        frame: Which page of a TIFF, from 0.

    Returns:
        uint16 (H, W, 3), or (H, W, 4) with alpha; None for files of other kinds.
    """
    halves = [_bytes_of(content, frame, low=low) for low in (False, True)]
    if halves[0] is None or halves[1] is None:
        return None
    return (halves[0].astype(np.uint16) << 8) | halves[1]


def _bytes_of(content: bytes, frame: int, *, low: bool) -> np.ndarray | None:
    try:
        image: Any = Image.open(io.BytesIO(content), formats=("PNG", "TIFF"))
    except Image.UnidentifiedImageError:  # such as colours of floats
        return None
    is_tiff = isinstance(image, TiffImagePlugin.TiffImageFile)
    if is_tiff:
        image.seek(frame)
        if int(image.tag_v2.get(_ORIENTATION, 1)) != 1:
            return None
    elif frame or content[_INTERLACED] or "transparency" in image.info:
        return None
    tiles = []
    for tile in image.tile:
        raw_mode, *others = (tile.args,) if isinstance(tile.args, str) else tile.args
        if raw_mode[:-1] not in {"RGB;16", "RGBA;16"}:
            return None
        mode = raw_mode[:-1] + _SWAPPED[raw_mode[-1]] if low else raw_mode
        tiles.append(tile._replace(args=(mode, *others) if others else mode))
    image.tile = tiles
    image.load()
    return np.asarray(image)
