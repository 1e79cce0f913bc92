"""Near-duplicates: copies that were turned, mirrored, compressed again or exposed differently.

Each image becomes a small picture without its slow illumination, of zero mean and unit length; the inner
product of two such pictures is their correlation, which a change of brightness or contrast leaves alone.
Overlapping crops and small shifts are not found this way: only somebody who knows the parts can group those.

Resembling is not yet showing the same part: see `repeats`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.fft import dctn
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from autonad.data.crowds import Crowd, find_crowds, pairs_in
from autonad.data.descriptors import Rows, Selected
from autonad.data.pictures import CROWD, NEAR, SIDE, grey_of, halved, most_similar, turn

_BLOCK = 512
_WAVES = 8
_ROUNDING = 1e-3  # of descriptors in half precision
_SPARSE = 100  # single inner products cost so much more than those of a matrix product


@dataclass(frozen=True)
class Candidates:
    """Images that resemble one another: some pairs of each.

    Attributes:
        pairs: (i, j, correlation) with i < j, sorted; the most similar ones of each image.
        crowded: bool (N,), images that resemble so many others that the scene must be what is alike.
        hubs: For each crowd its leader and the members that resemble it: (leader, member, correlation).
    """

    pairs: list[tuple[int, int, float]]
    crowded: np.ndarray
    hubs: list[list[tuple[int, int, float]]]


def describe(image: np.ndarray) -> np.ndarray:
    """Descriptor of an image.

    Args:
        image: uint8 (H, W, 3).

    Returns:
        float32 (1024,) of zero mean and unit length; all zero for an image without any detail, which then
        resembles nothing.
    """
    return describe_grey(halved(grey_of(image), 2 * SIDE))


def describe_grey(grey: np.ndarray) -> np.ndarray:
    """Descriptor of a grey image, uint8 or float32 (H, W); see `describe`."""
    small = cv2.resize(grey, (2 * SIDE, 2 * SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    small -= cv2.GaussianBlur(small, (0, 0), sigmaX=SIDE / 4, borderType=cv2.BORDER_REFLECT_101)
    detail = cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_AREA).ravel()
    detail -= detail.mean()
    length = float(np.linalg.norm(detail))
    if length < 0.25 * SIDE:  # a quarter of a grey level on average: noise of compression
        return np.zeros_like(detail)
    return detail / length


def find_candidates(descriptors: Rows, *, start: int = 0) -> Candidates:
    """Images that are near-duplicates in some of the eight orientations.

    Memory grows with the number of images only. Time grows faster, by a bound of 37 products for each pair
    of blocks that may hold near-duplicates. Crowds of images that are all alike are searched by what
    distinguishes their members, see `crowds`.

    Args:
        descriptors: float32 or float16 (N, 1024) from `describe`.
        start: Pairs whose second image comes before this one are left out: they are known already.
    """
    count = len(descriptors)
    parts = [descriptors[n : n + _BLOCK].any(axis=1) for n in range(0, count, _BLOCK)]
    live = np.flatnonzero(np.concatenate(parts)) if count else np.zeros(0, dtype=np.int64)
    crowds = find_crowds(descriptors, live)
    apart, degree = _sweep(descriptors, live, crowds, start)
    found = [apart, *(pairs_in(descriptors, crowd, start) for crowd in crowds)]
    pairs = most_similar(np.concatenate(found))
    crowded = degree >= CROWD
    hubs = []
    for crowd in crowds:
        crowded[crowd.members] = True
        hubs.append(
            [
                (min(crowd.leader, int(m)), max(crowd.leader, int(m)), float(c))
                for m, c in zip(crowd.members, crowd.correlations, strict=True)
                if c >= NEAR and m != crowd.leader and max(crowd.leader, int(m)) >= start
            ]
        )
    listed = sorted({(int(i), int(j)): float(c) for i, j, c in pairs}.items())
    return Candidates([(i, j, c) for (i, j), c in listed], crowded, hubs)


def _sweep(
    descriptors: Rows, live: np.ndarray, crowds: list[Crowd], start: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (P, 3) outside of crowds, the most similar of each image; and how many each image has."""
    couples, bounds = _described(descriptors, live)
    crowd_of = np.full(len(descriptors), -1)
    for number, crowd in enumerate(crowds):
        crowd_of[crowd.members] = number
    # A block is of one crowd or of none, and known or new as a whole.
    blocks = [
        block
        for is_new in (False, True)
        for crowd in range(-1, len(crowds))
        for block in _blocks(np.flatnonzero(((live >= start) == is_new) & (crowd_of[live] == crowd)), bounds)
    ]
    crowd_at = np.array([crowd_of[live[block[0]]] for block in blocks], dtype=np.int64)
    low = np.array([bounds[block].min(axis=0) for block in blocks])
    high = np.array([bounds[block].max(axis=0) for block in blocks])
    degree, kept, size = np.zeros(len(descriptors), dtype=np.int64), [np.zeros((0, 3))], 0
    for p, block in enumerate(blocks):
        mine = live[block]
        if mine[0] < start:
            continue
        gap = np.maximum(0, np.maximum(low - high[p], low[p] - high))
        apart = (crowd_at != crowd_at[p]) | (crowd_at < 0)
        near = np.flatnonzero(((gap**2).sum(axis=1) <= 2 * (1 - NEAR + _ROUNDING)) & apart)
        for q in near.tolist():
            theirs = live[blocks[q]]
            if theirs[0] >= start and q > p:
                continue
            pairs = _between(descriptors, couples, bounds, (block, mine), (blocks[q], theirs))
            np.add.at(degree, pairs[:, :2].astype(np.int64).ravel(), 1)
            pairs = most_similar(pairs)
            kept.append(pairs)
            size += len(pairs)
        if size > 32 * len(descriptors):
            kept = [most_similar(np.concatenate(kept))]
            size = len(kept[0])
    return np.concatenate(kept), degree


