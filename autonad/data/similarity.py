"""Near-duplicates: copies that were turned, mirrored, compressed again or exposed differently.

Each image becomes a small picture without its slow illumination, of zero mean and unit length; the inner
product of two such pictures is their correlation, which a change of brightness or contrast leaves alone.
Overlapping crops and small shifts are not found this way: only somebody who knows the parts can group those.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

# Images of steel and of magnetic tiles, turned, exposed differently and compressed again at JPEG quality 60,
# correlate with their originals by 0.966 and more. Of 262,000 pairs of different steel images two reach 0.95
# (a single bright scratch each); to join such a pair costs nothing but a little freedom in splitting.
NEAR = 0.95
_SIDE = 32
_CHUNK = 512
_FIELDS = 8
_ROUNDING = 1e-4  # of sums in float32
_SPARSE = 25  # single inner products cost so much more than those of a matrix product


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


def near_pairs(descriptors: np.ndarray, *, start: int = 0) -> list[tuple[int, int, float]]:
    """Pairs of images that are near-duplicates in some of the eight orientations.

    Args:
        descriptors: float32 (N, 1024) from `describe`.
        start: Pairs whose second image comes before this one are left out: they are known already.

    Returns:
        (i, j, correlation) with i < j and j >= start, sorted.
    """
    pairs: dict[tuple[int, int], float] = {}
    pictures = descriptors.reshape(-1, _SIDE, _SIDE)
    bounds = _bound(pictures)
    for first in range(start, len(descriptors), _CHUNK):
        chunk = slice(first, min(first + _CHUNK, len(descriptors)))
        for orientation in range(8):
            turned = _turn(pictures[chunk], orientation)
            # (chunk, images up to its end): no correlation is above its bound.
            possible = _bound(turned) @ bounds[: chunk.stop].T >= NEAR - _ROUNDING
            rows, columns = np.nonzero(possible)
            inside = columns < rows + first
            rows, columns = rows[inside], columns[inside]
            if len(rows) * _SPARSE > possible.size:
                whole = turned.reshape(len(turned), -1) @ descriptors[: chunk.stop].T
                correlation = whole[rows, columns]
            else:
                correlation = _correlate(turned.reshape(len(turned), -1), descriptors, rows, columns)
            for hit in np.flatnonzero(correlation >= NEAR):
                pair = int(columns[hit]), first + int(rows[hit])
                pairs[pair] = max(pairs.get(pair, 0.0), float(correlation[hit]))
    return [(i, j, value) for (i, j), value in sorted(pairs.items())]


def _turn(pictures: np.ndarray, orientation: int) -> np.ndarray:
    mirrored = pictures[:, ::-1] if orientation >= 4 else pictures
    return np.rot90(mirrored, orientation % 4, axes=(1, 2))


def _bound(pictures: np.ndarray) -> np.ndarray:
    """Coordinates (N, 65) whose inner product is never below that of the pictures themselves.

    Means over 8 × 8 fields are a projection; what it leaves of a picture contributes at most the product of
    the two lengths (Cauchy and Schwarz). Comparing these first costs a fifteenth.
    """
    fields = pictures.reshape(len(pictures), _FIELDS, _SIDE // _FIELDS, _FIELDS, _SIDE // _FIELDS)
    coarse = fields.mean(axis=(2, 4)).reshape(len(pictures), -1) * (_SIDE / _FIELDS)
    whole = (pictures.reshape(len(pictures), -1) ** 2).sum(axis=1)
    rest = np.sqrt(np.maximum(whole - (coarse**2).sum(axis=1), 0))
    return np.column_stack([coarse, rest]).astype(np.float32)


def _correlate(
    turned: np.ndarray, descriptors: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """Inner products of single pairs, some at a time, so that memory stays small."""
    pieces = [
        np.einsum("ij,ij->i", turned[rows[n : n + _CHUNK]], descriptors[columns[n : n + _CHUNK]])
        for n in range(0, len(rows), _CHUNK)
    ]
    return np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.float32)


def connected(count: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """Label of the connected component of each of `count` items: the position of its first member."""
    ends = np.array([*pairs], dtype=np.int64).reshape(-1, 2)
    links = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
    _, component = connected_components(links, directed=False)
    _, first = np.unique(component, return_index=True)
    return [int(label) for label in first[component]]
