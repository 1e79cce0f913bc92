"""The pieces that a latency table is made of: every block, embedding, edge and head of a space, alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autonad.network.encoder import EncoderBlock, PatchEmbedding
from autonad.network.mfam import Edge, FeatureAggregation
from autonad.network.model import AutoNADNet, initialize
from autonad.space import EDGES, Architecture, Block, EdgeOperator, SearchSpace


@dataclass(frozen=True)
class Piece:
    """One part of a network to be timed by itself.

    Attributes:
        rows: Where its cost counts: one row of the table per place.
        build: Makes the module, with weights.
        shape: (1, C, H, W) of its input.
    """

    rows: tuple[dict[str, Any], ...]
    build: Callable[[], nn.Module]
    shape: tuple[int, int, int, int]


def feature_size(input_size: tuple[int, int], stage: int) -> tuple[int, int]:
    """Height and width of a stage's features; stages count from 0."""
    height, width = (-(-side // 2 ** (stage + 2)) for side in input_size)
    return height, width


def piece_groups(space: SearchSpace, num_classes: int, input_size: tuple[int, int]) -> list[list[Piece]]:
    """All pieces of a space; those of one group are timed in turns, so that their ratios are fair.

    Blocks of one stage with equal genes are the same piece: it is timed once and has a row for every block.

    Args:
        space: Whose choices.
        num_classes: Classes of the head.
        input_size: (height, width) of the images.
    """
    sizes = [feature_size(input_size, stage) for stage in range(len(space.stages))]
    groups = [list(_blocks(space, stage, size)) for stage, size in enumerate(sizes)]
    groups += [list(_stems(space, input_size)), list(_pool_edges(space))]
    groups += [list(_level_edges(space, stage, size)) for stage, size in enumerate(sizes[:-1])]
    groups.append(list(_rests(space, num_classes, input_size)))
    return groups


def _blocks(space: SearchSpace, stage: int, size: tuple[int, int]) -> Iterator[Piece]:
    choices = space.stages[stage]
    for mixer in space.mixers:
        for width in choices.widths:
            # Cost is linear in the hidden channels of the feed-forward network: the two ends are enough.
            for ratio in sorted({min(choices.ffn_ratios), max(choices.ffn_ratios)}):
                block = Block(mixer.operator, ratio, mixer.kernel)
                row = {
                    "part": "block",
                    "stage": stage,
                    "operator": mixer.operator,
                    "kernel": mixer.kernel,
                    "width": width,
                    "ffn_ratio": ratio,
                }
                yield Piece(
                    tuple({**row, "block": position} for position in range(max(choices.depths))),
                    _builder(EncoderBlock, block, width, space.head_width, stage),
                    (1, width, *size),
                )


def _stems(space: SearchSpace, input_size: tuple[int, int]) -> Iterator[Piece]:
    for stage, choices in enumerate(space.stages):
        before = (3,) if stage == 0 else space.stages[stage - 1].widths
        size = input_size if stage == 0 else feature_size(input_size, stage - 1)
        for in_width in before:
            for width in choices.widths:
                yield Piece(
                    ({"part": "stem", "stage": stage, "in_width": in_width, "width": width},),
                    _builder(PatchEmbedding, in_width, width, space.head_width, stage == 0),
                    (1, in_width, *size),
                )


def _pool_edges(space: SearchSpace) -> Iterator[Piece]:
    """Pooled maps are so small that size hardly matters: the smallest and the largest side are enough."""
    pools = [(name, sides) for name, sides in zip(EDGES, space.pool_sizes, strict=False)]
    used = [side for _, sides in pools for side in sides]
    for operator in space.edge_operators:
        for in_width in space.stages[-1].widths:
            for side in sorted({min(used), max(used)}):
                rows = tuple(_edge_row(name, operator, in_width, space.mfam_width, side) for name, _ in pools)
                yield _edge(space, rows, operator, in_width, (side, side))


def _level_edges(space: SearchSpace, stage: int, size: tuple[int, int]) -> Iterator[Piece]:
    """Lateral edges by the width that they read; the output edge of the level reads the module's width."""
    width = space.mfam_width
    for operator in space.edge_operators:
        for in_width in sorted({*space.stages[stage].widths, width}):
            names = [f"lateral{stage + 1}"] * (in_width in space.stages[stage].widths)
            names += [f"output{stage + 1}"] * (in_width == width)
            rows = tuple(_edge_row(name, operator, in_width, width, None) for name in names)
            yield _edge(space, rows, operator, in_width, size)


def _edge_row(
    name: str, operator: EdgeOperator, in_width: int, width: int, side: int | None
) -> dict[str, Any]:
    return {
        "part": "edge",
        "edge": name,
        "operator": operator,
        "in_width": in_width,
        "width": width,
        "side": side,
    }


def _edge(
    space: SearchSpace,
    rows: tuple[dict[str, Any], ...],
    operator: EdgeOperator,
    in_width: int,
    size: tuple[int, int],
) -> Piece:
    build = _builder(Edge, operator, in_width, space.mfam_width, space.head_width)
    return Piece(rows, build, (1, in_width, *size))


def _rests(space: SearchSpace, num_classes: int, input_size: tuple[int, int]) -> Iterator[Piece]:
    largest = space.largest()
    for width in space.stages[-1].widths:
        stages = (*largest.stages[:-1], replace(largest.stages[-1], width=width))
        yield Piece(
            ({"part": "rest", "in_width": width, "width": space.mfam_width},),
            _builder(Rest, replace(largest, stages=stages), num_classes, input_size),
            (1, width, *feature_size(input_size, len(stages) - 1)),
        )


class Rest(nn.Module):
    """What an architecture's network has beside its encoder and its edges: pooling, fusion, classification.

    The edges are replaced by what costs nothing: their outputs are stored (lateral), passed on (output), or
    the first input channel seen `mfam_width` times (pool).
    """

    def __init__(self, architecture: Architecture, num_classes: int, input_size: tuple[int, int]) -> None:
        super().__init__()
        network = AutoNADNet(architecture, num_classes)
        self.mfam, self.classify, self.size = network.mfam, network.classify, input_size
        width = architecture.mfam_width
        for name in EDGES:
            self.mfam.edges[name] = _Repeat(width) if name.startswith("pool") else nn.Identity()
        for stage in range(len(architecture.stages) - 1):
            self.register_buffer(f"level{stage}", torch.ones(1, width, *feature_size(input_size, stage)))

    def forward(self, last: Tensor) -> Tensor:
        """(1, C, h, w) of the last stage → logits at the input's size."""
        assert isinstance(self.mfam, FeatureAggregation)
        lower = [buffer for name, buffer in self.named_buffers(recurse=False) if name.startswith("level")]
        logits = self.classify(self.mfam([*lower, last]))
        return F.interpolate(logits, size=self.size, mode="bilinear", align_corners=False)


class _Repeat(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :1].expand(-1, self.width, -1, -1)


def _builder(kind: Callable[..., nn.Module], *arguments: Any) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        module = kind(*arguments)
        # Layer scales and maps are allocated empty; what lies in memory could be denormal, and slow.
        for name, parameter in module.named_parameters():
            initialize(name, parameter)
        return module.eval()

    return build
