"""The outlines of a mask, along the edges of its pixels, so that drawing them gives back the mask."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Piece:
    """Connected pixels of one value; diagonal neighbours are connected.

    Attributes:
        value: Class index, or 255.
        corner: Row and column at which its bitmap begins in the image.
        bitmap: bool (h, w), no row and column at its border empty.
        rings: Its outlines, int64 (N, 2) of x and y in the image, the outer one first; others are holes.
    """

    value: int
    corner: tuple[int, int]
    bitmap: np.ndarray
    rings: tuple[np.ndarray, ...]


def pieces(mask: np.ndarray) -> Iterator[Piece]:
    """The pieces of an index mask, uint8 (H, W), by value and then from the top; 0 has none."""
    import cv2  # the outlines themselves need it not, and are drawn where it is not installed

    for value in np.unique(mask[mask != 0]).tolist():
        found = cv2.connectedComponentsWithStats((mask == value).astype(np.uint8), connectivity=8)
        _, labels, boxes, _ = found
        for number in range(1, len(boxes)):
            left, top, width, height = (int(v) for v in boxes[number, :4])
            bitmap = labels[top : top + height, left : left + width] == number
            rings = tuple(np.add(ring, (left, top)) for ring in closed_outlines(bitmap))
            yield Piece(value, (top, left), bitmap, rings)


def closed_outlines(bitmap: np.ndarray) -> list[np.ndarray]:
    """Closed outlines of connected pixels along their edges.

    Corners lie where pixels meet, at whole numbers. Every row of such points holds an even number of corners,
    whose first and second, third and fourth … are joined; so does every column. Where two pixels touch
    diagonally there are two corners at one point, joined so that the pixels stay connected.

    Args:
        bitmap: bool (H, W), connected, diagonal neighbours included.

    Returns:
        int64 (N, 2) of x and y each, the outer one first.
    """
    padded = np.pad(bitmap, 1)
    nw, ne, sw, se = padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    y, x = np.nonzero((nw ^ ne ^ sw ^ se) | ((nw == se) & (ne == sw) & (nw != ne)))
    falling = (nw & se & ~ne & ~sw)[y, x]  # the two pixels lie on the diagonal from the upper left
    rising = (ne & sw & ~nw & ~se)[y, x]
    twice = np.flatnonzero(falling | rising)
    points = np.concatenate([np.stack([x, y], axis=1), np.stack([x, y], axis=1)[twice]])
    # The first of two corners ends the line from the left, the second begins the one to the right. At a
    # falling diagonal the first goes down and the second up; at a rising one the other way round.
    second = np.arange(len(points)) >= len(x)
    is_falling = np.concatenate([falling, falling[twice]])
    is_double = np.concatenate([falling | rising, np.ones(len(twice), dtype=bool)])
    below = is_double & (second != is_falling)
    across = _partners(np.lexsort([second, points[:, 0], points[:, 1]]))
    along = _partners(np.lexsort([below, points[:, 1], points[:, 0]]))
    rings = [points[ring] for ring in _rings(across.tolist(), along.tolist())]
    return sorted(rings, key=_area, reverse=True)


def _partners(order: np.ndarray) -> np.ndarray:
    """The other end of each corner's line: first and second of an order belong together, and so on."""
    partners = np.empty(len(order), dtype=np.int64)
    partners[order[0::2]], partners[order[1::2]] = order[1::2], order[0::2]
    return partners


def _rings(across: list[int], along: list[int]) -> Iterator[list[int]]:
    """Corners in the order in which lines across and along lead from one to the next."""
    seen = bytearray(len(across))
    for start in range(len(across)):
        if seen[start]:
            continue
        ring, at = [], start
        while not seen[at]:
            ring += [at, across[at]]
            seen[at] = seen[across[at]] = 1
            at = along[across[at]]
        yield ring


def _area(ring: np.ndarray) -> float:
    x, y = ring[:, 0], ring[:, 1]
    return abs(float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))) / 2
