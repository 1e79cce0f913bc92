from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from autonad.latency.pieces import piece_groups
from autonad.latency.table import COLUMNS, LatencyTable
from autonad.space import Architecture, SearchSpace

OPERATOR_MS = {"attention": 1.0, "shift": 1.5, "convolution": 2.0}
EDGE_MS = {"conv1x1": 0.1, "conv3x3": 0.3, "conv5x5": 0.7, "dilated3x3": 0.35, "depthwise3x3": 0.2}
EDGE_MS["depthwise7x7"] = 0.25
# Of the side of an input, at 1/4 of it; costs are proportional to the number of positions.
USUAL = 1 / 4


def block_ms(
    stage: int, operator: str, kernel: int | None, width: int, ratio: float, resolution: float
) -> float:
    usual = (OPERATOR_MS[operator] + 0.1 * (kernel or 0)) * width / 16 / (stage + 1) + 0.05 * ratio
    return usual * (resolution * 2**stage / USUAL) ** 2


def edge_ms(name: str, operator: str, in_width: int, width: int, side: int, resolution: float) -> float:
    if name.startswith("pool"):
        return EDGE_MS[operator] * in_width * width / 256 + 0.001 * side**2
    return EDGE_MS[operator] * in_width * width / 256 * (resolution / USUAL) ** 2


def stem_ms(in_width: int, width: int, resolution: float) -> float:
    return 0.001 * in_width * width * (1 + resolution**2)


def rest_ms(in_width: int, width: int, stages: int, resolution: float) -> float:
    return 0.1 * stages + 0.001 * in_width * width * resolution**2


def true_ms(architecture: Architecture) -> float:
    """Costs that add up by construction, written without the table."""
    widths = [stage.width for stage in architecture.stages]
    total = rest_ms(widths[-1], architecture.mfam_width, len(widths), architecture.resolution(0))
    total += stem_ms(3, widths[0], architecture.scale / architecture.stem_stride)
    for index, stage in enumerate(architecture.stages):
        at = architecture.resolution(index)
        if index > 0:
            total += stem_ms(widths[index - 1], widths[index], at)
        for block in stage.blocks:
            total += block_ms(index, block.operator, block.kernel, stage.width, block.ffn_ratio, at)
    for name, operator in architecture.edge_items():
        number = int(name[-1])
        pooled = name.startswith("pool")
        side = architecture.pools[number - 1] if pooled else 0
        in_width = widths[-1] if pooled else architecture.mfam_width
        in_width = widths[number - 1] if name.startswith("lateral") else in_width
        at = architecture.resolution(number - 1)
        total += edge_ms(name, operator, in_width, architecture.mfam_width, side, at)
    return total


def row_ms(row: dict) -> float:
    match row["part"]:
        case "stem":
            resolution = row["resolution"] if row["stage"] else row["scale"] / row["stem_stride"]
            return stem_ms(row["in_width"], row["width"], resolution)
        case "block":
            genes = ("stage", "operator", "kernel", "width", "ffn_ratio", "resolution")
            return block_ms(*(row[name] for name in genes))
        case "edge":
            genes = ("edge", "operator", "in_width", "width", "side", "resolution")
            return edge_ms(*(row[name] for name in genes))
    return rest_ms(*(row[name] for name in ("in_width", "width", "stages", "resolution")))


@pytest.fixture(scope="session")
def profile_table() -> Callable[[SearchSpace], LatencyTable]:
    """A table as the profiler would fill it if costs were those of `true_ms`."""

    def make(space: SearchSpace) -> LatencyTable:
        pieces = [piece for group in piece_groups(space, 4, (128, 128)) for piece in group]
        rows = [
            {**row, "ms": row_ms(row), "n": 30, "spread": 0.01, "stderr": 0.002}
            for p in pieces
            for row in ({**dict.fromkeys(COLUMNS), **row} for row in p.rows)
        ]
        return LatencyTable(pd.DataFrame(rows, columns=list(COLUMNS)), "profile")

    return make


@pytest.fixture(scope="session")
def whole_network_ms() -> Callable[[Architecture], float]:
    return true_ms


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
