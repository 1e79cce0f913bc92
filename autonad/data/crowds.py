"""Crowds: many images that are all alike, because one fixed camera sees one scene.

Comparing every member with every other would be quadratic and tell nothing: what is alike is the scene. It is
taken away, and so are its common variations (light, position): members are compared by what distinguishes
them, scaled so that every direction in which they vary counts the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autonad.data.descriptors import Rows
from autonad.data.pictures import CROWD, NEAR, SIDE, most_similar, turn

_LEADERS = 256  # images that are asked how many others they resemble
_LEAST_SHARE = 0.01  # of the images; smaller crowds are no burden
_MARGIN = 0.05  # images that nearly belong to a crowd have many neighbours in it
_CHUNK = 2048
_SAMPLE = 4096
_DIRECTIONS = 96
# Correlation of what distinguishes two members. Of unrelated ones it scatters by 0.1.
_ALIKE = 0.7
_MOST = 2  # a copy is by far the most similar
_SYMMETRIC = 0.9  # a scene that resembles itself so much when it is turned


@dataclass(frozen=True)
class Crowd:
    """Images that resemble one of them.

    Attributes:
        leader: That image.
        members: int (M,), ascending; the leader among them.
        orientations: int (M,), how each is turned to resemble it.
        correlations: float32 (M,), with it.
    """

    leader: int
    members: np.ndarray
    orientations: np.ndarray
    correlations: np.ndarray


def find_crowds(descriptors: Rows, live: np.ndarray) -> list[Crowd]:
    """Crowds that hold a hundredth of the images or more, the largest first, none with a member of another.

    Args:
        descriptors: float32 or float16 (N, 1024) from `similarity.describe`.
        live: Positions of those that are not all zero.
    """
    crowds: list[Crowd] = []
    rest = live
    least = max(CROWD, int(_LEAST_SHARE * len(live)))
    while len(rest) > least:
        leaders = rest[np.unique(np.linspace(0, len(rest) - 1, _LEADERS).astype(int))]
        counts = _count(descriptors, leaders, rest)
        if counts.max() <= least:
            break
        crowd = _gather(descriptors, int(leaders[counts.argmax()]), rest)
        crowds.append(crowd)
        rest = np.setdiff1d(rest, crowd.members, assume_unique=True)
    return crowds


def pairs_in(descriptors: Rows, crowd: Crowd, start: int) -> np.ndarray:
    """Pairs (P, 3) of members that are alike beyond the scene: i < j, correlation of the whole pictures.

    Args:
        descriptors: See `find_crowds`.
        crowd: The crowd.
        start: Pairs whose second image comes before this one are left out.
    """
    members = crowd.members
    scene = np.zeros(SIDE * SIDE)
    for part in _parts(len(members)):
        scene += _aligned(descriptors, crowd, part).sum(axis=0)
    scene = (scene / max(float(np.linalg.norm(scene)), 1e-9)).astype(np.float32)
    sample = np.unique(np.linspace(0, len(members) - 1, _SAMPLE).astype(int))
    directions = _directions(_beyond(_aligned(descriptors, crowd, sample), scene))
    square = scene.reshape(1, SIDE, SIDE)
    ways = [o for o in range(8) if float(turn(square, o).ravel() @ scene) >= _SYMMETRIC]
    own = np.zeros((len(ways), len(members), directions.shape[1]), dtype=np.float32)
    for part in _parts(len(members)):
        beyond = _beyond(_aligned(descriptors, crowd, part), scene).reshape(-1, SIDE, SIDE)
        for n, way in enumerate(ways):
            found = turn(beyond, way).reshape(len(part), -1) @ directions
            own[n, part] = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)
    kept = [np.zeros((0, 3))]
    for part in _parts(len(members)):
        for turned in own:
            for other in _parts(int(part[-1]) + 1):
                if members[part[-1]] < start:
                    continue
                value = turned[part] @ own[0, other].T
                i, j = np.nonzero(value >= _ALIKE)
                ordered = part[i] > other[j]
                i, j = i[ordered], j[ordered]
                kept.append(most_similar(np.column_stack([other[j], part[i], value[i, j]]), _MOST))
        kept = [most_similar(np.concatenate(kept), _MOST)]
    first, second = members[kept[0][:, 0].astype(int)], members[kept[0][:, 1].astype(int)]
    new = second >= start
    return _correlated(descriptors, first[new], second[new])


def _count(descriptors: Rows, leaders: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """How many of the rest each leader resembles in some orientation."""
    counts = np.zeros(len(leaders), dtype=np.int64)
    pictures = descriptors[leaders].astype(np.float32).reshape(-1, SIDE, SIDE)
    views = [turn(pictures, o).reshape(len(leaders), -1) for o in range(8)]
    for part in _parts(len(rest)):
        others = descriptors[rest[part]].astype(np.float32).T
        near = np.zeros((len(leaders), len(part)), dtype=bool)
        for view in views:
            near |= view @ others >= NEAR
        counts += near.sum(axis=1)
    return counts


def _gather(descriptors: Rows, leader: int, rest: np.ndarray) -> Crowd:
    picture = descriptors[leader].astype(np.float32).reshape(1, SIDE, SIDE)
    # Turning the leader by o shows how the inverse of o turns the member.
    views = np.concatenate([turn(picture, o).reshape(1, -1) for o in range(8)])
    best, way = np.empty(len(rest), np.float32), np.empty(len(rest), np.int64)
    for part in _parts(len(rest)):
        found = descriptors[rest[part]].astype(np.float32) @ views.T
        best[part], way[part] = found.max(axis=1), found.argmax(axis=1)
    member = best >= NEAR - _MARGIN
    return Crowd(leader, rest[member], _INVERSE[way[member]], best[member])


# Quarter turns undo one another; mirrored orientations undo themselves.
_INVERSE = np.array([0, 3, 2, 1, 4, 5, 6, 7])


def _aligned(descriptors: Rows, crowd: Crowd, part: np.ndarray) -> np.ndarray:
    """Members turned as the leader is, float32 (len(part), 1024)."""
    pictures = descriptors[crowd.members[part]].astype(np.float32).reshape(-1, SIDE, SIDE)
    ways = crowd.orientations[part]
    for way in np.unique(ways[ways > 0]):
        pictures[ways == way] = turn(pictures[ways == way], int(way))
    return pictures.reshape(len(part), -1)


def _beyond(pictures: np.ndarray, scene: np.ndarray) -> np.ndarray:
    """What the pictures (N, 1024) show beyond the scene (1024,)."""
    return pictures - (pictures @ scene)[:, None] * scene


def _directions(beyond: np.ndarray) -> np.ndarray:
    """Directions (1024, D) in which members vary most, each divided by how much.

    The mean variance is added to each: few members vary in few directions, and directions in which only two
    copies differ must not count as much as those in which parts do.
    """
    covariance = beyond.T @ beyond / len(beyond)
    variance, vectors = np.linalg.eigh(covariance)
    mean = max(float(variance.sum()) / min(len(beyond), len(variance)), 1e-12)
    variance, vectors = variance[::-1][:_DIRECTIONS], vectors[:, ::-1][:, :_DIRECTIONS]
    return (vectors / np.sqrt(np.maximum(variance, 0) + mean)).astype(np.float32)


def _correlated(descriptors: Rows, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Pairs (P, 3) with the correlation in the best orientation, those that are near-duplicates."""
    best = np.full(len(first), -1, dtype=np.float32)
    for part in _parts(len(first)):
        a = descriptors[first[part]].astype(np.float32).reshape(-1, SIDE, SIDE)
        b = descriptors[second[part]].astype(np.float32)
        for way in range(8):
            found = np.einsum("ij,ij->i", turn(a, way).reshape(len(part), -1), b)
            best[part] = np.maximum(best[part], found)
    hit = best >= NEAR
    return np.column_stack([first[hit], second[hit], best[hit]])


def _parts(count: int) -> list[np.ndarray]:
    return [np.arange(n, min(n + _CHUNK, count)) for n in range(0, count, _CHUNK)]
