"""Greys and colours of an image in numbers, with numpy alone: what a camera's light and gain change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

LEVELS = {
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
}
COLOUR = {
    "red_log2": "mean red over mean green, octaves",
    "blue_log2": "mean blue over mean green, octaves",
    "saturation": "mean difference between the largest and the smallest channel, fraction of white",
}
# Larger images are described by windows of their full resolution: time and memory stay bounded.
MAX_WINDOW_PIXELS = 1024 * 1024
WINDOW, WINDOWS_PER_SIDE = 256, 4
# Energies below this many grey levels are no texture but rounding; it keeps logarithms of flat images finite.
FLOOR = 0.05


def describe_light(image: np.ndarray) -> dict[str, float]:
    """A finite value for each name in `LEVELS` and `COLOUR`, of an image uint8 (H, W, 3)."""
    return averaged(image, lambda window: describe_levels(grey_of(window)) | describe_colour(window))


def averaged(image: np.ndarray, describe: Callable[[np.ndarray], Mapping[str, float]]) -> dict[str, float]:
    """What is said of the windows of an image uint8 (H, W, 3), on average."""
    found = [describe(window) for window in windows_of(image)]
    return {name: float(np.mean([each[name] for each in found])) for name in found[0]}


def grey_of(image: np.ndarray) -> np.ndarray:
    """float32 (H, W), 0 to 255, of uint8 (H, W, 3).

    The plain mean: no colour counts more, since cameras in production are no eyes.
    """
    return image.mean(axis=2, dtype=np.float32)


def windows_of(image: np.ndarray) -> Iterator[np.ndarray]:
    """The image itself, or an even grid of windows of a very large one."""
    height, width = image.shape[:2]
    if height * width <= MAX_WINDOW_PIXELS:
        yield image
        return
    for top in np.linspace(0, max(0, height - WINDOW), WINDOWS_PER_SIDE).astype(int):
        for left in np.linspace(0, max(0, width - WINDOW), WINDOWS_PER_SIDE).astype(int):
            yield image[top : top + WINDOW, left : left + WINDOW]


def describe_levels(grey: np.ndarray) -> dict[str, float]:
    """A value for each name in `LEVELS`, of greys float32 (H, W)."""
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
        "brightness_log2": octaves(float(grey.mean(dtype=np.float64)) + 1),
        "black_share": float((grey <= 2).mean()),
        "white_share": float((grey >= 253).mean()),
        "contrast_log2": octaves(float(grey.std(dtype=np.float64))),
        "range_log2": octaves(255 * (p95 - p5)),
        "skewness": (p95 + p5 - 2 * p50) / max(p95 - p5, 1 / 255),
        "entropy_bits": float(-(filled * np.log2(filled)).sum()),
    }


def describe_colour(image: np.ndarray) -> dict[str, float]:
    """A value for each name in `COLOUR`, of an image uint8 (H, W, 3)."""
    channels = image.reshape(-1, 3).mean(axis=0, dtype=np.float64)
    red, green, blue = (octaves(float(value) + 1) for value in channels)
    spread = image.max(axis=2).astype(np.int16) - image.min(axis=2)
    return {
        "red_log2": red - green,
        "blue_log2": blue - green,
        "saturation": float(spread.mean(dtype=np.float64)) / 255,
    }


def octaves(value: float) -> float:
    """Logarithm to the base of two; of `FLOOR` where the value is lower."""
    return float(np.log2(max(value, FLOOR)))
