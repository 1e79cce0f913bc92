"""An image in the network's input, and back: one code for training, evaluation and the line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autonad.detector.resizing import mirrored, resize_image, resize_mask
from autonad.errors import DatasetError

# What a mask says where nothing is known; training and metrics leave it out.
IGNORE = 255


@dataclass(frozen=True)
class Placement:
    """How an image lies in the network's input, so that a prediction can be cut out and resized back.

    Attributes:
        native: Height and width of the image file.
        resized: Height and width of the image inside the input.
        top: Rows of padding above it.
        left: Columns of padding to its left.
    """

    native: tuple[int, int]
    resized: tuple[int, int]
    top: int
    left: int

    def inside(self, array: np.ndarray) -> np.ndarray:
        """The part of an array (…, H, W) at input size that shows the image, without padding."""
        height, width = self.resized
        return array[..., self.top : self.top + height, self.left : self.left + width]


def place(native: tuple[int, int], size: tuple[int, int], *, keep_aspect: bool) -> Placement:
    """Where an image of `native` height and width lies in an input of `size`."""
    if not keep_aspect:
        return Placement(native, size, 0, 0)
    ratio = min(size[0] / native[0], size[1] / native[1])
    height = min(size[0], max(1, round(native[0] * ratio)))
    width = min(size[1], max(1, round(native[1] * ratio)))
    return Placement(native, (height, width), (size[0] - height) // 2, (size[1] - width) // 2)


def fit_image(image: np.ndarray, *, size: tuple[int, int], keep_aspect: bool) -> tuple[np.ndarray, Placement]:
    """Bring an image uint8 (h, w, 3) to the network's input size, uint8 (H, W, 3); see `fit`."""
    at = place((image.shape[0], image.shape[1]), size, keep_aspect=keep_aspect)
    image = resize_image(image, at.resized)
    if at.resized != size:
        rows = mirrored(at.resized[0], at.top, size[0] - at.resized[0] - at.top)
        columns = mirrored(at.resized[1], at.left, size[1] - at.resized[1] - at.left)
        image = image[rows[:, None], columns]
    return np.ascontiguousarray(image), at


def fit(
    image: np.ndarray, mask: np.ndarray | None, *, size: tuple[int, int], keep_aspect: bool
) -> tuple[np.ndarray, np.ndarray, Placement]:
    """Bring an image and its mask to the network's input size.

    With `keep_aspect` the image is centred and its border reflected outwards, which puts no false edge
    beside real defects; the mask says "ignore" there.

    Args:
        image: uint8 (h, w, 3).
        mask: uint8 (h, w), or None for an image without one (then all of it is "ignore").
        size: Height and width of the input.
        keep_aspect: Pad instead of squashing.

    Returns:
        uint8 (H, W, 3), uint8 (H, W) and the placement.

    Raises:
        DatasetError: Image and mask have different sizes.
    """
    native = (image.shape[0], image.shape[1])
    if mask is not None and mask.shape != native:
        raise DatasetError(f"the mask has shape {mask.shape}, its image {native}; they must be equal")
    fitted, at = fit_image(image, size=size, keep_aspect=keep_aspect)
    labels = np.full(size, IGNORE, dtype=np.uint8)
    if mask is not None:
        at.inside(labels)[...] = resize_mask(mask, at.resized)
    return fitted, labels, at
