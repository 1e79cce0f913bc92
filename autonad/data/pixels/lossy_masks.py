"""Values that lossy compression, or smoothing, has blurred: the few that a set's masks held before."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

_NEAR = 8  # a blurred value keeps most of its pixels this close to itself
_APART = 24  # centres that lie closer cannot be told from each other's blur
_LEAST = 0.05  # share of all pixels off the background that a centre must gather
_GATHERED = 0.8  # share of these that all centres must gather; the others lie on edges
_FLAT = 4  # spread of a dark pixel and its neighbours where compression does not ring on the background


def flat_pixels(samples: np.ndarray) -> np.ndarray:
    """Pixels by value, int (256,), of a mask uint8 (H, W), without edges, where compression rings."""
    height, width = samples.shape
    wide = np.pad(samples.astype(np.int16), 1, mode="edge")
    shifted = [wide[y : y + height, x : x + width] for y in range(3) for x in range(3)]
    spread = np.maximum.reduce(shifted) - np.minimum.reduce(shifted)
    return np.bincount(samples[spread <= np.where(samples < _APART, _FLAT, 2 * _NEAR)], minlength=256)


def centres_of(pixels: np.ndarray) -> tuple[int, ...]:
    """The values that masks held before they were blurred, in order; fewer than two if they cannot be told.

    Args:
        pixels: Pixels by value, int (256,), over all masks, without those on edges.
    """
    rest = pixels.astype(np.float64).copy()
    found = []
    background = int(rest[: _NEAR + 1].argmax())
    found.append((background, rest[: _NEAR + 1].sum()))
    rest[: _APART // 2] = 0.0
    foreground = rest.sum()
    gathered = 0.0
    while rest.any():
        centre = int(rest.argmax())
        window = slice(max(0, centre - _NEAR), centre + _NEAR + 1)
        mass = float(rest[window].sum())
        if mass < _LEAST * foreground:
            break
        found.append((centre, mass))
        gathered += mass
        rest[max(0, centre - _APART + 1) : centre + _APART] = 0.0
    if not foreground or gathered < _GATHERED * foreground:
        return ()
    return tuple(sorted(centre for centre, _ in found))


def snapped(samples: np.ndarray, centres: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Each sample as the nearest centre, uint8, and whether it lies too far from any to tell, bool."""
    levels = np.arange(256)
    distances = np.abs(levels[:, None] - np.array(centres)[None])
    nearest = np.array(centres, dtype=np.uint8)[distances.argmin(axis=1)]
    apart = min(b - a for a, b in pairwise(centres))
    return nearest[samples], (distances.min(axis=1) > apart / 3)[samples]
