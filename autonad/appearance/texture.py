"""Texture of an image in numbers: greys, steepness, details by size, noise, compression, direction, colour.

Energies are logarithms, so that a changed gain shifts them alike for weak and strong textures. No statistic
reads the gaps between single grey levels: a histogram's comb betrays that a picture was edited, not that it
looks different.
"""

from __future__ import annotations

import cv2
import numpy as np

from autonad.detector.levels import (
    COLOUR,
    FLOOR,
    LEVELS,
    averaged,
    describe_colour,
    describe_levels,
    grey_of,
    octaves,
)

TEXTURE = {
    **LEVELS,
    "gradient_log2": "mean steepness, octaves of a grey level per pixel",
    "edges_log2": "steepness of the steepest 5 % over the mean steepness, octaves",
    "band1_log2": "energy of details of about 1 pixel, octaves of a grey level",
    "band2_log2": "energy of details of about 2 pixels, octaves of a grey level",
    "band4_log2": "energy of details of about 4 pixels, octaves of a grey level",
    "band8_log2": "energy of details of about 8 pixels, octaves of a grey level",
    "band16_log2": "energy of everything coarser, octaves of a grey level",
    "sharpness_log2": "finest over second finest details, octaves",
    "noise_log2": "noise of the camera where the image is smooth, octaves of a grey level",
    "noise_correlation": "correlation of the finest residual between neighbours, −1 to 1",
    "residual_tails": "share of the finest residual beyond three robust deviations",
    "smooth_share": "share of small blocks without any detail (compression leaves many)",
    "blocks_log2": "steps at the borders of 8 × 8 blocks over those elsewhere, octaves",
    "coherence": "how far one direction dominates the texture, 0 to 1",
    "orientation_cos": "coherence × cos 2θ of the dominating direction: 1 lines along x, −1 along y",
    "orientation_sin": "coherence × sin 2θ of the dominating direction",
    **COLOUR,
}


def describe_texture(image: np.ndarray) -> dict[str, float]:
    """Texture statistics of an image; see `TEXTURE`.

    Args:
        image: uint8 (H, W, 3), both sides at least 16.

    Returns:
        A finite value for each name in `TEXTURE`.
    """
    found = averaged(image, _window)
    return {name: found[name] for name in TEXTURE}


def _window(image: np.ndarray) -> dict[str, float]:
    """Texture statistics of a window, uint8 (H, W, 3)."""
    grey = grey_of(image)
    return {
        **describe_levels(grey),
        **_bands(grey),
        **_residual(grey),
        **_direction(grey),
        **describe_colour(image),
    }


def _bands(grey: np.ndarray) -> dict[str, float]:
    """Energies of differences of Gaussians, one octave each, and of what is left."""
    energies, previous = [], grey
    for sigma in (0.8, 1.6, 3.2, 6.4):
        blurred = cv2.GaussianBlur(grey, (0, 0), sigmaX=sigma)
        energies.append(octaves(float((previous - blurred).std(dtype=np.float64))))
        previous = blurred
    energies.append(octaves(float(previous.std(dtype=np.float64))))
    names = ("band1_log2", "band2_log2", "band4_log2", "band8_log2", "band16_log2")
    return dict(zip(names, energies, strict=True)) | {"sharpness_log2": energies[0] - energies[1]}


def _residual(grey: np.ndarray) -> dict[str, float]:
    """What the finest filter leaves: noise, its colour and tails; traces of compression."""
    # Immerkær 1996: this difference of two Laplacians is blind to straight edges and ramps.
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32) / 6
    residual = cv2.filter2D(grey, cv2.CV_32F, kernel)[1:-1, 1:-1]
    size = 8
    rows, columns = residual.shape[0] // size, residual.shape[1] // size
    blocks = residual[: rows * size, : columns * size].reshape(rows, size, columns, size)
    deviations = blocks.std(axis=(1, 3), dtype=np.float64).ravel()
    noise = float(np.quantile(deviations, 0.25))
    robust = 1.4826 * float(np.median(np.abs(residual)))
    # Plain neighbours of the image: blur and compression correlate the finest differences along rows.
    step = np.diff(grey, axis=1).astype(np.float64)
    power = float((step * step).mean())
    lag = float((step[:, 1:] * step[:, :-1]).mean())
    return {
        "noise_log2": octaves(noise),
        "noise_correlation": lag / power if power > FLOOR**2 else 0.0,
        "residual_tails": float((np.abs(residual) > 3 * max(robust, FLOOR)).mean()),
        "smooth_share": float((deviations < 0.5).mean()),
        "blocks_log2": _blocks(grey),
    }


def _blocks(grey: np.ndarray) -> float:
    """Largest mean step at one position modulo 8 over the median one: large where JPEG drew its grid.

    Every position is tried, because a crop moves the grid.
    """
    found = []
    for axis in (0, 1):
        steps = np.abs(np.diff(grey, axis=axis)).mean(axis=1 - axis, dtype=np.float64)
        phases = np.array([steps[start::8].mean() for start in range(8)])
        found.append(octaves(float(phases.max()) + 0.1) - octaves(float(np.median(phases)) + 0.1))
    return float(np.mean(found))


def _direction(grey: np.ndarray) -> dict[str, float]:
    """Steepness and dominating direction (structure tensor)."""
    smooth = cv2.GaussianBlur(grey, (0, 0), sigmaX=1.0)
    dx = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=1 / 8)
    dy = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=1 / 8)
    steepness = np.sqrt(dx * dx + dy * dy)  # OpenCV's own depends on where the array lies in memory
    mean = float(steepness.mean(dtype=np.float64))
    xx, yy, xy = (float((a * b).mean(dtype=np.float64)) for a, b in ((dx, dx), (dy, dy), (dx, dy)))
    total = max(xx + yy, FLOOR**2)
    cosine, sine = (yy - xx) / total, -2 * xy / total  # lines run across the gradient
    return {
        "gradient_log2": octaves(mean),
        "edges_log2": octaves(float(np.quantile(steepness, 0.95))) - octaves(mean),
        "coherence": float(np.hypot(cosine, sine)),
        "orientation_cos": cosine,
        "orientation_sin": sine,
    }
