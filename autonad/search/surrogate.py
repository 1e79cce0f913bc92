"""A linear model of mIoU over genes: which of several children is worth an evaluation.

All goals learn from all evaluations: an operator that helps at one place helps networks of any latency. After
NSGANetV2 (Lu et al., 2020), with the least model that can be fitted to a few dozen evaluations.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from autonad.search.ranking import Evaluation
from autonad.space import Architecture

# Strength of the ridge: evaluations that the prior belief "no gene matters" is worth.
RIDGE = 3.0


class Surrogate:
    """Predicts mIoU from genes, each value of a gene adding its share.

    Args:
        told: Evaluations to learn from, at least one.
    """

    def __init__(self, told: Sequence[Evaluation]) -> None:
        names = sorted({name for one in told for name in _genes(one.architecture)})
        self._columns = {name: n for n, name in enumerate(names)}
        rows = np.array([self._row(one.architecture) for one in told])
        miou = np.array([one.miou for one in told])
        self._mean, self._centre = float(miou.mean()), rows.mean(axis=0)
        rows = rows - self._centre
        # The same weights in the space of evaluations and in that of genes; the smaller is solved.
        if len(rows) <= len(names):
            kernel = rows @ rows.T + RIDGE * np.eye(len(rows))
            self._weights = rows.T @ np.linalg.solve(kernel, miou - self._mean)
        else:
            gram = rows.T @ rows + RIDGE * np.eye(len(names))
            self._weights = np.linalg.solve(gram, rows.T @ (miou - self._mean))

    def miou(self, architecture: Architecture) -> float:
        """Predicted mIoU, a fraction; values that were never evaluated count nothing."""
        return self._mean + float((self._row(architecture) - self._centre) @ self._weights)

    def _row(self, architecture: Architecture) -> np.ndarray:
        row = np.zeros(len(self._columns))
        for name in _genes(architecture):
            if name in self._columns:
                row[self._columns[name]] = 1.0
        return row


@lru_cache(maxsize=2**15)
def _genes(architecture: Architecture) -> tuple[str, ...]:
    """Every gene with its value, such as `/stages/0/width=16`."""
    return tuple(map(sys.intern, _leaves(architecture.to_dict())))


def _leaves(value: Any, place: str = "") -> Iterator[str]:
    match value:
        case dict():
            for name, inner in value.items():
                yield from _leaves(inner, f"{place}/{name}")
        case list():
            for number, inner in enumerate(value):
                yield from _leaves(inner, f"{place}/{number}")
        case _:
            yield f"{place}={value}"
