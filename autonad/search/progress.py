"""How a search goes, generation by generation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from autonad.search.pareto import front, hypervolume, objectives

if TYPE_CHECKING:
    from autonad.search.ask_tell import AskTell


def by_generation(population: pd.DataFrame) -> pd.DataFrame:
    """How a search went, one row per generation.

    Args:
        population: `population_table(...)`.

    Returns:
        Columns generation, best_score and best_miou (so far, of those within the goal's budget, or of all
        while none is), mean_score, mean_miou, mean_latency_ms, evaluations (so far).
    """
    so_far = [population[population["generation"] <= number] for number in _generations(population)]
    grouped = population.groupby("generation")
    table = pd.DataFrame(
        {
            "best_score": [counting(rows)["score"].max() for rows in so_far],
            "mean_score": grouped["score"].mean(),
            "best_miou": [counting(rows)["miou"].max() for rows in so_far],
            "mean_miou": grouped["miou"].mean(),
            "mean_latency_ms": grouped["latency_ms"].mean(),
            "evaluations": grouped.size().cumsum(),
        }
    )
    return table.reset_index()


def _generations(population: pd.DataFrame) -> list[int]:
    return sorted(population["generation"].unique().tolist())


def counting(population: pd.DataFrame) -> pd.DataFrame:
    """The rows within the goal's budget; all where none is."""
    within = population[population["feasible"]]
    return within if len(within) else population


def generation_metrics(search: AskTell) -> dict[str, float]:
    """The figures of the running generation for the first goal, by the names that they have in MLflow."""
    population = search.table()
    best = counting(population)
    latest, first = (population[population["generation"] == g] for g in (search.generation, 1))
    return {
        "search/best_score": float(best["score"].max()),
        "search/mean_score": float(latest["score"].mean()),
        "search/best_miou": float(best["miou"].max()),
        "search/mean_miou": float(latest["miou"].mean()),
        "search/best_latency_ms": search.best.latency_ms,
        "search/mean_latency_ms": float(latest["latency_ms"].mean()),
        "search/evaluations": float(len(population)),
        "search/front_size": float(len(front(population))),
        # Reference: no mIoU at all, and the slowest of the first population; it stays the same over
        # generations.
        "search/hypervolume": hypervolume(objectives(population), (1.0, float(first["latency_ms"].max()))),
        "search/lambda": search.ranking(search.goals[0]).latency_weight,
    }
