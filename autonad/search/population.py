"""What a search has tried: every architecture, where it comes from, and what it scored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from autonad.search.ranking import Evaluation, Ranking
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


@dataclass
class Record:
    """An architecture that was asked: where it comes from, and what it scored once that is told.

    Attributes:
        architecture: What was asked.
        generation: From 1.
        origin: "sample", "mutation" or "crossover".
        parents: Keys of the architectures it was made from.
        evaluation: None while it is pending.
    """

    architecture: Architecture
    generation: int
    origin: str
    parents: tuple[str, ...]
    evaluation: Evaluation | None = None


def population_table(records: Iterable[Record], ranking: Ranking) -> pd.DataFrame:
    """Every evaluation as a row, in the order of `records`; the pending ones are left out."""
    rows = [
        (
            record.generation,
            record.architecture.key,
            record.origin,
            ",".join(record.parents),
            told.miou,
            told.latency_ms,
            ranking.score(told),
            ranking.feasible(told),
            record.architecture.to_json(),
        )
        for record in records
        if (told := record.evaluation) is not None
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def by_generation(population: pd.DataFrame) -> pd.DataFrame:
    """How a search went, one row per generation.

    Args:
        population: `population_table(...)`.

    Returns:
        Columns generation, best_score (of all so far), mean_score, best_miou (of all so far), mean_miou,
        mean_latency_ms, evaluations (so far).
    """
    grouped = population.groupby("generation")
    table = pd.DataFrame(
        {
            "best_score": grouped["score"].max().cummax(),
            "mean_score": grouped["score"].mean(),
            "best_miou": grouped["miou"].max().cummax(),
            "mean_miou": grouped["miou"].mean(),
            "mean_latency_ms": grouped["latency_ms"].mean(),
            "evaluations": grouped.size().cumsum(),
        }
    )
    return table.reset_index()
