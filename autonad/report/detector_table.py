"""The detectors of one run, where it made one for each of several budgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autonad.report.compared import FIGURES, Compared
from autonad.report.kit import Table
from autonad.report.units import ABSENT, milliseconds

# What people ask first.
FIRST = ("test/miou", "test/mf1", "model/parameters")


@dataclass(frozen=True)
class MadeDetector:
    """One of several detectors of a run.

    Attributes:
        name: What it is for, `<target>-<budget>`.
        run: What its steps logged.
        registration: Content of `registration.json`; None without one.
    """

    name: str
    run: Compared
    registration: Mapping[str, Any] | None = None

    @property
    def in_use(self) -> bool:
        """Whether it has the alias champion."""
        return self.registration is not None and bool(self.registration.get("champion"))


def detectors_table(detectors: Sequence[MadeDetector]) -> dict[str, Any]:
    """Each detector with what people ask first, and why it is in use or not: a table and sentences."""
    figures = [next(one for one in FIGURES if one.metric == metric) for metric in FIRST]
    rows, reasons = [], []
    for one in detectors:
        decided = one.registration or {}
        model, version = decided.get("model", ABSENT), decided.get("version")
        latency = one.run.value("latency/p50_ms", ("register", "export"))
        rows.append(
            (
                one.name,
                model if version is None else f"{model}, version {version}",
                "yes" if one.in_use else "no",
                *(figure.cell(one.run) for figure in figures),
                ABSENT if latency is None else milliseconds(latency),
                one.run.architecture.key if one.run.architecture else ABSENT,
            )
        )
        reasons += [f"{one.name}: {reason}" for reason in decided.get("reasons", ())]
    labels = (figure.label for figure in figures)
    header = ("For", "Detector", "In use", *labels, "Latency, median", "Architecture")
    return {"table": Table(header, rows, "A detector for each budget"), "reasons": reasons}


def figures_of(detectors: Sequence[MadeDetector]) -> Table:
    """All figures of a comparison, a column for each detector."""
    rows = [(figure.label, *(figure.cell(one.run) for one in detectors)) for figure in FIGURES]
    header = ("Figure", *(one.name for one in detectors))
    caption = "What was measured; latencies are those of the pod that exported"
    return Table(header, [row for row in rows if set(row[1:]) != {ABSENT}], caption)
