"""Algorithm 1 as ask and tell, and Pareto fronts. No torch in here."""

from autonad.search.ask_tell import AskTell, evolve
from autonad.search.evolution import Evolution
from autonad.search.ranking import Evaluation, Ranking

__all__ = ["AskTell", "Evaluation", "Evolution", "Ranking", "evolve"]
