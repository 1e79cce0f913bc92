"""From the rows of a latency table to the cost of one architecture."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pandas as pd

from autonad.errors import LatencyError
from autonad.space import Architecture

Key = tuple[object, ...]


class Costs(Protocol):
    """Adds up the rows that an architecture uses."""

    def total(self, architecture: Architecture) -> float:
        """Sum in ms."""


class ProfileCosts:
    """Pieces measured alone; ratios and pool sizes between the measured ones are interpolated."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self._curves: dict[Key, tuple[list[float], list[float]]] = {}
        for row in _rows(frame):
            key, at = _profile_key(row)
            points, costs = self._curves.setdefault(key, ([], []))
            points.append(at)
            costs.append(float(row["ms"]))
        for key, (points, costs) in self._curves.items():
            order = np.argsort(points)
            self._curves[key] = ([points[i] for i in order], [costs[i] for i in order])

    def total(self, architecture: Architecture) -> float:
        """Sum in ms over stems, blocks, edges and the rest."""
        total, before = 0.0, 3
        for index, stage in enumerate(architecture.stages):
            total += self._cost(("stem", index, before, stage.width))
            for position, block in enumerate(stage.blocks):
                key = ("block", index, position, block.operator, block.kernel, stage.width)
                total += self._cost(key, block.ffn_ratio)
            before = stage.width
        widths = [stage.width for stage in architecture.stages]
        for name, operator in architecture.edge_items():
            number = int(name[-1])
            if name.startswith("pool"):
                # A map of side s has s² positions.
                total += self._cost(("edge", name, operator, widths[-1]), architecture.pools[number - 1] ** 2)
            else:
                in_width = widths[number - 1] if name.startswith("lateral") else architecture.mfam_width
                total += self._cost(("edge", name, operator, in_width))
        return total + self._cost(("rest", widths[-1]))

    def _cost(self, key: Key, at: float = 0.0) -> float:
        if key not in self._curves:
            raise _missing(key)
        points, costs = self._curves[key]
        return float(np.interp(at, points, costs))


class RecordCosts:
    """Effects estimated from training records, as `autonad.latency.records` writes them."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self._effects = {_record_key(row): float(row["ms"]) for row in _rows(frame)}
        # The ratio that the slope of a stage is relative to.
        self._ratios = {row["stage"]: float(row["ffn_ratio"]) for row in _rows(frame) if row["part"] == "ffn"}

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


def _profile_key(row: dict[str, Any]) -> tuple[Key, float]:
    """What is looked up, and where on its curve this row lies."""
    part = row["part"]
    if part == "block":
        genes = ("stage", "block", "operator", "kernel", "width")
        return (part, *(row[name] for name in genes)), float(row["ffn_ratio"])
    if part == "edge":
        return (part, row["edge"], row["operator"], row["in_width"]), float(row["side"] or 0) ** 2
    if part == "stem":
        return (part, row["stage"], row["in_width"], row["width"]), 0.0
    return (part, row["in_width"]), 0.0


def _record_key(row: dict[str, Any]) -> Key:
    names = {
        "block": ("stage", "block", "operator", "kernel"),
        "edge": ("edge", "operator"),
        "width": ("stage", "width"),
        "ffn": ("stage",),
    }.get(str(row["part"]), ())
    return (row["part"], *(row[name] for name in names))


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    plain = frame.astype(object).where(frame.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in plain.to_dict("records")]


def _missing(key: Key) -> LatencyError:
    what = " ".join(str(value) for value in key if value is not None)
    return LatencyError(
        f"the latency table has no row for {what}; it was made for another search space, or from too few "
        "records: run `autonad profile-latency` with the parameters of this search"
    )