def _described(descriptors: Rows, live: np.ndarray) -> tuple[Rows, np.ndarray]:
    """`_invariants` of the live ones, kept where the descriptors are: in a file or in memory; and `_slow`."""
    width = SIDE * (SIDE + 1) // 2
    file = descriptors.file.beside(width) if isinstance(descriptors, Selected) else None
    couples = np.empty((0 if file is not None else len(live), width), dtype=np.float16)
    bounds = np.empty((len(live), _WAVES * (_WAVES + 1) // 2 + 1), dtype=np.float32)
    for n in range(0, len(live), _BLOCK):
        block = _invariants(descriptors[live[n : n + _BLOCK]])
        bounds[n : n + _BLOCK] = _slow(block)
        if file is None:
            couples[n : n + _BLOCK] = block
        else:
            file.extend(block)
    return (couples if file is None else file), bounds


def _between(
    descriptors: Rows,
    couples: Rows,
    bounds: np.ndarray,
    a: tuple[np.ndarray, np.ndarray],
    b: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """Pairs (P, 3) of one block with another: i < j, correlation."""
    (rows_at, rows), (columns_at, columns) = a, b
    possible = bounds[rows_at] @ bounds[columns_at].T >= NEAR - _ROUNDING
    possible &= (rows[:, None] < columns) if rows[0] == columns[0] else (rows[:, None] != columns)
    i, j = np.nonzero(possible)
    bound = _products(couples[rows_at].astype(np.float32), couples[columns_at].astype(np.float32), i, j)
    i, j = i[bound >= NEAR - _ROUNDING], j[bound >= NEAR - _ROUNDING]
    if not len(i):
        return np.zeros((0, 3))
    ours = descriptors[rows].astype(np.float32).reshape(-1, SIDE, SIDE)
    others = descriptors[columns].astype(np.float32)
    turned = (turn(ours, orientation).reshape(len(rows), -1) for orientation in range(8))
    best = np.max([_products(view, others, i, j) for view in turned], axis=0)
    hit = best >= NEAR
    first, second = rows[i[hit]], columns[j[hit]]
    return np.column_stack([np.minimum(first, second), np.maximum(first, second), best[hit]])


def _products(a: np.ndarray, b: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Inner products of the rows i of a with the rows j of b, the cheaper way."""
    if len(i) * _SPARSE > len(a) * len(b):
        return (a @ b.T)[i, j]
    pieces = [
        np.einsum("ij,ij->i", a[i[n : n + _BLOCK]], b[j[n : n + _BLOCK]]) for n in range(0, len(i), _BLOCK)
    ]
    return np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.float32)


def _invariants(descriptors: np.ndarray) -> np.ndarray:
    """Coordinates float16 (N, 528) whose inner product is never below the pictures' in any orientation.

    Turning and mirroring a picture change the signs of its cosine transform and swap its coefficients (u, v)
    with (v, u), which leaves the length of each such couple alone; by Cauchy and Schwarz the product of two
    lengths bounds what a couple contributes to the inner product. Slow waves come first.
    """
    pictures = descriptors.astype(np.float32).reshape(-1, SIDE, SIDE)
    waves = dctn(pictures, axes=(1, 2), norm="ortho")
    u, v = np.triu_indices(SIDE)
    slow = np.argsort(v >= _WAVES, kind="stable")
    u, v = u[slow], v[slow]
    couples = np.where(u == v, np.abs(waves[:, u, v]), np.hypot(waves[:, u, v], waves[:, v, u]))
    return couples.astype(np.float16)


def _slow(couples: np.ndarray) -> np.ndarray:
    """The slow couples (N, 37) as float32, and the length of all others: a bound, too, and a fast one."""
    exact = couples.astype(np.float32)
    few = _WAVES * (_WAVES + 1) // 2
    return np.column_stack([exact[:, :few], np.linalg.norm(exact[:, few:], axis=1)])


def _blocks(indices: np.ndarray, points: np.ndarray) -> list[np.ndarray]:
    """Indices in blocks of neighbours: halved at the median of the widest coordinate, again and again."""
    done, waiting = [], [indices] if len(indices) else []
    while waiting:
        block = waiting.pop()
        if len(block) <= _BLOCK:
            done.append(block)
            continue
        widest = int(points[block].std(axis=0).argmax())
        order = block[np.argsort(points[block, widest], kind="stable")]
        waiting += [order[: len(order) // 2], order[len(order) // 2 :]]
    return done


def connected(count: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """Label of the connected component of each of `count` items: the position of its first member."""
    ends = np.array([*pairs], dtype=np.int64).reshape(-1, 2)
    links = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
    _, component = connected_components(links, directed=False)
    _, first = np.unique(component, return_index=True)
    return [int(label) for label in first[component]]
