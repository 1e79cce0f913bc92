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
from collections.abc import Sequence
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


def take(tensors: Sequence[Tensor], shapes: Sequence[tuple[int, ...]]) -> list[Tensor]:
    """The slice of each tensor with its shape: a prefix along channel axes, the centre along spatial ones.

    The last two axes of a tensor of three or more axes are spatial. A tensor of that shape is taken as it is.
    Slices are views, or, where gradients shall flow into the tensors, dense copies.
    """
    taken = list(tensors)
    smaller = [place for place, tensor in enumerate(tensors) if tuple(tensor.shape) != shapes[place]]
    whole = [tensors[place] for place in smaller]
    slices = [_part(tensors[place].shape, shapes[place]) for place in smaller]
    parts: Sequence[Tensor]
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in whole):
        parts = cast("Sequence[Tensor]", _Slices.apply(slices, *whole))
    else:
        parts = [tensor[part] for tensor, part in zip(whole, slices, strict=True)]
    for place, part in zip(smaller, parts, strict=True):
        taken[place] = part
    return taken


def _part(full: Sequence[int], shape: Sequence[int]) -> tuple[slice, ...]:
    """Where `shape` lies in a tensor of the shape `full`."""
    num_channel_axes = len(full) - 2 if len(full) >= 3 else len(full)
    starts = [0] * num_channel_axes
    starts += [
        (sides - size) // 2
        for sides, size in zip(full[num_channel_axes:], shape[num_channel_axes:], strict=True)
    ]
    return tuple(slice(start, start + size) for start, size in zip(starts, shape, strict=True))


class _Slices(torch.autograd.Function):
    """Slices of many tensors at once; their gradients are written once, into one block of zeros.

    Indexing writes a gradient as large as the tensor for every axis, and convolutions copy what is not dense,
    forwards and backwards. A function for each tensor takes Python longer than all of that.
    """

    @staticmethod
    def forward(ctx: Any, slices: Sequence[tuple[slice, ...]], *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.slices, ctx.shapes = slices, [tensor.shape for tensor in tensors]
        ctx.set_materialize_grads(False)
        return tuple(tensor[part].contiguous() for tensor, part in zip(tensors, slices, strict=True))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        given = {place: gradient for place, gradient in enumerate(gradients) if gradient is not None}
        sizes = [ctx.shapes[place].numel() for place in given]
        block = next(iter(given.values())).new_zeros(sum(sizes))
        whole = {
            place: part.view(ctx.shapes[place]) for place, part in zip(given, block.split(sizes), strict=True)
        }
        torch._foreach_copy_(
            [tensor[ctx.slices[place]] for place, tensor in whole.items()], list(given.values())
        )
        return None, *(whole.get(place) for place in range(len(gradients)))


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
