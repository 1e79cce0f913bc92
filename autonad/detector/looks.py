"""What an image looks like, in a few figures that need NumPy alone.

The decision whether a batch looks different rests on the features of `autonad.appearance`, which see more.
"""

from __future__ import annotations

import numpy as np

LOOKS = (
    *("brightness", "contrast", "dark", "bright"),
    *("detail1_log2", "detail2_log2", "detail4_log2", "detail8_log2"),
    *("direction_log2", "red", "blue"),
)
"""Mean grey, its spread, its 5 % and 95 % quantile, each as a fraction of white; energy of steps between
neighbours at 1, 2, 4 and 8 pixels, octaves of a grey level; steps along x over those along y, octaves; mean
red and blue less green, fractions of white."""

# Texture is measured in the middle of larger images: time stays bounded, and details keep their size.
MOST_SIDE = 512
# Energies below this many grey levels are rounding; it keeps logarithms of flat images finite.
_FLOOR = 0.05


def looks_of(image: np.ndarray) -> tuple[float, ...]:
    """The figures that `LOOKS` names.

    Args:
        image: uint8 (h, w, 3).
    """
    height, width = image.shape[:2]
    top, left = max(0, height - MOST_SIDE) // 2, max(0, width - MOST_SIDE) // 2
    part = image[top : top + MOST_SIDE, left : left + MOST_SIDE]
    grey = part.mean(axis=2, dtype=np.float32)
    dark, bright = np.percentile(grey, (5, 95)) / 255
    details, directions = [], []
    level = grey
    for _ in range(4):
        along_x, along_y = _energy(np.diff(level, axis=1)), _energy(np.diff(level, axis=0))
        details.append(np.log2(_FLOOR + (along_x + along_y) / 2))
        directions.append(np.log2((_FLOOR + along_x) / (_FLOOR + along_y)))
        level = _halved(level)
    red, green, blue = part.reshape(-1, 3).mean(axis=0, dtype=np.float64) / 255
    found = (
        *(grey.mean(dtype=np.float64) / 255, grey.std(dtype=np.float64) / 255, dark, bright),
        *details,
        *(np.mean(directions), red - green, blue - green),
    )
    return tuple(round(float(value), 4) for value in found)


def _energy(steps: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(steps), dtype=np.float64))) if steps.size else 0.0


def _halved(level: np.ndarray) -> np.ndarray:
    """Means of 2 × 2 pixels; an odd last row or column is left out."""
    height, width = level.shape[0] // 2, level.shape[1] // 2
    return np.asarray(level[: 2 * height, : 2 * width].reshape(height, 2, width, 2).mean(axis=(1, 3)))
