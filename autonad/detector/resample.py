"""From logits at the network's input size to the image's own size, with numpy alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

# Values of one strip of upsampled logits; bounds memory on images of many megapixels.
STRIP_VALUES = 1 << 20


def upsampled(logits: np.ndarray, height: int, width: int) -> Iterator[tuple[int, np.ndarray]]:
    """Interpolate logits bilinearly, strip by strip from the top.

    Pixel centres are aligned as in `torch.nn.functional.interpolate(mode="bilinear", align_corners=False)`,
    with the same result.

    Args:
        logits: (C, h, w) over the resized image alone, padding already cut off.
        height: Rows of the image.
        width: Columns of the image.

    Yields:
        A first row, and float32 (C, rows, width).
    """
    count, rows, columns = logits.shape
    logits = logits.astype(np.float32, copy=False)
    strip = max(1, STRIP_VALUES // max(1, count * width))
    if (rows, columns) == (height, width):
        for start in range(0, height, strip):
            yield start, logits[:, start : start + strip]
        return
    left, right, horizontal = _taps(columns, width)
    upper, lower, vertical = _taps(rows, height)
    for start in range(0, height, strip):
        span = slice(start, start + strip)
        weight = vertical[span, None]
        lines = logits[:, upper[span]] * (1 - weight) + logits[:, lower[span]] * weight  # (C, strip, w)
        yield start, lines[:, :, left] * (1 - horizontal) + lines[:, :, right] * horizontal


def likeliest(strips: Iterator[tuple[int, np.ndarray]], native: tuple[int, int]) -> np.ndarray:
    """The most likely class of each pixel; interpolating logits and not classes keeps edges smooth.

    Args:
        strips: First rows, and logits (C, rows, width), from the top of the image to its end.
        native: Height and width of the image.

    Returns:
        (height, width) uint8 classes.
    """
    classes = np.empty(native, dtype=np.uint8)
    for start, values in strips:
        classes[start : start + values.shape[1]] = values.argmax(0)
    return classes


def _taps(size: int, target: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each target position: its two source positions, and the weight of the second."""
    centre = np.maximum((np.arange(target, dtype=np.float32) + 0.5) * np.float32(size / target) - 0.5, 0)
    first = np.minimum(centre.astype(np.int64), size - 1)
    return first, np.minimum(first + 1, size - 1), (centre - first).astype(np.float32)
