"""Small pictures for pages: images, and masks in the colours of their classes."""

from __future__ import annotations

import io

import numpy as np

from autonad.data.images import IGNORE
from autonad.report.palette import UNLABELLED, channels, class_colour

PICTURE_SIDE = 288
"""Longest side of an embedded picture in pixels; keeps a report of a dozen panels well under 5 MB."""


def flat(mask: np.ndarray) -> np.ndarray:
    """A mask uint8 (H, W) in the colours of its classes on black: uint8 (H, W, 3)."""
    colours = np.zeros((256, 3), dtype=np.uint8)
    for index in np.flatnonzero(np.bincount(mask.ravel(), minlength=256)).tolist():
        if index:
            colour = UNLABELLED if index == IGNORE else class_colour(index)
            colours[index] = channels(colour)
    return colours[mask]


def overlay(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Colour an image by class: a tint inside, full colour on the outline; "ignore" is hatched in grey.

    Args:
        image: (H, W, 3) uint8.
        mask: (H, W) classes, 255 = ignore.

    Returns:
        (H, W, 3) uint8.
    """
    result = image.astype(np.float32)
    inside = np.ones(mask.shape, bool)
    inside[1:] &= mask[1:] == mask[:-1]
    inside[:-1] &= mask[:-1] == mask[1:]
    inside[:, 1:] &= mask[:, 1:] == mask[:, :-1]
    inside[:, :-1] &= mask[:, :-1] == mask[:, 1:]
    for k in np.unique(mask).tolist():
        if k in (0, IGNORE):
            continue
        colour = np.array(channels(class_colour(k)), np.float32)
        here = mask == k
        result[here & inside] = 0.55 * result[here & inside] + 0.45 * colour
        result[here & ~inside] = colour
    rows, columns = np.indices(mask.shape)
    result[(mask == IGNORE) & ((rows + columns) % 8 < 3)] = channels(UNLABELLED)
    return result.astype(np.uint8)


def thumbnail(image: np.ndarray, side: int = PICTURE_SIDE) -> bytes:
    """An image (H, W, 3) uint8 as a JPEG of at most `side` pixels a side, for a page."""
    from PIL import Image

    picture = Image.fromarray(image)
    scale = side / max(picture.size)
    if scale < 1:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    # No chroma subsampling: the outlines are thin and coloured.
    picture.save(buffer, format="JPEG", quality=88, subsampling=0)
    return buffer.getvalue()
