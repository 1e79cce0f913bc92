"""Algorithm 1 as ask and tell, and Pareto fronts. No torch in here."""

from autonad.search.evolution import Evolution
from autonad.search.ranking import Evaluation, Ranking
from autonad.search.settings import EvolutionSettings

__all__ = ["Evaluation", "Evolution", "EvolutionSettings", "Ranking"]
