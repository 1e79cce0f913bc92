"""A made-up landscape that a search can be tried on a thousand times: accuracy and latency of architectures.

It has what real ones have: accuracy rises with capacity and saturates, steeply where networks are small;
each place wants its own operator; neighbouring choices interact; evaluations are noisy; latencies
span 1 : 30.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np

from autonad.space import Architecture, SearchSpace, StageSpace

SPACE = SearchSpace(
    stages=(
        StageSpace((8, 16, 32), (1, 2), (1.0, 2.0, 4.0)),
        StageSpace((8, 16, 32, 64), (1, 2, 3), (1.0, 2.0, 4.0)),
        StageSpace((16, 32, 64, 128), (1, 2, 3), (1.0, 2.0, 4.0)),
        StageSpace((16, 32, 64, 128), (1, 2), (1.0, 2.0, 4.0)),
    ),
    operators=("attention", "shift", "convolution"),
    kernels=(3, 5),
    edge_operators=("conv1x1", "conv3x3", "conv5x5", "dilated3x3", "depthwise3x3"),
    pool_sizes=((1, 2, 3, 4, 5, 6),) * 4,
    head_width=8,
    mfam_widths=(32,),
)
OPERATOR_COSTS = {"attention": 1.6, "shift": 1.0, "convolution3": 1.2, "convolution5": 1.9}
EDGE_COSTS = {"conv1x1": 0.3, "depthwise3x3": 0.4, "dilated3x3": 1.2, "conv3x3": 1.0, "conv5x5": 2.4}


class Landscape:
    """Accuracies and latencies that follow from a seed.

    Args:
        seed: Of the problem: which operators suit where.
        noise: Standard deviation of an evaluation, a fraction of mIoU; the same network errs the same.
    """

    def __init__(self, seed: int, noise: float = 0.004) -> None:
        rng = np.random.default_rng(seed)
        mixers = [mixer.name for mixer in SPACE.mixers]
        self._mixers = {
            (stage, block): dict(zip(mixers, rng.uniform(0, 1, len(mixers)), strict=True))
            for stage in range(4)
            for block in range(3)
        }
        operators = SPACE.edge_operators
        self._edges = [
            dict(zip(operators, rng.uniform(0, 1, len(operators)), strict=True)) for _ in range(10)
        ]
        self._pairs = rng.normal(0, 1, (10, len(operators), len(operators)))
        self._pools = rng.uniform(0, 1, (4, 7))
        self._useful = rng.uniform(0.5, 1.5, 4)
        self._steepness = rng.uniform(1.5, 5)
        self._least, self._most = self._capacity(SPACE.smallest()), self._capacity(SPACE.largest())
        self.seed, self.noise = seed, noise

    def latency_ms(self, architecture: Architecture, *, device: int = 0) -> float:
        """Milliseconds on one of two devices; the second is slow at attention and large kernels."""
        total = 0.15
        for index, stage in enumerate(architecture.stages):
            area = 4.0 ** (3 - index)
            for block in stage.blocks:
                cost = OPERATOR_COSTS[f"{block.operator}{block.kernel or ''}"]
                if device == 1:
                    cost *= 2.2 if block.operator == "attention" or block.kernel == 5 else 0.8
                total += area * (stage.width**2) * (cost + block.ffn_ratio) * 1.6e-6 * 4
        for operator in architecture.edges:
            slow = 1.8 if device == 1 and operator in ("conv5x5", "dilated3x3") else 1.0
            total += 0.12 * EDGE_COSTS[operator] * slow
        return total

    def true_miou(self, architecture: Architecture) -> float:
        """What an evaluation without noise would give."""
        share = (self._capacity(architecture) - self._least) / (self._most - self._least)
        steep = (1 - math.exp(-self._steepness * share)) / (1 - math.exp(-self._steepness))
        fit = np.mean(
            [
                self._mixers[stage, place][f"{block.operator}{block.kernel or ''}"]
                for stage, genes in enumerate(architecture.stages)
                for place, block in enumerate(genes.blocks)
            ]
        )
        order = {operator: number for number, operator in enumerate(SPACE.edge_operators)}
        edges = [order[operator] for operator in architecture.edges]
        fit_edges = np.mean(
            [self._edges[place][operator] for place, operator in enumerate(architecture.edges)]
        )
        pairs = np.mean([self._pairs[place, edges[place], edges[(place + 1) % 10]] for place in range(10)])
        pools = np.mean([self._pools[place, side] for place, side in enumerate(architecture.pools)])
        quality = 0.08 * fit + 0.07 * fit_edges + 0.02 * pairs + 0.02 * pools
        return float(0.55 + 0.18 * steep + quality)

    def _capacity(self, architecture: Architecture) -> float:
        """Grows with the logarithm of widths, depths and ratios, in each stage as much as it is useful."""
        total = 0.0
        for weight, stage in zip(self._useful, architecture.stages, strict=True):
            ratio = float(np.mean([block.ffn_ratio for block in stage.blocks]))
            deep = 1 + 0.4 * (len(stage.blocks) - 1)
            total += weight * math.log2(stage.width * deep * (1 + 0.15 * ratio))
        return total

    def miou(self, architecture: Architecture) -> float:
        """An evaluation: with the noise of a validation split."""
        digest = hashlib.sha256(f"{self.seed} {architecture.key}".encode()).digest()
        error = np.random.default_rng(int.from_bytes(digest[:8], "big")).normal(0, self.noise)
        return float(np.clip(self.true_miou(architecture) + error, 0, 1))
