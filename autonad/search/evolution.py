"""Algorithm 1 of the paper: evolution search with a latency-aware prior.

Where the paper leaves a choice, or prints something that cannot be meant:

- p_m is the rate per gene (as in the released code), not of the whole step; p_c is per pair of parents.
- Each generation has N children: half from mutation and half from crossover. As printed, line 13 would
  overwrite the mutants of line 10.
- A pair that is not crossed (probability 1 − p_c) passes on its first parent, which is then mutated:
  unchanged it would be a duplicate. A rate of zero turns its operator off and leaves all children to the
  other.
- Parents compete with their children (line 15), so the best never gets worse; the last generation is ranked
  too.
"""

from __future__ import annotations

from collections.abc import Iterable

from autonad.config import SearchConfig
from autonad.search.ask_tell import AskTell
from autonad.search.breeding import Breeder
from autonad.search.goals import Goal
from autonad.search.population import Candidate
from autonad.space import UNIFORM, SamplingPrior, SearchSpace


class Evolution(AskTell):
    """Algorithm 1, for one target and at most one budget.

    Args:
        space: What may be returned.
        settings: Numbers of Algorithm 1.
        prior: Biases the first population and the mutations (P_lat); uniform by default.
        seed: Of the search's own generator.
        target_name: What the target is called.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        settings: SearchConfig,
        prior: SamplingPrior = UNIFORM,
        seed: int = 0,
        target_name: str = "the target",
    ) -> None:
        (budget_ms,) = settings.budgets_ms
        goal = Goal(0, budget_ms, target_name)
        super().__init__(space, settings=settings, goals=[goal], prior=prior, seed=seed)
        self._breeder = Breeder(space, settings, prior, self._rng)

    def _bred(self) -> Iterable[Candidate]:
        """Joining parents and children (line 15) needs no step of its own.

        Top-k of everything is top-k of both, since parents are the top-k of everything before.
        """
        if self.generation == 0:
            return self._breeder.first_population()
        parents = [item.architecture for item in self.finalists(self.settings.top_k)]
        return self._breeder.children(parents, self._candidates, self.generation + 1)
