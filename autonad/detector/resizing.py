"""Images and masks to another size, with numpy and Pillow alone.

Shrinking averages over the exact area that a pixel covers; enlarging interpolates between pixel centres; a
mask takes the value at the centre of each pixel. All agree with OpenCV's INTER_AREA, INTER_LINEAR and
INTER_NEAREST_EXACT to one grey level, and mirroring with BORDER_REFLECT_101.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

# Values of one strip while rows are averaged; keeps the sums in the processor's cache.
STRIP_VALUES = 1 << 17


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bring an image uint8 (h, w, C) to another size, uint8 (H, W, C).

    Args:
        image: Any number of channels.
        size: Height and width, each at least 1; one axis may shrink while the other grows.
    """
    height, width = min(size[0], image.shape[0]), min(size[1], image.shape[1])
    shrunk = _shrink(image, height, width)
    if (height, width) == size:
        return shrunk
    if image.shape[2] != 3:
        planes = [resize_image(shrunk[..., [one] * 3], size)[..., 0] for one in range(image.shape[2])]
        return np.stack(planes, axis=-1)
    enlarged = Image.fromarray(shrunk).resize(size[::-1], Image.Resampling.BILINEAR)
    return np.asarray(enlarged)


def resize_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bring a mask (h, w) to another size without inventing a value between two others."""
    rows, columns = (_centres(old, new) for old, new in zip(mask.shape, size, strict=True))
    return mask[rows[:, None], columns]


def mirrored(size: int, before: int, after: int) -> np.ndarray:
    """Where each position of an axis that is mirrored at its ends comes from.

    The first and the last pixel are not repeated, so that the border puts no false edge.

    Args:
        size: Length of the axis.
        before: Positions to add in front.
        after: Positions to add behind.

    Returns:
        (before + size + after) indices from 0 to size − 1.
    """
    if size == 1:
        return np.zeros(before + 1 + after, dtype=np.intp)
    period = 2 * (size - 1)
    wave = np.arange(-before, size + after) % period
    return np.minimum(wave, period - wave)


def _centres(size: int, target: int) -> Any:
    # Whole numbers: the floating-point quotient of a centre on an edge could fall on either side.
    return (2 * np.arange(target) + 1) * size // (2 * target)


def _shrink(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Mean of the area that each pixel of the smaller image covers, rounded."""
    rows, columns, channels = image.shape
    if (height, width) == (rows, columns):
        return image
    row_taps, column_taps = _area_taps(rows, height), _area_taps(columns, width)
    result = np.empty((height, width, channels), dtype=np.uint8)
    strip = max(1, STRIP_VALUES // (columns * channels))
    for start in range(0, height, strip):
        span = slice(start, start + strip)
        lines = _averaged(image, [(first[span], weight[span]) for first, weight in row_taps], axis=0)
        values = _averaged(lines, column_taps, axis=1)
        np.rint(values, out=values)
        result[span] = values
    return result


def _averaged(values: np.ndarray, taps: list[tuple[np.ndarray, np.ndarray]], axis: int) -> np.ndarray:
    """Weighted sum of the taps along an axis, float32."""
    shape = (-1, 1, 1) if axis == 0 else (1, -1, 1)
    total: np.ndarray | None = None
    for first, weight in taps:
        part = np.multiply(values.take(first, axis), weight.reshape(shape), dtype=np.float32)
        if total is None:
            total = part
        else:
            total += part
    assert total is not None
    return total


def _area_taps(size: int, target: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The source positions that each target position covers: their indices, and their shares, tap by tap."""
    if size == target:
        return [(np.arange(size), np.ones(size, dtype=np.float32))]
    edges = np.arange(target + 1) * (size / target)
    low, high = edges[:-1], edges[1:]
    first = np.floor(low + 1e-9).astype(np.intp)
    count = int((np.ceil(high - 1e-9) - first).max())
    taps = []
    for step in range(count):
        at = first + step
        share = np.clip(np.minimum(high, at + 1) - np.maximum(low, at), 0, None) * (target / size)
        taps.append((np.minimum(at, size - 1), share.astype(np.float32)))
    return taps
