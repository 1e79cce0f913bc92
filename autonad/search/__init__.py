"""Algorithm 1 as ask and tell, and Pareto fronts. No torch in here."""

from autonad.search.evolution import Evolution, evolve
from autonad.search.ranking import Evaluation, Ranking

__all__ = ["Evaluation", "Evolution", "Ranking", "evolve"]
