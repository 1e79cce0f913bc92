"""Searching the supernet as ask and tell: NSGA-II and the paper's Algorithm 1. No torch in here."""

from autonad.search.ask_tell import AskTell, evolve
from autonad.search.evolution import Evolution
from autonad.search.nsga2 import Nsga2
from autonad.search.ranking import Evaluation, Ranking

__all__ = ["AskTell", "Evaluation", "Evolution", "Nsga2", "Ranking", "evolve"]
