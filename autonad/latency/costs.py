"""From the rows of a latency table to the cost of one architecture.

Needs no pandas, so that a device can tell whether what it measured adds up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from autonad.errors import LatencyError
from autonad.space import Architecture

Key = tuple[object, ...]
# A row of the table; what does not apply to its part is None.
Row = Mapping[str, Any]


class Costs(Protocol):
    """Adds up the rows that an architecture uses."""

    def total(self, architecture: Architecture) -> float:
        """Sum in ms."""


class ProfileCosts:
    """Pieces measured alone.

    What is a choice of kind (operator, kernel, place) is looked up. What moves a cost along a curve is
    interpolated linearly between the measured points: channels in and out, the feed-forward ratio, the number
    of positions (the square of the resolution, or of a pooled map's side).
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        points: dict[Key, dict[tuple[float, ...], float]] = {}
        for row in rows:
            key, at = _profile_key(row)
            points.setdefault(key, {})[at] = float(row["ms"])
        self._grids = {key: Grid.of(found) for key, found in points.items()}
        self._known: dict[tuple[Key, tuple[float, ...]], float] = {}

    def total(self, architecture: Architecture) -> float:
        """Sum in ms over stems, blocks, edges and the rest."""
        at: tuple[float, ...]
        stages = architecture.stages
        areas = [architecture.resolution(index) ** 2 for index in range(len(stages))]
        total = self._cost(
            ("stem", 0, architecture.scale, architecture.stem_stride), (3, stages[0].width, 0.0)
        )
        for index, stage in enumerate(stages):
            if index > 0:
                total += self._cost(
                    ("stem", index, None, None), (stages[index - 1].width, stage.width, areas[index])
                )
            for position, block in enumerate(stage.blocks):
                key = ("block", index, position, block.operator, block.kernel, stage.width)
                total += self._cost(key, (block.ffn_ratio, areas[index]))
        for name, operator in architecture.edge_items():
            number = int(name[-1])
            if name.startswith("pool"):
                # A map of side s has s² positions.
                at = (stages[-1].width, architecture.mfam_width, architecture.pools[number - 1] ** 2)
            else:
                in_width = stages[number - 1].width if name.startswith("lateral") else architecture.mfam_width
                at = (in_width, architecture.mfam_width, areas[number - 1])
            total += self._cost(("edge", name, operator), at)
        return total + self._cost(
            ("rest", len(stages)), (stages[-1].width, architecture.mfam_width, areas[0])
        )

    def _cost(self, key: Key, at: tuple[float, ...]) -> float:
        if (key, at) not in self._known:
            if key not in self._grids:
                raise _missing(key)
            self._known[key, at] = self._grids[key].value(at)
        return self._known[key, at]


@dataclass(frozen=True)
class Grid:
    """Costs at the crossings of a grid.

    Attributes:
        axes: Sorted coordinates of every axis.
        values: ms, one axis of the array per axis.
    """

    axes: tuple[NDArray[np.float64], ...]
    values: NDArray[np.float64]

    @classmethod
    def of(cls, points: Mapping[tuple[float, ...], float]) -> Grid:
        """From the cost at every crossing.

        Raises:
            LatencyError: A crossing is missing.
        """
        axes = tuple(np.unique(values) for values in zip(*points, strict=True))
        values = np.full([len(axis) for axis in axes], np.nan)
        for at, ms in points.items():
            values[tuple(int(np.searchsorted(axis, x)) for axis, x in zip(axes, at, strict=True))] = ms
        if np.isnan(values).any():
            lacking = int(np.isnan(values).sum())
            raise LatencyError(
                f"the latency table lacks {lacking} costs; run `autonad profile-latency` again"
            )
        return cls(axes, values)

    def value(self, at: Sequence[float]) -> float:
        """Multilinear between the crossings; beyond the ends their cost."""
        values = self.values
        for axis, x in zip(self.axes, at, strict=True):
            upper = int(np.clip(np.searchsorted(axis, x), 1, max(1, len(axis) - 1)))
            if len(axis) == 1:
                values = values[0]
                continue
            low, high = axis[upper - 1], axis[upper]
            share = np.clip((x - low) / (high - low), 0.0, 1.0)
            values = (1 - share) * values[upper - 1] + share * values[upper]
        return float(values)


class RecordCosts:
    """Effects estimated from training records, as `autonad.latency.regression` finds them."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._effects = {_record_key(row): float(row["ms"]) for row in rows}
        # The ratio that the slope of a stage is relative to.
        self._ratios = {row["stage"]: float(row["ffn_ratio"]) for row in rows if row["part"] == "ffn"}

    def total(self, architecture: Architecture) -> float:
        """Sum in ms of constant, blocks, widths, feed-forward ratios and edges."""
        total = self._effect(("rest",))
        for index, stage in enumerate(architecture.stages):
            total += self._effect(("width", index, stage.width))
            for position, block in enumerate(stage.blocks):
                total += self._effect(("block", index, position, block.operator, block.kernel))
                total += self._effect(("ffn", index)) * (block.ffn_ratio - self._ratios[index])
        edges = architecture.edge_items()
        return total + sum(self._effect(("edge", name, operator)) for name, operator in edges)

    def _effect(self, key: Key) -> float:
        if key not in self._effects:
            raise _missing(key)
        return self._effects[key]


def _profile_key(row: Row) -> tuple[Key, tuple[float, ...]]:
    """What is looked up, and where on its grid this row lies."""
    area = float(row["resolution"] or 0.0) ** 2
    match row["part"]:
        case "block":
            genes = ("part", "stage", "block", "operator", "kernel", "width")
            return tuple(row[name] for name in genes), (float(row["ffn_ratio"]), area)
        case "edge":
            at = (float(row["in_width"]), float(row["width"]), float(row["side"] or 0) ** 2 or area)
            return ("edge", row["edge"], row["operator"]), at
        case "stem":
            at = (float(row["in_width"]), float(row["width"]), area)
            return ("stem", row["stage"], row["scale"], row["stem_stride"]), at
    return ("rest", row["stages"]), (float(row["in_width"]), float(row["width"]), area)


def _record_key(row: Row) -> Key:
    names = {
        "block": ("stage", "block", "operator", "kernel"),
        "edge": ("edge", "operator"),
        "width": ("stage", "width"),
        "ffn": ("stage",),
    }.get(str(row["part"]), ())
    return (row["part"], *(row[name] for name in names))


def _missing(key: Key) -> LatencyError:
    what = " ".join(str(value) for value in key if value is not None)
    return LatencyError(
        f"the latency table has no row for {what}; it was made for another search space, or from too few "
        "records: run `autonad profile-latency` with the parameters of this search"
    )
