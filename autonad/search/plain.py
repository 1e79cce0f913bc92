"""Plain networks: what an engineer would try first, for a search to start from and to beat."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from autonad.space import Architecture, SearchSpace
from autonad.space.architecture import Block, EdgeOperator, Operator, Stage, edge_names

# Everything as it is in most networks for segmentation; where a space lacks it, the nearest that it has.
OPERATOR: Operator = "convolution"
EDGE: EdgeOperator = "conv3x3"
KERNEL, FFN_RATIO, POOLS, DEPTHS = 3, 2.0, (1, 2, 3, 6), (2, 1)
SHARES = tuple(step / 16 for step in range(16, 0, -1))
# At so many input scales per stem stride, the finest that the constraints allow.
SCALES = 2

Keeps = Callable[[Architecture], bool]
"""Whether an architecture keeps the constraints."""


def plain_networks(space: SearchSpace, keeps: Keeps) -> list[Architecture]:
    """Plain convolutional networks at fine input scales, as wide as the constraints allow.

    Width is scaled uniformly, as Howard et al. (MobileNets, 2017) do. Random samples hardly ever have one
    operator and one share of the width throughout, and crossover takes long to bring it together.

    Args:
        space: What they are taken from.
        keeps: The constraints.

    Returns:
        For each stem stride at most `SCALES`, the finest first; none where none keeps the constraints.
    """
    found: list[Architecture] = []
    for stride in sorted(space.stem_strides, reverse=True):
        scaled = (_widest(space, keeps, scale, stride) for scale in sorted(space.scales, reverse=True))
        found += islice((one for one in scaled if one is not None), SCALES)
    return found


def _widest(space: SearchSpace, keeps: Keeps, scale: float, stem_stride: int) -> Architecture | None:
    """The widest plain network within the constraints, of fewer blocks where none is."""
    return next((one for one in _narrowing(space, scale, stem_stride) if keeps(one)), None)


def _narrowing(space: SearchSpace, scale: float, stem_stride: int) -> Iterator[Architecture]:
    count = max(space.stage_counts)
    operator = OPERATOR if OPERATOR in space.operators else space.operators[0]
    kernel = int(_nearest(space.kernels, KERNEL)) if operator == "convolution" else None
    edge = EDGE if EDGE in space.edge_operators else space.edge_operators[0]
    for depth in DEPTHS:
        for share in SHARES:
            stages = []
            for choices in space.stages[:count]:
                block = Block(operator, _nearest(choices.ffn_ratios, FFN_RATIO), kernel)
                width = int(_nearest(choices.widths, share * max(choices.widths)))
                stages.append(Stage(width, (block,) * int(_nearest(choices.depths, depth))))
            yield Architecture(
                stages=tuple(stages),
                edges=(edge,) * len(edge_names(count)),
                pools=tuple(
                    int(_nearest(sides, side)) for sides, side in zip(space.pool_sizes, POOLS, strict=True)
                ),
                head_width=space.head_width,
                mfam_width=int(_nearest(space.mfam_widths, share * max(space.mfam_widths))),
                scale=scale,
                stem_stride=stem_stride,
            )


def _nearest(choices: Sequence[float], wanted: float) -> float:
    return min(choices, key=lambda choice: abs(choice - wanted))


def is_plain(architecture: Architecture) -> bool:
    """Whether all blocks have one operator and kernel, and all edges one operator."""
    mixers = {(block.operator, block.kernel) for stage in architecture.stages for block in stage.blocks}
    return len(mixers) == 1 and len(set(architecture.edges)) == 1
