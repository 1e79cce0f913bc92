"""An architecture as an immutable value: hashable, JSON in and out, with a short stable key.

Genes that do not apply are absent (a kernel belongs to convolution only), so two equal networks always have
equal JSON and therefore equal keys.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

from autonad.errors import ArchitectureError
from autonad.reading.bounds import Unreadable, folded, parse_json

Operator = Literal["attention", "convolution", "shift"]
EdgeOperator = Literal["conv1x1", "conv3x3", "conv5x5", "dilated3x3", "depthwise3x3", "depthwise7x7"]

OPERATORS: tuple[Operator, ...] = get_args(Operator)
EDGE_OPERATORS: tuple[EdgeOperator, ...] = get_args(EdgeOperator)

MIN_STAGES, MAX_STAGES = 3, 4
NUM_POOLS = 4
STEM_STRIDES = (2, 4)
# What a description may ask for at most; the presets stay far below.
MAX_WIDTH, MAX_BLOCKS, MAX_KERNEL, MAX_RATIO, MIN_SCALE = 8192, 64, 31, 64, 0.01
# Fewest rows and columns, pixels, that an encoder sees.
MIN_SIDE = 32
# The ten edges of the feature aggregation module, in gene order: four pooling branches on the last stage,
# then lateral and output edges of the stages before it.
EDGES = (
    "pool1",
    "pool2",
    "pool3",
    "pool4",
    "lateral1",
    "lateral2",
    "lateral3",
    "output1",
    "output2",
    "output3",
)


def edge_names(num_stages: int) -> tuple[str, ...]:
    """The edges of a network with so many encoder stages; the last stage has none but the pooling ones."""
    return tuple(name for name in EDGES if name.startswith("pool") or int(name[-1]) < num_stages)


@dataclass(frozen=True, slots=True)
class Block:
    """One encoder block: a mixing operator followed by a feed-forward network.

    Attributes:
        operator: What mixes positions (Eq. 24-26); "shift" is the paper's MLP.
        ffn_ratio: Hidden channels of the feed-forward network over the block's width.
        kernel: Side of the convolution; absent (None) for the other operators.
    """

    operator: Operator
    ffn_ratio: float
    kernel: int | None = None

    def __post_init__(self) -> None:
        if self.operator not in OPERATORS:
            raise ArchitectureError(
                f"operator {folded(repr(self.operator), 60)} is unknown; use one of {', '.join(OPERATORS)}"
            )
        if (self.kernel is not None) != (self.operator == "convolution"):
            raise ArchitectureError(
                f"kernel is {self.kernel} for operator {self.operator!r}; give a kernel to convolution "
                "blocks and to no others"
            )
        if self.kernel is not None and (not 1 <= self.kernel <= MAX_KERNEL or self.kernel % 2 == 0):
            raise ArchitectureError(
                f"kernel is {self.kernel}; it must be an odd number from 1 to {MAX_KERNEL}"
            )
        if not 0 < self.ffn_ratio <= MAX_RATIO:
            raise ArchitectureError(
                f"ffn_ratio is {self.ffn_ratio}; it must lie above 0 and up to {MAX_RATIO}"
            )


@dataclass(frozen=True, slots=True)
class Stage:
    """One encoder stage: a width in channels, and its blocks."""

    width: int
    blocks: tuple[Block, ...]

    def __post_init__(self) -> None:
        if not 1 <= self.width <= MAX_WIDTH:
            raise ArchitectureError(
                f"stage width is {self.width}; it must lie between 1 and {MAX_WIDTH} channels"
            )
        if not 1 <= len(self.blocks) <= MAX_BLOCKS:
            raise ArchitectureError(
                f"a stage has {len(self.blocks)} blocks; it needs at least one, and {MAX_BLOCKS} at most"
            )


@dataclass(frozen=True)
class Architecture:
    """Everything that determines a network, apart from its number of classes.

    Attributes:
        stages: Three or four encoder stages; the first works at 1/`stem_stride` of the scaled input, each
            other at half of the one before.
        edges: The operator of each edge in `edge_names(len(stages))`, in that order.
        pools: Output sides of the four pyramid pooling branches, 1 to 6.
        head_width: Channels of one attention head (fixed by the space, not searched).
        mfam_width: Channels inside the feature aggregation module.
        scale: Side of what the encoder sees over the input's side, above 0 up to 1. Images are averaged down
            inside the network, and logits come back at the input's size.
        stem_stride: How much the first stage reduces the scaled input, 2 or 4.
    """

    stages: tuple[Stage, ...]
    edges: tuple[EdgeOperator, ...]
    pools: tuple[int, ...]
    head_width: int
    mfam_width: int
    scale: float = 1.0
    stem_stride: int = 4

    def __post_init__(self) -> None:
        _check_stages(self.stages)
        for name, count, need in (
            ("edges", len(self.edges), len(edge_names(len(self.stages)))),
            ("pools", len(self.pools), NUM_POOLS),
        ):
            if count != need:
                raise ArchitectureError(f"the architecture has {count} {name}; it needs exactly {need}")
        if not MIN_SCALE <= self.scale <= 1:
            raise ArchitectureError(f"scale is {self.scale}; it must lie between {MIN_SCALE} and 1")
        if self.stem_stride not in STEM_STRIDES:
            raise ArchitectureError(f"stem_stride is {self.stem_stride}; it must be 2 or 4")
        for edge, operator in self.edge_items():
            if operator not in EDGE_OPERATORS:
                raise ArchitectureError(
                    f"edge {edge} has operator {folded(repr(operator), 60)}; use one of "
                    f"{', '.join(EDGE_OPERATORS)}"
                )
        if any(not 1 <= side <= 6 for side in self.pools):
            raise ArchitectureError(f"pool sizes are {list(self.pools)}; each must lie between 1 and 6")
        for name, width in (("head_width", self.head_width), ("mfam_width", self.mfam_width)):
            if not 4 <= width <= MAX_WIDTH or width % 4:
                raise ArchitectureError(f"{name} is {width}; it must be a multiple of 4 up to {MAX_WIDTH}")
        for index, stage in enumerate(self.stages, start=1):
            if stage.width % self.head_width:
                raise ArchitectureError(
                    f"stage {index} has width {stage.width}, which is no multiple of the head width "
                    f"{self.head_width}; choose a width that is"
                )

    @cached_property
    def key(self) -> str:
        """First 12 hexadecimal digits of the sha256 of the canonical JSON."""
        canonical = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    @property
    def num_blocks(self) -> int:
        """Encoder blocks over all stages."""
        return sum(len(stage.blocks) for stage in self.stages)

    def edge_items(self) -> tuple[tuple[str, EdgeOperator], ...]:
        """Name and operator of every edge, in gene order."""
        return tuple(zip(edge_names(len(self.stages)), self.edges, strict=True))

    def scaled(self, input_size: tuple[int, int]) -> tuple[int, int]:
        """Rows and columns, pixels, to which an input of that height and width is averaged down."""
        height, width = (max(1, round(side * self.scale)) for side in input_size)
        return height, width

    def resolution(self, stage: int) -> float:
        """Side of a stage's features (stages count from 0) over the side of the input, before rounding."""
        return self.scale / (self.stem_stride * 2**stage)

    @property
    def least_side(self) -> int:
        """Fewest rows and columns, pixels, of an input: scaled they are `MIN_SIDE`."""
        side = math.floor((MIN_SIDE - 0.5) / self.scale)
        while min(self.scaled((side, side))) < MIN_SIDE:
            side += 1
        return side

    def feature_sizes(self, input_size: tuple[int, int]) -> list[tuple[int, int]]:
        """Height and width of every stage's features for an input of that height and width, pixels."""
        height, width = self.scaled(input_size)
        strides = [self.stem_stride * 2**index for index in range(len(self.stages))]
        return [(-(-height // stride), -(-width // stride)) for stride in strides]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; absent genes are left out, as are scale and stem stride at their defaults."""

        def block(value: Block) -> dict[str, Any]:
            genes: dict[str, Any] = {"operator": value.operator, "ffn_ratio": float(value.ffn_ratio)}
            return genes if value.kernel is None else {**genes, "kernel": value.kernel}

        genes: dict[str, Any] = {
            "stages": [{"width": s.width, "blocks": [block(b) for b in s.blocks]} for s in self.stages],
            "edges": dict(self.edge_items()),
            "pools": list(self.pools),
            "head_width": self.head_width,
            "mfam_width": self.mfam_width,
        }
        if self.scale != 1:
            genes["scale"] = float(self.scale)
        if self.stem_stride != max(STEM_STRIDES):
            genes["stem_stride"] = self.stem_stride
        return genes

    def to_json(self) -> str:
        """Readable JSON that ends in a newline; `from_json` gives back an equal value."""
        return self._json

    @cached_property
    def _json(self) -> str:
        return json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_dict(cls, data: Any) -> Architecture:
        """Build an architecture from `to_dict`'s form.

        Raises:
            ArchitectureError: A field is missing, unknown or of the wrong kind.
        """
        needed = {"stages", "edges", "pools", "head_width", "mfam_width"}
        fields = _fields(data, "the architecture", needed, optional={"scale", "stem_stride"})
        try:
            stages = tuple(
                Stage(int(stage["width"]), tuple(_block(block) for block in stage["blocks"]))
                for stage in (_fields(item, "a stage", {"width", "blocks"}) for item in fields["stages"])
            )
            _check_stages(stages)
            names = edge_names(len(stages))
            edges = _fields(fields["edges"], "edges", set(names))
            return cls(
                stages=stages,
                edges=tuple(edges[name] for name in names),
                pools=tuple(int(side) for side in fields["pools"]),
                head_width=int(fields["head_width"]),
                mfam_width=int(fields["mfam_width"]),
                scale=float(fields.get("scale", 1.0)),
                stem_stride=int(fields.get("stem_stride", max(STEM_STRIDES))),
            )
        except (TypeError, ValueError, OverflowError) as error:
            raise ArchitectureError(
                f"the architecture holds a value of the wrong kind: {folded(str(error))}"
            ) from error

    @classmethod
    def from_json(cls, text: str) -> Architecture:
        """Parse `to_json`'s text.

        Raises:
            ArchitectureError: The text is not JSON, or not an architecture.
        """
        try:
            data = parse_json(text)
        except Unreadable as error:
            raise ArchitectureError(f"the architecture is not valid JSON: {error}") from error
        return cls.from_dict(data)


def _check_stages(stages: tuple[Stage, ...]) -> None:
    if not MIN_STAGES <= len(stages) <= MAX_STAGES:
        raise ArchitectureError(
            f"the architecture has {len(stages)} stages; it needs {MIN_STAGES} or {MAX_STAGES}"
        )


def _block(data: Any) -> Block:
    fields = _fields(data, "a block", {"operator", "ffn_ratio"}, optional={"kernel"})
    kernel = fields.get("kernel")
    return Block(fields["operator"], float(fields["ffn_ratio"]), None if kernel is None else int(kernel))


def _fields(data: Any, what: str, names: set[str], optional: frozenset[str] | set[str] = frozenset()) -> dict:
    if not isinstance(data, dict):
        raise ArchitectureError(f"{what} is {type(data).__name__}; it must be an object with {sorted(names)}")
    missing, unknown = names - data.keys(), data.keys() - names - optional
    if missing or unknown:
        parts = [f"lacks {sorted(missing)}"] * bool(missing)
        parts += [f"has unknown {folded(repr(sorted(unknown)), 60)}"] * bool(unknown)
        raise ArchitectureError(f"{what} {' and '.join(parts)}; it needs {sorted(names)}")
    return data
