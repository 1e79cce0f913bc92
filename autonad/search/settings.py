"""The numbers of Algorithm 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from autonad.errors import SearchError


@dataclass(frozen=True, kw_only=True)
class EvolutionSettings:
    """Numbers of Algorithm 1; the defaults are the paper's (Section V-B).

    Attributes:
        population: Architectures per generation, N.
        generations: Generations that are evaluated, the first population included, G.
        top_k: Parents per generation.
        mutation_rate: Probability that a gene changes, p_m.
        crossover_rate: Probability that a pair of parents is crossed, p_c.
        latency_weight: λ, in mIoU (a fraction) per ms; with "auto", one standard deviation of latency
            costs half of one of mIoU in the first population.
        latency_budget_ms: Upper bound of the latency in ms; None without one.
    """

    population: int = 100
    generations: int = 50
    top_k: int = 10
    mutation_rate: float = 0.2
    crossover_rate: float = 0.4
    latency_weight: float | Literal["auto"] = "auto"
    latency_budget_ms: float | None = None

    def __post_init__(self) -> None:
        for name, least in (("population", 1), ("generations", 1), ("top_k", 1)):
            if getattr(self, name) < least:
                raise SearchError(f"{name} is {getattr(self, name)}; it must be at least {least}")
        for name in ("mutation_rate", "crossover_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise SearchError(f"{name} is {getattr(self, name)}; it must lie between 0 and 1")
        if self.latency_weight != "auto" and not 0 <= self.latency_weight < float("inf"):
            raise SearchError(f'latency_weight is {self.latency_weight}; it must be at least 0, or "auto"')
        if self.latency_budget_ms is not None and not self.latency_budget_ms > 0:
            raise SearchError(f"latency_budget_ms is {self.latency_budget_ms}; it must be above 0, or absent")
