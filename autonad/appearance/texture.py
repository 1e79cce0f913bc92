"""Texture of an image in numbers: greys, steepness, details by size, noise, compression, direction, colour.

Energies are logarithms, so that a changed gain shifts them alike for weak and strong textures. No statistic
reads the gaps between single grey levels: a histogram's comb betrays that a picture was edited, not that it
looks different.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

TEXTURE = {
    "grey_p00": "darkest grey that one pixel in a thousand stays below, fraction of white",
    "grey_p05": "5 % of the pixels are darker, fraction of white",
    "grey_p25": "a quarter of the pixels is darker, fraction of white",
    "grey_p50": "median grey, fraction of white",
    "grey_p75": "three quarters of the pixels are darker, fraction of white",
    "grey_p95": "95 % of the pixels are darker, fraction of white",
    "grey_p100": "999 of 1,000 pixels are darker, fraction of white",
    "brightness_log2": "mean grey, octaves",
    "black_share": "share of pixels at or beside black",
    "white_share": "share of pixels at or beside white",
    "contrast_log2": "spread of the greys (standard deviation), octaves of a grey level",
    "range_log2": "distance between the 5 % and the 95 % grey, octaves of a grey level",
    "skewness": "asymmetry of the greys: (p95 + p05 − 2 p50) / (p95 − p05), −1 to 1",
    "entropy_bits": "entropy of the histogram of 32 bins, bits",
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
    "red_log2": "mean red over mean green, octaves",
    "blue_log2": "mean blue over mean green, octaves",
    "saturation": "mean difference between the largest and the smallest channel, fraction of white",
}
# Larger images are described by windows of their full resolution: time and memory stay bounded.
MAX_WINDOW_PIXELS = 1024 * 1024
WINDOW, WINDOWS_PER_SIDE = 256, 4
# Energies below this many grey levels are no texture but rounding; it keeps logarithms of flat images finite.
FLOOR = 0.05


def describe_texture(image: np.ndarray) -> dict[str, float]:
    """Texture statistics of an image; see `TEXTURE`.

    Args:
        image: uint8 (H, W, 3), both sides at least 16.

    Returns:
        A finite value for each name in `TEXTURE`.
    """
    windows = [_window(window) for window in _windows(image)]
    return {name: float(np.mean([each[name] for each in windows])) for name in TEXTURE}


def _windows(image: np.ndarray) -> Iterator[np.ndarray]:
    """The image itself, or an even grid of windows of a very large one."""
    height, width = image.shape[:2]
    if height * width <= MAX_WINDOW_PIXELS:
        yield image
        return
    for top in np.linspace(0, max(0, height - WINDOW), WINDOWS_PER_SIDE).astype(int):
        for left in np.linspace(0, max(0, width - WINDOW), WINDOWS_PER_SIDE).astype(int):
            yield image[top : top + WINDOW, left : left + WINDOW]


def _window(image: np.ndarray) -> dict[str, float]:
    """Texture statistics of a window, uint8 (H, W, 3)."""
    channels = image.reshape(-1, 3).mean(axis=0, dtype=np.float64)
    # The plain mean: no colour counts more, since cameras in production are no eyes.
    grey = image.mean(axis=2, dtype=np.float32)  # (H, W), 0 to 255
    return {
        **_levels(grey),
        **_bands(grey),
        **_residual(grey),
        **_direction(grey),
        **_colour(image, channels),
    }


def _levels(grey: np.ndarray) -> dict[str, float]:
    p0, p5, p25, p50, p75, p95, p100 = np.percentile(grey, [0.1, 5, 25, 50, 75, 95, 99.9]) / 255
    histogram = np.bincount((grey / 8).astype(np.intp).ravel(), minlength=32) / grey.size
    filled = histogram[histogram > 0]
    return {
        "grey_p00": p0,
        "grey_p05": p5,
        "grey_p25": p25,
        "grey_p50": p50,
        "grey_p75": p75,
        "grey_p95": p95,
        "grey_p100": p100,
        "brightness_log2": _log2(float(grey.mean(dtype=np.float64)) + 1),
        "black_share": float((grey <= 2).mean()),
        "white_share": float((grey >= 253).mean()),
        "contrast_log2": _log2(float(grey.std(dtype=np.float64))),
        "range_log2": _log2(255 * (p95 - p5)),
        "skewness": (p95 + p5 - 2 * p50) / max(p95 - p5, 1 / 255),
        "entropy_bits": float(-(filled * np.log2(filled)).sum()),
    }


def _bands(grey: np.ndarray) -> dict[str, float]:
    """Energies of differences of Gaussians, one octave each, and of what is left."""
    energies, previous = [], grey
    for sigma in (0.8, 1.6, 3.2, 6.4):
        blurred = cv2.GaussianBlur(grey, (0, 0), sigmaX=sigma)
        energies.append(_log2(float((previous - blurred).std(dtype=np.float64))))
        previous = blurred
    energies.append(_log2(float(previous.std(dtype=np.float64))))
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
        "noise_log2": _log2(noise),
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
        found.append(_log2(float(phases.max()) + 0.1) - _log2(float(np.median(phases)) + 0.1))
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
        "gradient_log2": _log2(mean),
        "edges_log2": _log2(float(np.quantile(steepness, 0.95))) - _log2(mean),
        "coherence": float(np.hypot(cosine, sine)),
        "orientation_cos": cosine,
        "orientation_sin": sine,
    }


def _colour(image: np.ndarray, channels: np.ndarray) -> dict[str, float]:
    red, green, blue = (_log2(float(value) + 1) for value in channels)
    spread = image.max(axis=2).astype(np.int16) - image.min(axis=2)
    return {
        "red_log2": red - green,
        "blue_log2": blue - green,
        "saturation": float(spread.mean(dtype=np.float64)) / 255,
    }


def _log2(value: float) -> float:
    return float(np.log2(max(value, FLOOR)))
