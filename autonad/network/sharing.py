"""Weight sharing: a function from (architecture, parameter name) to a slice of the supernet's store.

The three strategies of Table VII differ only in how many tensors there are:

- cross: one tensor per name, whatever the operator (ours);
- entangled: one per operator and name (AutoFormer's, generalised to every operator type);
- classical: one per operator, size and name (no sharing between sizes).

What reads the features of the last stage is shared only among networks with as many stages: the last of three
is another one than the last of four.

There is one slicing rule: a prefix along each channel axis (Eq. 28), the centre along each spatial axis (Eq.
27).
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor

from autonad.space import EDGE_OPERATORS, Architecture, Block, SearchSpace, Stage, edge_names
from autonad.space.architecture import MAX_STAGES

Sharing = Literal["cross", "entangled", "classical"]
# Parameters whose input is the last stage, whichever it is.
READS_LAST_STAGE = ("mfam.edges.pool", "mfam.top.")
STRATEGIES: tuple[Sharing, ...] = get_args(Sharing)


def store_key(sharing: Sharing, architecture: Architecture, name: str, shape: tuple[int, ...]) -> str:
    """Name of the store's tensor that holds a parameter.

    Args:
        sharing: Strategy.
        architecture: The architecture that the parameter belongs to.
        name: The parameter's name in `AutoNADNet`.
        shape: The parameter's shape in that architecture.
    """
    shortened = len(architecture.stages) < MAX_STAGES and name.startswith(READS_LAST_STAGE)
    stages = f"{len(architecture.stages)}stages" if shortened else ""
    operator = operator_of(architecture, name) if sharing != "cross" else None
    size = "x".join(map(str, shape)) if sharing == "classical" else ""
    return "@".join(filter(None, (name, stages, operator, size)))


def operator_of(architecture: Architecture, name: str) -> str | None:
    """The searched operator whose block or edge a parameter is part of; None for what is always there."""
    match name.split("."):
        case ["encoder", "stages", stage, "blocks", block, *_]:
            return architecture.stages[int(stage)].blocks[int(block)].operator
        case ["mfam", "edges", edge, *_]:
            return dict(architecture.edge_items())[edge]
    return None


def take(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The slice of `tensor` with `shape`: a prefix along channel axes, the centre along spatial ones.

    The last two axes of a tensor of three or more axes are spatial. The result is a view: gradients flow into
    `tensor`.
    """
    if tuple(tensor.shape) == shape:
        return tensor
    num_channel_axes = tensor.ndim - 2 if tensor.ndim >= 3 else tensor.ndim
    slices = []
    for axis, (size, full) in enumerate(zip(shape, tensor.shape, strict=True)):
        start = 0 if axis < num_channel_axes else (full - size) // 2
        slices.append(slice(start, start + size))
    if not (tensor.requires_grad and torch.is_grad_enabled()):
        return tensor[tuple(slices)]
    return cast("Tensor", _Slice.apply(tensor, tuple(slices)))


class _Slice(torch.autograd.Function):
    """A view along several axes whose gradient is written once; indexing writes one as large per axis."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, slices: tuple[slice, ...]) -> Tensor:
        ctx.shape, ctx.slices = tensor.shape, slices
        return tensor[slices]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        whole = gradient.new_zeros(ctx.shape)
        whole[ctx.slices] = gradient
        return whole, None


def covering(space: SearchSpace, sharing: Sharing = "classical") -> list[Architecture]:
    """A few architectures in which every tensor of the store appears in its largest shape.

    Without sharing between sizes that is every shape that a parameter can have. Each stage walks through
    width × mixer × feed-forward ratio, always at full depth; neighbouring widths are walked in turn, and so
    are widths × edge operators × widths of the feature aggregation × numbers of stages, the other genes
    staying at their largest. With sharing, the largest of every width and ratio is enough.

    Args:
        space: What is covered.
        sharing: Strategy of the store.
    """
    largest = space.largest()
    if sharing != "classical":
        space = replace(
            space,
            stages=tuple(
                replace(stage, widths=(max(stage.widths),), ffn_ratios=(max(stage.ffn_ratios),))
                for stage in space.stages
            ),
            mfam_widths=(max(space.mfam_widths),),
        )

    def staged(
        widths: tuple[int, ...], index: int = 0, edge: int = -1, mfam_width: int = 0, count: int = 0
    ) -> Architecture:
        """Genes as given; every other gene of a stage is number `index` of its choices, going round."""
        stages = []
        for width, choices in zip(widths, space.stages, strict=True):
            options = list(itertools.product(space.mixers, choices.ffn_ratios))
            mixer, ratio = options[index % len(options)]
            stages.append(Stage(width, (Block(mixer.operator, ratio, mixer.kernel),) * max(choices.depths)))
        operators = [name for name in EDGE_OPERATORS if name in space.edge_operators]
        count = count or len(largest.stages)
        return replace(
            largest,
            stages=tuple(stages[:count]),
            edges=(operators[edge % len(operators)],) * len(edge_names(count)),
            mfam_width=mfam_width or largest.mfam_width,
        )

    found: dict[Architecture, None] = {}
    widths = [stage.widths for stage in space.stages]
    steps = max(len(choices) for choices in widths)
    options = max(len(space.mixers) * len(stage.ffn_ratios) for stage in space.stages)
    for step in range(steps):
        chosen = tuple(choices[step % len(choices)] for choices in widths)
        for index in range(options):
            found[staged(chosen, index)] = None
        for edge, mfam_width, count in itertools.product(
            range(len(space.edge_operators)), space.mfam_widths, space.stage_counts
        ):
            found[staged(chosen, 0, edge, mfam_width, count)] = None
        # A patch embedding depends on the widths on both of its sides.
        for shift in range(steps):
            even = tuple(
                choices[(step + shift * (number % 2)) % len(choices)] for number, choices in enumerate(widths)
            )
            odd = tuple(
                choices[(step + shift * (number % 2 == 0)) % len(choices)]
                for number, choices in enumerate(widths)
            )
            found[staged(even)] = None
            found[staged(odd)] = None
    return list(found)
