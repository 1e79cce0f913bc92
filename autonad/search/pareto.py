"""Dominance, fronts and hypervolume; every objective is minimised."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
import pandas as pd

from autonad.errors import SearchError


def pareto_mask(points: np.ndarray) -> np.ndarray:
    """Which points no other point dominates: none is at least as good in both and better in one.

    Args:
        points: (N, 2), both objectives to be minimised.

    Returns:
        (N,) mask; equal points are all in or all out.

    Raises:
        SearchError: There are not two objectives, or a value is not finite.
    """
    return front_ranks(points) == 0


def front_ranks(points: np.ndarray) -> np.ndarray:
    """Non-dominated sorting: 0 on the front, 1 on the front of what is left without it, and so on.

    In the order of the first objective a point is dominated by a front exactly if that front has gone as low
    in the second, and later fronts have gone less low: its own is found by bisection (Jensen, 2003).

    Args:
        points: (N, 2), both objectives to be minimised.

    Returns:
        (N,) integers.

    Raises:
        SearchError: There are not two objectives, or a value is not finite.
    """
    distinct, places = np.unique(_pairs(points), axis=0, return_inverse=True)
    lowest: list[float] = []  # of the second objective, in each front so far; it rises
    ranks = np.zeros(len(distinct), dtype=int)
    for index, value in enumerate(distinct[:, 1].tolist()):
        ranks[index] = rank = bisect_right(lowest, value)
        lowest[rank : rank + 1] = [value]
    return ranks[places.reshape(-1)]


def crowding(points: np.ndarray) -> np.ndarray:
    """Crowding distance: how far the neighbours of each point of a front lie apart (Deb et al., 2002).

    Args:
        points: (N, M), the members of one front.

    Returns:
        (N,) distances, each objective in shares of its range; infinite at the ends.

    Raises:
        SearchError: A value is not finite.
    """
    points = _checked(points)
    distances = np.zeros(len(points))
    for values in points.T:
        order = np.argsort(values, kind="stable")
        sorted_values, spread = values[order], np.ptp(values) or 1.0
        distances[order[[0, -1]]] = np.inf
        distances[order[1:-1]] += (sorted_values[2:] - sorted_values[:-2]) / spread
    return distances


def hypervolume(points: np.ndarray, reference: tuple[float, float]) -> float:
    """Area that points dominate, up to a reference point.

    Args:
        points: (N, 2), both objectives to be minimised; those beyond the reference count nothing.
        reference: Upper corner of the area.

    Raises:
        SearchError: There are not two objectives, or a value is not finite.
    """
    points = _pairs(points)
    inside = points[(points < np.array(reference)).all(axis=1)]
    area, ceiling = 0.0, float(reference[1])
    for first, second in inside[np.lexsort((inside[:, 1], inside[:, 0]))]:
        if second < ceiling:
            area += (reference[0] - first) * (ceiling - second)
            ceiling = float(second)
    return float(area)


def objectives(table: pd.DataFrame) -> np.ndarray:
    """The two objectives of a search's table, both to be minimised: 1 − mIoU and latency in ms, (N, 2)."""
    return np.stack(
        [1.0 - table["miou"].to_numpy(dtype=float), table["latency_ms"].to_numpy(dtype=float)], axis=1
    )


def front(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of `AskTell.table()` on the front of mIoU and latency, fastest first."""
    if table.empty:
        return table
    return table[pareto_mask(objectives(table))].sort_values(["latency_ms", "key"])


def _pairs(points: np.ndarray) -> np.ndarray:
    points = _checked(points)
    if points.shape[1] != 2:
        raise SearchError(f"got {points.shape[1]} objectives; fronts are of two, mIoU and latency")
    return points


def _checked(points: np.ndarray) -> np.ndarray:
    points = np.asarray(points, dtype=float)
    if points.ndim != 2 or not np.isfinite(points).all():
        raise SearchError(
            f"objectives have shape {points.shape} or are not finite; give (points, objectives) of numbers"
        )
    return points
