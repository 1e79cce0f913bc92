"""An architecture as an immutable value: hashable, JSON in and out, with a short stable key.

Genes that do not apply are absent (a kernel belongs to convolution only), so two equal networks always have
equal JSON and therefore equal keys.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Literal, get_args

from autonad.errors import ArchitectureError

Operator = Literal["attention", "convolution", "shift"]
EdgeOperator = Literal["conv1x1", "conv3x3", "conv5x5", "dilated3x3", "depthwise3x3"]

OPERATORS: tuple[Operator, ...] = get_args(Operator)
EDGE_OPERATORS: tuple[EdgeOperator, ...] = get_args(EdgeOperator)

NUM_STAGES = 4
NUM_POOLS = 4
# The ten edges of the feature aggregation module, in gene order: four pooling branches on the last stage,
# then lateral and output edges of the first three stages.
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
                f"operator {self.operator!r} is unknown; use one of {', '.join(OPERATORS)}"
            )
        if (self.kernel is not None) != (self.operator == "convolution"):
            raise ArchitectureError(
                f"kernel is {self.kernel} for operator {self.operator!r}; give a kernel to convolution "
                "blocks and to no others"
            )
        if self.kernel is not None and (self.kernel < 1 or self.kernel % 2 == 0):
            raise ArchitectureError(f"kernel is {self.kernel}; it must be an odd positive number")
        if not self.ffn_ratio > 0:
            raise ArchitectureError(f"ffn_ratio is {self.ffn_ratio}; it must be positive")


@dataclass(frozen=True, slots=True)
class Stage:
    """One encoder stage: a width in channels, and its blocks."""

    width: int
    blocks: tuple[Block, ...]

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ArchitectureError(f"stage width is {self.width}; it must be a positive number of channels")
        if not self.blocks:
            raise ArchitectureError("a stage has no blocks; it needs at least one")


@dataclass(frozen=True, slots=True)
class Architecture:
    """Everything that determines a network, apart from its number of classes.

    Attributes:
        stages: Four encoder stages, at 1/4, 1/8, 1/16 and 1/32 of the input.
        edges: The operator of each edge in `EDGES`, in that order.
        pools: Output sides of the four pyramid pooling branches, 1 to 6.
        head_width: Channels of one attention head (fixed by the space, not searched).
        mfam_width: Channels inside the feature aggregation module (fixed by the space, not searched).
    """

    stages: tuple[Stage, ...]
    edges: tuple[EdgeOperator, ...]
    pools: tuple[int, ...]
    head_width: int
    mfam_width: int

    def __post_init__(self) -> None:
        for name, count, need in (
            ("stages", len(self.stages), NUM_STAGES),
            ("edges", len(self.edges), len(EDGES)),
            ("pools", len(self.pools), NUM_POOLS),
        ):
            if count != need:
                raise ArchitectureError(f"the architecture has {count} {name}; it needs exactly {need}")
        for edge, operator in zip(EDGES, self.edges, strict=True):
            if operator not in EDGE_OPERATORS:
                raise ArchitectureError(
                    f"edge {edge} has operator {operator!r}; use one of {', '.join(EDGE_OPERATORS)}"
                )
        if any(not 1 <= side <= 6 for side in self.pools):
            raise ArchitectureError(f"pool sizes are {list(self.pools)}; each must lie between 1 and 6")
        for name, width in (("head_width", self.head_width), ("mfam_width", self.mfam_width)):
            if width < 4 or width % 4:
                raise ArchitectureError(f"{name} is {width}; it must be a positive multiple of 4")
        for index, stage in enumerate(self.stages, start=1):
            if stage.width % self.head_width:
                raise ArchitectureError(
                    f"stage {index} has width {stage.width}, which is no multiple of the head width "
                    f"{self.head_width}; choose a width that is"
                )

    @property
    def key(self) -> str:
        """First 12 hexadecimal digits of the sha256 of the canonical JSON."""
        canonical = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    @property
    def num_blocks(self) -> int:
        """Encoder blocks over all stages."""
        return sum(len(stage.blocks) for stage in self.stages)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; absent genes are left out."""

        def block(value: Block) -> dict[str, Any]:
            genes: dict[str, Any] = {"operator": value.operator, "ffn_ratio": float(value.ffn_ratio)}
            return genes if value.kernel is None else {**genes, "kernel": value.kernel}

        return {
            "stages": [{"width": s.width, "blocks": [block(b) for b in s.blocks]} for s in self.stages],
            "edges": dict(zip(EDGES, self.edges, strict=True)),
            "pools": list(self.pools),
            "head_width": self.head_width,
            "mfam_width": self.mfam_width,
        }

    def to_json(self) -> str:
        """Readable JSON that ends in a newline; `from_json` gives back an equal value."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_dict(cls, data: Any) -> Architecture:
        """Build an architecture from `to_dict`'s form.

        Raises:
            ArchitectureError: A field is missing, unknown or of the wrong kind.
        """
        fields = _fields(data, "the architecture", {"stages", "edges", "pools", "head_width", "mfam_width"})
        edges = _fields(fields["edges"], "edges", set(EDGES))
        try:
            stages = tuple(
                Stage(int(stage["width"]), tuple(_block(block) for block in stage["blocks"]))
                for stage in (_fields(item, "a stage", {"width", "blocks"}) for item in fields["stages"])
            )
            return cls(
                stages=stages,
                edges=tuple(edges[name] for name in EDGES),
                pools=tuple(int(side) for side in fields["pools"]),
                head_width=int(fields["head_width"]),
                mfam_width=int(fields["mfam_width"]),
            )
        except (TypeError, ValueError) as error:
            raise ArchitectureError(f"the architecture holds a value of the wrong kind: {error}") from error

    @classmethod
    def from_json(cls, text: str) -> Architecture:
        """Parse `to_json`'s text.

        Raises:
            ArchitectureError: The text is not JSON, or not an architecture.
        """
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise ArchitectureError(f"the architecture is not valid JSON: {error}") from error
        return cls.from_dict(data)


def _block(data: Any) -> Block:
    fields = _fields(data, "a block", {"operator", "ffn_ratio"}, optional={"kernel"})
    kernel = fields.get("kernel")
    return Block(fields["operator"], float(fields["ffn_ratio"]), None if kernel is None else int(kernel))


def _fields(data: Any, what: str, names: set[str], optional: frozenset[str] | set[str] = frozenset()) -> dict:
    if not isinstance(data, dict):
        raise ArchitectureError(f"{what} is {type(data).__name__}; it must be an object with {sorted(names)}")
    missing, unknown = names - data.keys(), data.keys() - names - optional
    if missing or unknown:
        parts = [f"lacks {sorted(missing)}"] * bool(missing) + [f"has unknown {sorted(unknown)}"] * bool(
            unknown
        )
        raise ArchitectureError(f"{what} {' and '.join(parts)}; it needs {sorted(names)}")
    return data
