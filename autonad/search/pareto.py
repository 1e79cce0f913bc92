"""Dominance, fronts and hypervolume; every objective is minimised."""

from __future__ import annotations

import numpy as np
import pandas as pd

from autonad.errors import SearchError


def pareto_mask(points: np.ndarray) -> np.ndarray:
    """Which points no other point dominates: none is at least as good everywhere and better somewhere.

    Args:
        points: (N, M), M objectives to be minimised.

    Returns:
        (N,) mask; equal points are all in or all out.

    Raises:
        SearchError: A value is not finite.
    """
    points = _checked(points)
    mask = np.zeros(len(points), dtype=bool)
    for index, point in enumerate(points):
        dominated = (points <= point).all(axis=1) & (points < point).any(axis=1)
        mask[index] = not dominated.any()
    return mask


def hypervolume(points: np.ndarray, reference: tuple[float, float]) -> float:
    """Area that points dominate, up to a reference point.

    Args:
        points: (N, 2), both objectives to be minimised; those beyond the reference count nothing.
        reference: Upper corner of the area.

    Raises:
        SearchError: There are not two objectives, or a value is not finite.
    """
    points = _checked(points)
    if points.shape[1] != 2:
        raise SearchError(f"hypervolume got {points.shape[1]} objectives; it is computed for two")
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
    """Rows of `Evolution.table()` on the front of mIoU and latency, fastest first."""
    if table.empty:
        return table
    return table[pareto_mask(objectives(table))].sort_values(["latency_ms", "key"])


def _checked(points: np.ndarray) -> np.ndarray:
    points = np.asarray(points, dtype=float)
    if points.ndim != 2 or not np.isfinite(points).all():
        raise SearchError(
            f"objectives have shape {points.shape} or are not finite; give (points, objectives) of numbers"
        )
    return points
