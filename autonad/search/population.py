"""What a search has tried: every architecture, where it comes from, and what it scored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from autonad.reading.table_checks import COUNT, NUMBER, TEXT, Column
from autonad.search.ranking import Evaluation, Ranking, checked
from autonad.space import Architecture

COLUMNS = (
    "generation",
    "key",
    "origin",
    "parents",
    "miou",
    "latency_ms",
    "score",
    "feasible",
    "architecture",
)


# As `population.parquet` has them.
POPULATION = {
    "generation": COUNT,
    **dict.fromkeys(("key", "origin", "parents"), TEXT),
    "miou": Column("number", least=0, most=1),
    "latency_ms": Column("number", least=0, most=1e9),
    "score": NUMBER,
    "feasible": Column("truth"),
    "architecture": TEXT,
}


@dataclass
class Candidate:
    """An architecture that was asked: where it comes from, and what it scored once that is told.

    Attributes:
        architecture: What was asked.
        generation: From 1.
        origin: "plain", "sample", "mutation" or "crossover".
        parents: Keys of the architectures it was made from.
        evaluation: None while it is pending.
    """

    architecture: Architecture
    generation: int
    origin: str
    parents: tuple[str, ...]
    evaluation: Evaluation | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        told = self.evaluation
        return {
            "key": self.architecture.key,
            "architecture": self.architecture.to_dict(),
            "generation": self.generation,
            "origin": self.origin,
            "parents": list(self.parents),
            "miou": None if told is None else told.miou,
            "latency_ms": None if told is None else told.latency_ms,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Candidate:
        """What `to_dict` gave.

        Raises:
            KeyError, TypeError, ValueError, ArchitectureError, SearchError: It is none.
        """
        architecture = Architecture.from_dict(data["architecture"])
        evaluation = None
        if data["miou"] is not None:
            evaluation = checked(Evaluation(architecture, data["miou"], data["latency_ms"]))
        parents = tuple(str(key) for key in data["parents"])
        return cls(architecture, int(data["generation"]), str(data["origin"]), parents, evaluation)


def population_table(told: Iterable[tuple[Candidate, Evaluation]], ranking: Ranking) -> pd.DataFrame:
    """Every evaluation as a row, in the order given; each with its candidate."""
    rows = [
        (
            candidate.generation,
            candidate.architecture.key,
            candidate.origin,
            ",".join(candidate.parents),
            evaluation.miou,
            evaluation.latency_ms,
            ranking.score(evaluation),
            ranking.feasible(evaluation),
            candidate.architecture.to_json(),
        )
        for candidate, evaluation in told
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))
