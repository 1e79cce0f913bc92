"""A search space as data: the choices of every gene, what lies inside, and the two extremes."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any, Self

import yaml

from autonad.errors import ArchitectureError, ConfigError, one_line
from autonad.reading.bounds import folded
from autonad.space.architecture import (
    EDGE_OPERATORS,
    MAX_STAGES,
    MIN_STAGES,
    NUM_POOLS,
    OPERATORS,
    STEM_STRIDES,
    Architecture,
    Block,
    EdgeOperator,
    Operator,
    Stage,
    edge_names,
)
from autonad.space.choices import Mixer, StageSpace

# Genes of a whole network that the paper fixes; with a choice each in `edge` alone.
MACRO = ("scales", "stem_strides", "stage_counts")
_KINDS: dict[str, type] = {
    **dict.fromkeys(("operators", "edge_operators"), str),
    **dict.fromkeys(("kernels", "mfam_widths", "stem_strides", "stage_counts"), int),
    "scales": float,
}


@dataclass(frozen=True)
class SpaceDescription:
    """The choices of every gene (Table I and Section IV-C of the paper).

    Attributes:
        stages: Choices of the four encoder stages.
        operators: Operators that a block may use.
        kernels: Kernels that a convolution may use.
        edge_operators: Operators that an edge of the feature aggregation module may use.
        pool_sizes: Output sides that each of the four pooling branches may use.
        head_width: Channels of one attention head.
        mfam_widths: Channels that the feature aggregation module may have inside.
        scales: Sides of what the encoder may see, over the input's side.
        stem_strides: How much the first stage may reduce the scaled input.
        stage_counts: How many encoder stages a network may have.
    """

    stages: tuple[StageSpace, ...]
    operators: tuple[Operator, ...]
    kernels: tuple[int, ...]
    edge_operators: tuple[EdgeOperator, ...]
    pool_sizes: tuple[tuple[int, ...], ...]
    head_width: int
    mfam_widths: tuple[int, ...]
    scales: tuple[float, ...] = (1.0,)
    stem_strides: tuple[int, ...] = (max(STEM_STRIDES),)
    stage_counts: tuple[int, ...] = (MAX_STAGES,)

    def __post_init__(self) -> None:
        for name, have, need in (
            ("stages", self.stages, MAX_STAGES),
            ("pool_sizes", self.pool_sizes, NUM_POOLS),
        ):
            if len(have) != need:
                raise ConfigError(f"the search space has {len(have)} {name}; it needs exactly {need}")
        _check_names("operators", self.operators, OPERATORS)
        _check_names("edge_operators", self.edge_operators, EDGE_OPERATORS)
        _check_names("stem_strides", self.stem_strides, STEM_STRIDES)
        _check_names("stage_counts", self.stage_counts, range(MIN_STAGES, MAX_STAGES + 1))
        if not self.scales or not self.mfam_widths:
            raise ConfigError("the search space has no scales or no mfam_widths; give at least one of each")
        if "convolution" in self.operators and not self.kernels:
            raise ConfigError("the search space allows convolution but lists no kernels; add `kernels: [3]`")
        # The smallest and the largest member meet the conditions that every architecture must meet.
        self.smallest(), self.largest()

    @classmethod
    def preset(cls, name: str, operators: Sequence[str] | None = None) -> Self:
        """Load a preset by name, optionally restricted to some operators (Table V).

        Raises:
            ConfigError: No such preset, or an operator that the preset does not have.
        """
        folder = resources.files("autonad.space") / "presets"
        names = sorted(
            item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml")
        )
        if name not in names:
            raise ConfigError(f"there is no search space preset {name!r}; use one of {', '.join(names)}")
        space = cls.from_dict(yaml.safe_load((folder / f"{name}.yaml").read_text()))
        return space if operators is None else space.restrict(operators)

    def restrict(self, operators: Sequence[str]) -> Self:
        """The same space with fewer operators (Table V)."""
        _check_names("operators", operators, self.operators)
        return replace(self, operators=tuple(name for name in self.operators if name in operators))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Build a space from plain values.

        Raises:
            ConfigError: A field is missing, unknown or of the wrong kind.
        """
        try:
            values = dict(data)
            stages = tuple(
                StageSpace(
                    widths=tuple(int(width) for width in stage["widths"]),
                    depths=tuple(int(depth) for depth in stage["depths"]),
                    ffn_ratios=tuple(float(ratio) for ratio in stage["ffn_ratios"]),
                )
                for stage in values.pop("stages")
            )
            pools = tuple(tuple(int(side) for side in sides) for sides in values.pop("pool_sizes"))
            widths = values.pop("mfam_width")
            values["mfam_widths"] = widths if isinstance(widths, list) else [widths]
            for name, kind in _KINDS.items():
                if name in values:
                    values[name] = tuple(kind(value) for value in values[name])
            return cls(stages=stages, pool_sizes=pools, **values)
        except (KeyError, TypeError, ValueError, OverflowError, ArchitectureError) as error:
            raise ConfigError(
                f"the search space is malformed ({folded(one_line(error))}); compare it with a preset"
            ) from error

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `from_dict` gives back an equal space.

        What a space does not search beyond the paper is left out, or a single number.
        """
        widths = self.mfam_widths
        default = type(self)
        return {
            "stages": [
                {"widths": list(s.widths), "depths": list(s.depths), "ffn_ratios": list(s.ffn_ratios)}
                for s in self.stages
            ],
            "operators": list(self.operators),
            "kernels": list(self.kernels),
            "edge_operators": list(self.edge_operators),
            "pool_sizes": [list(sides) for sides in self.pool_sizes],
            "head_width": self.head_width,
            "mfam_width": list(widths) if len(widths) > 1 else widths[0],
            **{
                name: list(getattr(self, name))
                for name in MACRO
                if getattr(self, name) != getattr(default, name)
            },
        }

    @property
    def key(self) -> str:
        """First 12 hexadecimal digits of the sha256 of the canonical JSON."""
        canonical = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    @property
    def mixers(self) -> tuple[Mixer, ...]:
        """Every choice of operator and kernel, in a fixed order."""
        return tuple(
            Mixer(operator, kernel)
            for operator in self.operators
            for kernel in (self.kernels if operator == "convolution" else (None,))
        )

    def size(self) -> int:
        """Exact number of distinct architectures."""
        encoders = []
        for stage in self.stages:
            blocks = len(self.mixers) * len(stage.ffn_ratios)
            encoders.append(len(stage.widths) * sum(blocks**depth for depth in stage.depths))
        networks = sum(
            math.prod(encoders[:count]) * len(self.edge_operators) ** len(edge_names(count))
            for count in self.stage_counts
        )
        macro = len(self.scales) * len(self.stem_strides) * len(self.mfam_widths)
        return networks * macro * math.prod(len(sides) for sides in self.pool_sizes)

    def smallest(self) -> Architecture:
        """Least of every gene: narrowest, shallowest, first operator, smallest kernel."""
        return self._extreme(min)

    def largest(self) -> Architecture:
        """Most of every gene: widest, deepest, last operator, largest kernel."""
        return self._extreme(max)

    def _extreme(self, pick: Any) -> Architecture:
        mixer = self.mixers[0 if pick is min else -1]
        order = [name for name in EDGE_OPERATORS if name in self.edge_operators]
        cost = ("depthwise3x3", "conv1x1", "depthwise7x7", "dilated3x3", "conv3x3", "conv5x5")
        edge = pick(order, key=cost.index)
        count = pick(self.stage_counts)
        # A smaller stride is more of a network.
        stride = min(self.stem_strides) if pick is max else max(self.stem_strides)
        return Architecture(
            stages=tuple(
                Stage(
                    pick(stage.widths),
                    (Block(mixer.operator, pick(stage.ffn_ratios), mixer.kernel),) * pick(stage.depths),
                )
                for stage in self.stages[:count]
            ),
            edges=(edge,) * len(edge_names(count)),
            pools=tuple(pick(sides) for sides in self.pool_sizes),
            head_width=self.head_width,
            mfam_width=pick(self.mfam_widths),
            scale=pick(self.scales),
            stem_stride=stride,
        )

    def check(self, architecture: Architecture) -> None:
        """Make sure that an architecture lies in this space.

        Raises:
            ArchitectureError: Names the first gene outside, its value and the choices.
        """

        def need(what: str, value: object, choices: Sequence[object]) -> None:
            if value not in choices:
                raise ArchitectureError(
                    f"architecture {architecture.key} does not belong to this search space: {what} is "
                    f"{value}, the space has {', '.join(map(str, choices))}; use the preset that it was "
                    "searched in"
                )

        need("head_width", architecture.head_width, [self.head_width])
        need("mfam_width", architecture.mfam_width, self.mfam_widths)
        need("scale", architecture.scale, self.scales)
        need("stem_stride", architecture.stem_stride, self.stem_strides)
        need("number of stages", len(architecture.stages), self.stage_counts)
        mixers = {(mixer.operator, mixer.kernel): mixer.name for mixer in self.mixers}
        for number, (stage, choices) in enumerate(
            zip(architecture.stages, self.stages, strict=False), start=1
        ):
            need(f"width of stage {number}", stage.width, choices.widths)
            need(f"depth of stage {number}", len(stage.blocks), choices.depths)
            for index, block in enumerate(stage.blocks, start=1):
                where = f"block {index} of stage {number}"
                need(f"FFN ratio of {where}", block.ffn_ratio, choices.ffn_ratios)
                name = Mixer(block.operator, block.kernel).name
                need(f"operator of {where}", name, tuple(mixers.values()))
        for edge, operator in architecture.edge_items():
            need(f"edge {edge}", operator, self.edge_operators)
        for number, (side, sides) in enumerate(
            zip(architecture.pools, self.pool_sizes, strict=True), start=1
        ):
            need(f"pool size {number}", side, sides)


def _check_names(what: str, names: Sequence[object], allowed: Sequence[object]) -> None:
    unknown = [name for name in names if name not in allowed]
    if unknown or not names:
        got = folded(", ".join(map(str, unknown)), 60) if unknown else "nothing"
        raise ConfigError(f"{what} holds {got}; choose one or more of {', '.join(map(str, allowed))}")
