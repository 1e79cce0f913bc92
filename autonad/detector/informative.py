"""Which images teach most: how unsure the network is about one, and which of many to label first."""

from __future__ import annotations

import numpy as np

from autonad.detector.engine import Pixels

# Pixels that are looked at; of a larger image, every second, third … row and column.
MOST_PIXELS = 1 << 20
# From this share of the threshold on, a pixel is one that the network has something to say about.
_NOTICED = 0.2
# Fewer noticed pixels than this count as so many: a speck is not an unsure image.
_LEAST_PIXELS = 64
# The most unsure images among which different ones are looked for, per image that is wanted.
CANDIDATES = 4


def uncertainty(pixels: Pixels, thresholds: tuple[float, ...]) -> float:
    """How unsure the network is about an image, 0 to 1.

    The mean entropy, in bits, of the pixels in which it sees something: 1 where each lies just at its class's
    threshold, near 0 where all are surely defects or background. The entropy is that of a probability which
    is bent so that the threshold becomes one half, because the threshold decides and not one half.

    Args:
        pixels: Of the image.
        thresholds: Probability from which a pixel belongs to a class, one per class of defects.
    """
    step = int(np.ceil(np.sqrt(max(1.0, pixels.mask.size / MOST_PIXELS))))
    mask, score = pixels.mask[::step, ::step], pixels.score[::step, ::step].astype(np.float64)
    least = np.array([min(thresholds), *thresholds])[mask]
    above = np.maximum(1 - least, 1e-9)
    bent = np.where(score < least, score / least, 1 + (score - least) / above) / 2
    # Where no class reaches its threshold, the likeliest may have a higher one than the lowest.
    bent = np.clip(bent, 0, np.where(mask == 0, 0.5, 1.0))
    noticed = bent[bent >= _NOTICED / 2]
    return float(_entropy(noticed).sum() / max(noticed.size, _LEAST_PIXELS / step**2))


def most_informative(uncertainties: np.ndarray, vectors: np.ndarray, count: int) -> list[int]:
    """The images to label first: unsure ones, each unlike those before it.

    Of the most unsure images, four for each that is wanted, the most unsure one is taken, then again and
    again the one farthest from all that were taken (k-center greedy, Sener and Savarese 2018).

    Args:
        uncertainties: (N,) of each image.
        vectors: (N, D) what each looks like, in any units: each column is divided by its spread.
        count: Images wanted.

    Returns:
        Positions, the most informative first; all of them if there are no more than `count`.
    """
    order = np.lexsort((np.arange(uncertainties.size), -uncertainties))[: count * CANDIDATES]
    if uncertainties.size == 0:
        return []
    spread = vectors.std(axis=0)
    scaled = (vectors[order] - vectors.mean(axis=0)) / np.where(spread > 0, spread, 1)
    chosen: list[int] = []
    nearest = np.full(order.size, np.inf)
    for _ in range(min(count, order.size)):
        # The first of equals: `order` begins with the most unsure.
        index = int(nearest.argmax())
        chosen.append(int(order[index]))
        distance = np.square(scaled - scaled[index]).sum(axis=1)
        nearest = np.minimum(nearest, distance)
        nearest[index] = -1
    return chosen


def _entropy(probability: np.ndarray) -> np.ndarray:
    """Of a yes or no, bits."""
    p = np.clip(probability, 1e-12, 1 - 1e-12)
    return np.asarray(-(p * np.log2(p) + (1 - p) * np.log2(1 - p)))
