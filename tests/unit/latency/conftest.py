from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from autonad.latency.pieces import piece_groups
from autonad.latency.table import COLUMNS, LatencyTable
from autonad.space import EDGES, Architecture, SearchSpace

OPERATOR_MS = {"attention": 1.0, "shift": 1.5, "convolution": 2.0}
EDGE_MS = {"conv1x1": 0.1, "conv3x3": 0.3, "conv5x5": 0.7, "dilated3x3": 0.35, "depthwise3x3": 0.2}


def block_ms(stage: int, operator: str, kernel: int | None, width: int, ratio: float) -> float:
    return (OPERATOR_MS[operator] + 0.1 * (kernel or 0)) * width / 16 / (stage + 1) + 0.05 * ratio


def true_ms(architecture: Architecture) -> float:
    """Costs that add up by construction, written without the table."""
    widths = [stage.width for stage in architecture.stages]
    total = 3.0 + sum(0.001 * before * width for before, width in zip([3, *widths], widths, strict=False))
    for index, stage in enumerate(architecture.stages):
        total += sum(block_ms(index, b.operator, b.kernel, stage.width, b.ffn_ratio) for b in stage.blocks)
    for name, operator in zip(EDGES, architecture.edges, strict=True):
        pooled = name.startswith("pool")
        side = architecture.pools[int(name[-1]) - 1] if pooled else 0
        in_width = widths[-1] if pooled else architecture.mfam_width
        in_width = widths[int(name[-1]) - 1] if name.startswith("lateral") else in_width
        total += EDGE_MS[operator] * in_width / 16 + 0.001 * side**2
    return total


def row_ms(row: dict) -> float:
    match row["part"]:
        case "stem":
            return 0.001 * row["in_width"] * row["width"]
        case "block":
            return block_ms(row["stage"], row["operator"], row["kernel"], row["width"], row["ffn_ratio"])
        case "edge":
            return EDGE_MS[row["operator"]] * row["in_width"] / 16 + 0.001 * (row["side"] or 0) ** 2
    return 3.0


@pytest.fixture(scope="session")
def profile_table() -> Callable[[SearchSpace], LatencyTable]:
    """A table as the profiler would fill it if costs were those of `true_ms`."""

    def make(space: SearchSpace) -> LatencyTable:
        pieces = [piece for group in piece_groups(space, 4, (64, 64)) for piece in group]
        rows = [
            {**row, "ms": row_ms(row), "n": 30, "spread": 0.01, "stderr": 0.002}
            for p in pieces
            for row in p.rows
        ]
        return LatencyTable(pd.DataFrame(rows, columns=list(COLUMNS)), "profile")

    return make


@pytest.fixture(scope="session")
def whole_network_ms() -> Callable[[Architecture], float]:
    return true_ms


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
