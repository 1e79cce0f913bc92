"""The pieces that a latency table is made of: every block, embedding, edge and head of a space, alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autonad.network.encoder import EncoderBlock, PatchEmbedding
from autonad.network.mfam import Edge, FeatureAggregation
from autonad.network.model import AutoNADNet, averaged_down, initialize
from autonad.space import EDGES, Architecture, Block, SearchSpace, edge_names


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


@dataclass(frozen=True)
class Resolution:
    """A resolution that features of a stage can have.

    Attributes:
        share: Side of the features over the side of the input, before rounding.
        sizes: Height and width of the features of every stage, where this stage has that resolution.
    """

    share: float
    sizes: tuple[tuple[int, int], ...]


def resolutions(space: SearchSpace, stage: int, input_size: tuple[int, int]) -> list[Resolution]:
    """The coarsest, the middle and the finest resolution of a stage; between them costs are interpolated.

    Args:
        space: Whose scales and stem strides.
        stage: Stage, from 0.
        input_size: (height, width) of the images.
    """
    largest, found = space.largest(), {}
    for scale, stride in itertools.product(space.scales, space.stem_strides):
        network = replace(largest, scale=scale, stem_stride=stride)
        found[network.resolution(stage)] = tuple(network.feature_sizes(input_size))
    return [Resolution(share, found[share]) for share in _spread(found)]


def _spread(values: Iterable[float]) -> list[float]:
    """The smallest, the one nearest to the geometric middle, and the largest."""
    ordered = sorted(values)
    middle = (ordered[0] * ordered[-1]) ** 0.5
    return sorted({ordered[0], min(ordered, key=lambda value: abs(value / middle - 1)), ordered[-1]})


def _ends(values: Iterable[int]) -> list[int]:
    """Costs are linear in the channels that come in and in those that go out: the two ends are enough."""
    ordered = sorted(values)
    return sorted({ordered[0], ordered[-1]})


def piece_groups(space: SearchSpace, num_classes: int, input_size: tuple[int, int]) -> list[list[Piece]]:
    """All pieces of a space; those of one group are timed in turns, so that their ratios are fair.

    Blocks of one stage with equal genes are the same piece: it is timed once and has a row for every block.
    Where a gene only moves a cost along a curve, the ends of its range are measured, and of resolutions the
    middle too; see `autonad.latency.costs`.

    Args:
        space: Whose choices.
        num_classes: Classes of the head.
        input_size: (height, width) of the images.
    """
    stages = range(len(space.largest().stages))
    groups = [list(_blocks(space, stage, input_size)) for stage in stages]
    groups += [list(_first_stems(space, input_size)), list(_stems(space, input_size))]
    groups.append(list(_pool_edges(space)))
    groups += [list(_level_edges(space, stage, input_size)) for stage in stages[:-1]]
    groups.append(list(_rests(space, num_classes, input_size)))
    return groups


def _blocks(space: SearchSpace, stage: int, input_size: tuple[int, int]) -> Iterator[Piece]:
    choices = space.stages[stage]
    for mixer, width in itertools.product(space.mixers, choices.widths):
        # Cost is linear in the hidden channels of the feed-forward network: the two ends are enough.
        for ratio in sorted({min(choices.ffn_ratios), max(choices.ffn_ratios)}):
            for resolution in resolutions(space, stage, input_size):
                block = Block(mixer.operator, ratio, mixer.kernel)
                row = {
                    "part": "block",
                    "stage": stage,
                    "operator": mixer.operator,
                    "kernel": mixer.kernel,
                    "width": width,
                    "ffn_ratio": ratio,
                    "resolution": resolution.share,
                }
                yield Piece(
                    tuple({**row, "block": position} for position in range(max(choices.depths))),
                    _builder(EncoderBlock, block, width, space.head_width, stage),
                    (1, width, *resolution.sizes[stage]),
                )


def _first_stems(space: SearchSpace, input_size: tuple[int, int]) -> Iterator[Piece]:
    """The first embedding, with the averaging of the images before it."""
    for scale, stride in itertools.product(space.scales, space.stem_strides):
        scaled = replace(space.largest(), scale=scale).scaled(input_size)
        for width in _ends(space.stages[0].widths):
            row = {"part": "stem", "stage": 0, "in_width": 3, "width": width}
            yield Piece(
                ({**row, "scale": scale, "stem_stride": stride},),
                _builder(ScaledStem, scaled, width, space.head_width, stride),
                (1, 3, *input_size),
            )


class ScaledStem(nn.Module):
    """What a network does to images before its first block: average them down, and embed patches."""

    def __init__(self, scaled: tuple[int, int], width: int, head_width: int, stem_stride: int) -> None:
        super().__init__()
        self.scaled = scaled
        self.embed = PatchEmbedding(3, width, head_width, stem_stride)

    def forward(self, images: Tensor) -> Tensor:
        """(1, 3, H, W) → (1, width, h, w)."""
        return self.embed(averaged_down(images, self.scaled))


def _stems(space: SearchSpace, input_size: tuple[int, int]) -> Iterator[Piece]:
    for stage in range(1, len(space.largest().stages)):
        widths = (_ends(space.stages[index].widths) for index in (stage - 1, stage))
        for (in_width, width), resolution in itertools.product(
            itertools.product(*widths), resolutions(space, stage, input_size)
        ):
            row = {"part": "stem", "stage": stage, "in_width": in_width, "width": width}
            yield Piece(
                ({**row, "resolution": resolution.share},),
                _builder(PatchEmbedding, in_width, width, space.head_width, None),
                (1, in_width, *resolution.sizes[stage - 1]),
            )


def _pool_edges(space: SearchSpace) -> Iterator[Piece]:
    """Pooled maps are so small that size hardly matters: the smallest and the largest side are enough."""
    names = [name for name in EDGES if name.startswith("pool")]
    sides = _ends(side for sides in space.pool_sizes for side in sides)
    in_widths = _ends(width for count in space.stage_counts for width in space.stages[count - 1].widths)
    for operator, in_width, width, side in itertools.product(
        space.edge_operators, in_widths, _ends(space.mfam_widths), sides
    ):
        row = {"part": "edge", "operator": operator, "in_width": in_width, "width": width, "side": side}
        build = _builder(Edge, operator, in_width, width, space.head_width)
        yield Piece(tuple({**row, "edge": name} for name in names), build, (1, in_width, side, side))


def _level_edges(space: SearchSpace, stage: int, input_size: tuple[int, int]) -> Iterator[Piece]:
    """Lateral edges read a stage's width, output edges the module's own: one set of pieces holds both."""
    in_widths = _ends({*space.stages[stage].widths, *space.mfam_widths})
    for operator, in_width, width in itertools.product(
        space.edge_operators, in_widths, _ends(space.mfam_widths)
    ):
        for resolution in resolutions(space, stage, input_size):
            row = {
                "part": "edge",
                "operator": operator,
                "in_width": in_width,
                "width": width,
                "resolution": resolution.share,
            }
            build = _builder(Edge, operator, in_width, width, space.head_width)
            rows = tuple({**row, "edge": f"{kind}{stage + 1}"} for kind in ("lateral", "output"))
            yield Piece(rows, build, (1, in_width, *resolution.sizes[stage]))


def _rests(space: SearchSpace, num_classes: int, input_size: tuple[int, int]) -> Iterator[Piece]:
    largest = space.largest()
    for count in space.stage_counts:
        names = edge_names(count)
        network = replace(largest, stages=largest.stages[:count], edges=largest.edges[:1] * len(names))
        for in_width, width, resolution in itertools.product(
            _ends(space.stages[count - 1].widths), _ends(space.mfam_widths), resolutions(space, 0, input_size)
        ):
            stages = (*network.stages[:-1], replace(network.stages[-1], width=in_width))
            row = {"part": "rest", "in_width": in_width, "width": width, "stages": count}
            member = replace(network, stages=stages, mfam_width=width)
            sizes = resolution.sizes[:count]
            yield Piece(
                ({**row, "resolution": resolution.share},),
                _builder(Rest, member, num_classes, sizes, input_size),
                (1, in_width, *sizes[-1]),
            )


class Rest(nn.Module):
    """What an architecture's network has beside its encoder and its edges: pooling, fusion, classification.

    The edges are replaced by what costs nothing: their outputs are stored (lateral), passed on (output), or
    the first input channel seen `mfam_width` times (pool).
    """

    def __init__(
        self,
        architecture: Architecture,
        num_classes: int,
        sizes: Sequence[tuple[int, int]],
        input_size: tuple[int, int],
    ) -> None:
        super().__init__()
        network = AutoNADNet(architecture, num_classes)
        self.mfam, self.classify, self.size = network.mfam, network.classify, input_size
        width = architecture.mfam_width
        for name, _ in architecture.edge_items():
            self.mfam.edges[name] = _Repeat(width) if name.startswith("pool") else nn.Identity()
        for stage, size in enumerate(sizes[:-1]):
            self.register_buffer(f"level{stage}", torch.ones(1, width, *size))

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
