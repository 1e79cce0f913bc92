"""Near-duplicates: copies that were turned, mirrored, compressed again or exposed differently.

Each image becomes a small picture without its slow illumination, of zero mean and unit length; the inner
product of two such pictures is their correlation, which a change of brightness or contrast leaves alone.
Overlapping crops and small shifts are not found this way: only somebody who knows the parts can group those.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

# Images of steel and of magnetic tiles, turned, exposed differently and compressed again at JPEG quality 60,
# correlate with their originals by 0.966 and more. Of 262,000 pairs of different steel images two reach 0.95
# (a single bright scratch each); to join such a pair costs nothing but a little freedom in splitting.
NEAR = 0.95
_SIDE = 32
_CHUNK = 512


def describe(image: np.ndarray) -> np.ndarray:
    """Descriptor of an image.

    Args:
        image: uint8 (H, W, 3).

    Returns:
        float32 (1024,) of zero mean and unit length; all zero for an image without any detail, which then
        resembles nothing.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (2 * _SIDE, 2 * _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    small -= cv2.GaussianBlur(small, (0, 0), sigmaX=_SIDE / 4, borderType=cv2.BORDER_REFLECT_101)
    detail = cv2.resize(small, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).ravel()
    detail -= detail.mean()
    length = float(np.linalg.norm(detail))
    if length < 0.25 * _SIDE:  # a quarter of a grey level on average: noise of compression
        return np.zeros_like(detail)
    return detail / length


def near_pairs(descriptors: np.ndarray, *, threshold: float = NEAR) -> list[tuple[int, int, float]]:
    """Pairs of images that are near-duplicates in some of the eight orientations.

    Args:
        descriptors: float32 (N, 1024) from `describe`.
        threshold: Smallest correlation.

    Returns:
        (i, j, correlation) with i < j, sorted.
    """
    pairs: dict[tuple[int, int], float] = {}
    pictures = descriptors.reshape(-1, _SIDE, _SIDE)
    for start in range(0, len(descriptors), _CHUNK):
        chunk = pictures[start : start + _CHUNK]
        rest = descriptors[start:].T
        for orientation in range(8):
            turned = np.rot90(chunk[:, ::-1] if orientation >= 4 else chunk, orientation % 4, axes=(1, 2))
            correlation = turned.reshape(len(chunk), -1) @ rest
            for row, column in np.argwhere(correlation >= threshold):
                i, j = start + int(row), start + int(column)
                if i < j:
                    pairs[i, j] = max(pairs.get((i, j), 0.0), float(correlation[row, column]))
    return [(i, j, value) for (i, j), value in sorted(pairs.items())]


def connected(count: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """Label of the connected component of each of `count` items: the position of its first member."""
    parent = list(range(count))

    def root(item: int) -> int:
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    for a, b in pairs:
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    return [root(item) for item in range(count)]
