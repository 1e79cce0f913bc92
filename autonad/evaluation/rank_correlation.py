"""How well figures that cost little put architectures in the order of those that cost much.

Kendall's τ-b and Spearman's ρ, with percentile intervals over the architectures, which are resampled with
replacement (Efron and Tibshirani 1993, ch. 13). A resample is a vector of how often each architecture was
drawn, and all resamples are computed at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from autonad.evaluation.bootstrap import interval_of
from autonad.search.strata import FEWEST

if TYPE_CHECKING:
    import pandas as pd

    from autonad.evaluation.result import Size


def kendall(first: np.ndarray, second: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Kendall's τ-b, which corrects for ties.

    Args:
        first: (N,) values.
        second: (N,) values of the same items.
        counts: (R, N) how often each item is there, in each of R samples.

    Returns:
        (R,) coefficients; NaN where all values of one side are equal.
    """
    one, other = (np.sign(values[:, None] - values[None, :]) for values in (first, second))
    pairs = _pairs(one * other, counts)
    scale = np.sqrt(_pairs(one**2, counts) * _pairs(other**2, counts))
    return np.where(scale > 0, pairs / np.where(scale > 0, scale, 1), np.nan)


def spearman(first: np.ndarray, second: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Spearman's ρ, with mean ranks for ties; see `kendall`."""
    ranks = [
        # An item comes after all that are smaller, and halfway through its equals.
        counts @ (0.5 + 0.5 * np.sign(values[:, None] - values[None, :])).T
        for values in (first, second)
    ]
    number = counts.sum(1, keepdims=True)
    one, other = (rank - (counts * rank).sum(1, keepdims=True) / number for rank in ranks)
    spread = np.sqrt((counts * one**2).sum(1) * (counts * other**2).sum(1))
    alike = spread < 1e-9 * number[:, 0]
    return np.where(alike, np.nan, (counts * one * other).sum(1) / np.where(alike, 1, spread))


def rank_agreement(
    truth: np.ndarray,
    predictors: Mapping[str, np.ndarray],
    *,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Any]:
    """How well each predictor orders architectures, and how much better the first does than the others.

    All are computed on the same resamples, so that differences are paired.

    Args:
        truth: (N,) what is to be predicted, larger is better.
        predictors: Name → (N,) values.
        resamples: Bootstrap resamples.
        level: Coverage of the intervals.
        seed: Of the resampling.

    Returns:
        `architectures`; `predictors` (name → `tau` and `rho`); `differences` (name of each but the first →
        the first's `tau` and `rho` minus its own). A figure is `value`, `low` and `high`, None where all
        values of one side are equal.
    """
    number = len(truth)
    drawn = np.random.default_rng(seed).multinomial(number, np.full(number, 1 / number), size=resamples)
    # The first sample is the architectures themselves.
    counts = np.concatenate([np.ones((1, number)), drawn])
    found = {
        name: {"tau": kendall(values, truth, counts), "rho": spearman(values, truth, counts)}
        for name, values in predictors.items()
    }
    best, *others = found

    def figure(values: np.ndarray) -> dict[str, float | None]:
        interval = interval_of(values[1:], level, number)
        return {
            "value": None if np.isnan(values[0]) else float(values[0]),
            "low": None if interval is None else interval.low,
            "high": None if interval is None else interval.high,
        }

    return {
        "architectures": number,
        "predictors": {
            name: {kind: figure(values) for kind, values in kinds.items()} for name, kinds in found.items()
        },
        "differences": {
            name: {kind: figure(found[best][kind] - found[name][kind]) for kind in ("tau", "rho")}
            for name in others
        },
    }


def _pairs(signs: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(R,) sums over all pairs of items of a sample."""
    return ((counts @ signs) * counts).sum(1)


def table_agreement(
    table: pd.DataFrame, size: Size, *, resamples: int, level: float, seed: int
) -> dict[str, Any]:
    """Rank agreement of all architectures of an assessment, and of the better half by training.

    Args:
        table: A row per architecture, as `autonad assess-supernet` writes it.
        size: At which size pixels were counted.
        resamples: See `rank_agreement`.
        level: The same.
        seed: The same.

    Returns:
        See `rank_agreement`; with `top_half`, the same of the better half.
    """
    native = "" if size == "input" else "native_"
    trained = f"trained_{native}miou"
    names = {"inherited": f"inherited_{native}miou", "parameters": "parameters", "flops": "flops"}

    def agreement(rows: pd.DataFrame) -> dict[str, Any]:
        predictors = {name: rows[column].to_numpy(float) for name, column in names.items()}
        return rank_agreement(
            rows[trained].to_numpy(float), predictors, resamples=resamples, level=level, seed=seed
        )

    better = table.nlargest(max(FEWEST, -(-len(table) // 2)), trained)
    return {**agreement(table), "top_half": agreement(better)}
