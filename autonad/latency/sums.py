"""From sums of pieces to whole networks: a line that is fitted to some that were measured whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autonad.errors import LatencyError


@dataclass(frozen=True)
class Calibration:
    """How sums of pieces relate to whole networks: latency = slope · sum + offset.

    Attributes:
        slope: Ratio of milliseconds; below 1 where a runtime fuses or overlaps pieces.
        offset: Milliseconds.
        rank_correlation: Spearman's ρ of sums and measured latencies.
        error: Mean absolute error over measured latency, each network predicted by a fit without it.
        points: For each network its key, the sum of its pieces and the measured median, ms.
    """

    slope: float
    offset: float
    rank_correlation: float
    error: float
    points: tuple[tuple[str, float, float], ...]


def calibrate(points: Sequence[tuple[str, float, float]]) -> Calibration:
    """Fit latency = slope · sum + offset, every network's error counting relative to its latency.

    Args:
        points: Key, sum of pieces in ms and measured latency in ms of at least three networks.

    Raises:
        LatencyError: Too few points, or none above zero.
    """
    sums, measured = (np.array([point[index] for point in points], dtype=float) for index in (1, 2))
    if len(points) < 3 or not (measured > 0).all():
        raise LatencyError(
            f"{len(points)} networks with latencies {measured.tolist()} calibrate nothing; give three or "
            "more above zero"
        )
    slope, offset = _fit(sums, measured)
    errors = []
    for index in range(len(points)):
        others = np.arange(len(points)) != index
        a, b = _fit(sums[others], measured[others])
        errors.append(abs(a * sums[index] + b - measured[index]) / measured[index])
    return Calibration(slope, offset, _spearman(sums, measured), float(np.mean(errors)), tuple(points))


def _spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Rank correlation; a device has no SciPy. Equal values have no order to agree in: 0."""
    if a.min() == a.max() or b.min() == b.max():
        return 0.0
    return float(np.corrcoef(_ranks(a), _ranks(b))[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks; equal values share the mean of theirs."""
    ordered = np.sort(values)
    below, upto = (np.searchsorted(ordered, values, side=side) for side in ("left", "right"))
    return (below + upto) / 2


def _fit(sums: np.ndarray, measured: np.ndarray) -> tuple[float, float]:
    weights = 1.0 / measured
    design = np.stack([sums, np.ones_like(sums)], axis=1) * weights[:, None]
    (slope, offset), *_ = np.linalg.lstsq(design, measured * weights, rcond=None)
    if slope <= 0 or sums.std() == 0:
        # Noise outweighs the differences between these networks: keep the sums' order and their mean ratio.
        return float(measured.sum() / max(sums.sum(), 1e-9)), 0.0
    return float(slope), float(offset)
