"""What an image looks like, in a few figures by which images are told apart; NumPy alone.

The decision whether a batch looks different rests on the features of `autonad.appearance`, which see more.
"""

from __future__ import annotations

import numpy as np

from autonad.detector.levels import averaged, describe_colour, describe_levels, grey_of, octaves

_SCALES = (1, 2, 4, 8)
LOOKS = (
    *("brightness_log2", "contrast_log2", "grey_p05", "grey_p95"),
    *(f"detail{scale}_log2" for scale in _SCALES),
    *("direction_log2", "red_log2", "blue_log2"),
)
"""Greys and colours as `autonad.detector.levels` has them; energy of steps between neighbours at 1, 2, 4 and
8 pixels, octaves of a grey level; steps along x over those along y, octaves."""


def looks_of(image: np.ndarray) -> tuple[float, ...]:
    """The figures that `LOOKS` names.

    Args:
        image: uint8 (h, w, 3).
    """
    found = averaged(image, _window)
    return tuple(round(found[name], 4) for name in LOOKS)


def _window(image: np.ndarray) -> dict[str, float]:
    grey = grey_of(image)
    return {**describe_levels(grey), **describe_colour(image), **_details(grey)}


def _details(grey: np.ndarray) -> dict[str, float]:
    """Energies of steps by their size, and their direction, of greys float32 (h, w)."""
    found, directions = {}, []
    for scale in _SCALES:
        along_x, along_y = _energy(np.diff(grey, axis=1)), _energy(np.diff(grey, axis=0))
        found[f"detail{scale}_log2"] = octaves((along_x + along_y) / 2)
        directions.append(octaves(along_x) - octaves(along_y))
        grey = _halved(grey)
    return {**found, "direction_log2": float(np.mean(directions))}


def _energy(steps: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(steps), dtype=np.float64))) if steps.size else 0.0


def _halved(level: np.ndarray) -> np.ndarray:
    """Means of 2 × 2 pixels; an odd last row or column is left out."""
    height, width = level.shape[0] // 2, level.shape[1] // 2
    return np.asarray(level[: 2 * height, : 2 * width].reshape(height, 2, width, 2).mean(axis=(1, 3)))
