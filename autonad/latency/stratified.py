"""Networks of a space that are spread over the range of what its members cost."""

from __future__ import annotations

import math

import numpy as np

from autonad.space import Architecture, Block, SearchSpace

# So many random members are drawn for each that is wanted.
DRAWN = 32
# Products per output and input channel of a dense edge operator, and per input channel of a depthwise one.
DENSE_TAPS = {"conv1x1": 1, "conv3x3": 9, "conv5x5": 25, "dilated3x3": 9}
DEPTHWISE_TAPS = {"depthwise3x3": 9, "depthwise7x7": 49}
# What starting a block or an edge is worth, in products per pixel of the input.
STARTED = 4.0


def stratified(space: SearchSpace, count: int, rng: np.random.Generator) -> list[Architecture]:
    """Random members at equal steps of the logarithm of `rough_cost`, cheapest first.

    Args:
        space: Whose members.
        count: How many.
        rng: Draws them.
    """
    drawn = sorted((space.sample(rng) for _ in range(DRAWN * count)), key=rough_cost)
    logs = np.log([rough_cost(one) for one in drawn])
    free, chosen = set(range(len(drawn))), []
    for wanted in np.linspace(logs[0], logs[-1], count):
        nearest = min(free, key=lambda index: (abs(logs[index] - wanted), index))
        free.remove(nearest)
        chosen.append(nearest)
    return [drawn[index] for index in sorted(chosen)]


def rough_cost(architecture: Architecture) -> float:
    """What a network costs, roughly: products per pixel of the input, and something for every start.

    It needs no network and no measurement, and is good for no more than putting networks in order.
    """
    stages, width = architecture.stages, architecture.mfam_width
    areas = [architecture.resolution(index) ** 2 for index in range(len(stages))]
    total, in_width = 0.0, 3
    for stage, area in zip(stages, areas, strict=True):
        total += area * 9 * in_width * stage.width
        total += sum(STARTED + area * _products(block, stage.width) for block in stage.blocks)
        in_width = stage.width
    for name, operator in architecture.edge_items():
        number = int(name[-1])
        if not name.startswith("pool"):
            entering = stages[number - 1].width if name.startswith("lateral") else width
            total += areas[number - 1] * _edge_products(operator, entering, width)
        total += STARTED
    return total + areas[0] * width**2 * (len(stages) + 1)


def _products(block: Block, width: int) -> float:
    """Per position: a mixer's projections, its own work, and the feed-forward network."""
    taps = block.kernel**2 if block.kernel else math.sqrt(width)
    return width * (width * (4 + 2 * block.ffn_ratio) + taps)


def _edge_products(operator: str, in_width: int, width: int) -> float:
    if operator in DENSE_TAPS:
        return float(DENSE_TAPS[operator] * in_width * width)
    return float(in_width * (DEPTHWISE_TAPS[operator] + width))
