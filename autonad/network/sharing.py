"""Weight sharing: a function from (architecture, parameter name) to a slice of the supernet's store.

The three strategies of Table VII differ only in how many tensors there are:

- cross: one tensor per name, whatever the operator (ours);
- entangled: one per operator and name (AutoFormer's, generalised to every operator type);
- classical: one per operator, size and name (no sharing between sizes).

There is one slicing rule: a prefix along each channel axis (Eq. 28), the centre along each spatial axis (Eq.
27).
"""

from __future__ import annotations

import itertools
from typing import Literal, get_args

from torch import Tensor

from autonad.space import EDGE_OPERATORS, EDGES, Architecture, Block, SearchSpace, Stage

Sharing = Literal["cross", "entangled", "classical"]
STRATEGIES: tuple[Sharing, ...] = get_args(Sharing)


def store_key(sharing: Sharing, architecture: Architecture, name: str, shape: tuple[int, ...]) -> str:
    """Name of the store's tensor that holds a parameter.

    Args:
        sharing: Strategy.
        architecture: The architecture that the parameter belongs to.
        name: The parameter's name in `AutoNADNet`.
        shape: The parameter's shape in that architecture.
    """
    if sharing == "cross":
        return name
    operator = operator_of(architecture, name)
    size = "x".join(map(str, shape)) if sharing == "classical" else ""
    return "@".join(filter(None, (name, operator, size)))


def operator_of(architecture: Architecture, name: str) -> str | None:
    """The searched operator whose block or edge a parameter is part of; None for what is always there."""
    match name.split("."):
        case ["encoder", "stages", stage, "blocks", block, *_]:
            return architecture.stages[int(stage)].blocks[int(block)].operator
        case ["mfam", "edges", edge, *_]:
            return architecture.edges[EDGES.index(edge)]
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
    return tensor[tuple(slices)]


def covering(space: SearchSpace) -> list[Architecture]:
    """A few architectures in which every parameter of the space appears in every shape that it can have.

    Each stage walks through width × mixer × feed-forward ratio, always at full depth; neighbouring widths and
    widths × edge operators are walked through in turn, the other genes staying at their largest.
    """
    largest = space.largest()

    def staged(widths: tuple[int, ...], index: int = 0, edge: int = -1) -> Architecture:
        """Stage widths as given; every other gene is number `index` of its choices, going round."""
        stages = []
        for width, choices in zip(widths, space.stages, strict=True):
            options = list(itertools.product(space.mixers, choices.ffn_ratios))
            mixer, ratio = options[index % len(options)]
            stages.append(Stage(width, (Block(mixer.operator, ratio, mixer.kernel),) * max(choices.depths)))
        operators = [name for name in EDGE_OPERATORS if name in space.edge_operators]
        return Architecture(
            stages=tuple(stages),
            edges=(operators[edge % len(operators)],) * len(EDGES),
            pools=largest.pools,
            head_width=space.head_width,
            mfam_width=space.mfam_width,
        )

    found: dict[Architecture, None] = {}
    widths = [stage.widths for stage in space.stages]
    steps = max(len(choices) for choices in widths)
    options = max(len(space.mixers) * len(stage.ffn_ratios) for stage in space.stages)
    for step in range(steps):
        chosen = tuple(choices[step % len(choices)] for choices in widths)
        for index in range(options):
            found[staged(chosen, index)] = None
        for edge in range(len(space.edge_operators)):
            found[staged(chosen, 0, edge)] = None
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
