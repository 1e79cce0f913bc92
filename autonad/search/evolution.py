"""Algorithm 1, evolution search with a latency-aware prior, as ask and tell.

Pure and seeded: it trains nothing, measures nothing, writes nothing and never imports torch. Whoever calls it
evaluates what `ask` returns and hands the figures to `tell`, all at once or one by one.

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

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from autonad.config import SearchConfig
from autonad.errors import ArchitectureError, SearchError
from autonad.search.breeding import Breeder
from autonad.search.population import Candidate, population_table
from autonad.search.ranking import Evaluation, Ranking, checked
from autonad.search.state import evaluation_entry, prior_key, unreadable
from autonad.space import UNIFORM, Architecture, SamplingPrior, SearchSpace

# λ "auto": in the first population, one standard deviation of latency costs this share of one of mIoU.
AUTO_SHARE = 0.5
# What may differ in a search that goes on: the number of generations may grow, the budget only ranks what was
# evaluated, and the finalists are measured after it.
FREE = {"generations", "latency_budget_ms", "finalists"}


class Evolution:
    """One search.

    Args:
        space: What may be returned.
        settings: Numbers of Algorithm 1.
        prior: Biases the first population and the mutations (P_lat); uniform by default.
        seed: Of the search's own generator.
    """

    def __init__(
        self, space: SearchSpace, *, settings: SearchConfig, prior: SamplingPrior = UNIFORM, seed: int = 0
    ) -> None:
        self.space, self.settings = space, settings
        self.prior, self.seed = prior, seed
        self.generation = 0  # the running one, from 1; 0 before the first `ask`
        self._rng = np.random.default_rng(seed)
        self._breeder = Breeder(space, settings, prior, self._rng)
        self._candidates: dict[str, Candidate] = {}  # by architecture key, in the order they were asked
        self._converged = False

    # -- ask and tell ----------------------------------------------------------------------------------------

    def ask(self) -> list[Architecture]:
        """Architectures to evaluate next, the same until all of them are told; none when the search is done.

        Raises:
            SearchError: No population of distinct architectures can be drawn.
        """
        if not self.done and not self._pending():
            self._breed()
        return [candidate.architecture for candidate in self._pending()]

    def tell(self, evaluations: Iterable[Evaluation]) -> None:
        """Report what architectures of the last `ask` scored; all of them, or some at a time, in any order.

        Raises:
            SearchError: An architecture was not asked for or is told twice, or a figure is impossible;
                nothing of the call is kept then.
        """
        told = [checked(evaluation) for evaluation in evaluations]
        pending = {candidate.architecture.key for candidate in self._pending()}
        for evaluation in told:
            if evaluation.architecture.key not in pending:
                raise SearchError(
                    f"architecture {evaluation.architecture.key} was told, but it is not waiting for an "
                    "evaluation; tell each architecture that ask() returned once"
                )
            pending.remove(evaluation.architecture.key)
        for evaluation in told:
            self._candidates[evaluation.architecture.key].evaluation = evaluation

    @property
    def done(self) -> bool:
        """Whether every generation is told, or nothing new is left to try."""
        if self._pending():
            return False
        return self._converged or self.generation >= self.settings.generations

    # -- results ---------------------------------------------------------------------------------------------

    @property
    def latency_weight(self) -> float:
        """λ in mIoU per ms. With "auto" the first population decides; provisional until all of it is told."""
        if self.settings.latency_weight != "auto":
            return float(self.settings.latency_weight)
        first = [item.evaluation for item in self._candidates.values() if item.generation == 1]
        found = [(told.miou, told.latency_ms) for told in first if told is not None]
        miou, latency_ms = np.std(found, axis=0) if found else (0.0, 0.0)
        return float(AUTO_SHARE * miou / latency_ms) if latency_ms > 0 else 0.0

    @property
    def ranking(self) -> Ranking:
        """How architectures compare: within the budget first, then by score."""
        return Ranking(self.latency_weight, self.settings.latency_budget_ms)

    @property
    def best(self) -> Evaluation:
        """α*: the best evaluation so far (line 18). Above the budget only when nothing within it was found.

        Raises:
            SearchError: Nothing has been told yet.
        """
        return self.finalists(1)[0]

    def finalists(self, count: int) -> list[Evaluation]:
        """The best evaluations so far, best first, to be measured rather than predicted before one is chosen.

        Raises:
            SearchError: Nothing has been told yet.
        """
        evaluations = self._evaluations()
        if not evaluations:
            raise SearchError("the search has no evaluation yet; tell() what ask() returned first")
        return self.ranking.sort(evaluations)[:count]

    def table(self) -> pd.DataFrame:
        """Every evaluation, in the order the architectures were asked.

        Returns:
            Columns generation, key, origin ("sample", "mutation", "crossover"), parents (keys, comma
            separated), miou (fraction), latency_ms, score, feasible, architecture (JSON).
        """
        return population_table(self._candidates.values(), self.ranking)

    # -- resuming --------------------------------------------------------------------------------------------

    def state_dict(self, since: int = 1) -> dict[str, Any]:
        """What going on needs, as JSON values: generator, and every candidate with its evaluation.

        Args:
            since: Leave out the candidates of the generations before this one, which were kept when they ran;
                see `merged`.
        """
        return {
            "identity": self._identity(),
            "generation": self.generation,
            "converged": self._converged,
            "rng": self._rng.bit_generator.state,
            "candidates": [one.to_dict() for one in self._candidates.values() if one.generation >= since],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken; the search then ends bit for bit as if never interrupted.

        Raises:
            SearchError: The state is malformed or of a search with another space, prior, seed or settings.
                More generations than before are allowed. The search is left as it was.
        """
        try:
            saved, own = state["identity"], self._identity()
            different = [name for name in own if saved[name] != own[name]]
            if different:
                changes = ", ".join(f"{name} was {saved[name]}, now {own[name]}" for name in different)
                raise SearchError(
                    f"the saved search is another one: {changes}; put the parameters back, or start a new "
                    "search in an empty output folder"
                )
            generation, converged = int(state["generation"]), bool(state["converged"])
            if self.settings.generations < generation:
                raise SearchError(
                    f"the saved search is in generation {generation}, the parameters allow "
                    f"{self.settings.generations}; allow at least as many"
                )
            candidates = {one.architecture.key: one for one in map(Candidate.from_dict, state["candidates"])}
            self._rng.bit_generator.state = state["rng"]
        except (KeyError, TypeError, ValueError, ArchitectureError) as error:
            raise unreadable(error) from error
        self.generation, self._converged, self._candidates = generation, converged, candidates

    def _identity(self) -> dict[str, Any]:
        """What must be equal for a search to be the same."""
        settings = self.settings.model_dump(exclude=FREE)
        return {"space": self.space.key, "prior": prior_key(self.prior), "seed": self.seed, **settings}

    # -- Algorithm 1 -----------------------------------------------------------------------------------------

    def _breed(self) -> None:
        """Fill the next generation with architectures that were never asked before.

        Joining parents and children (line 15) needs no step of its own: top-k of everything is top-k of
        both, since parents are the top-k of everything before.
        """
        if self.generation == 0:
            bred = self._breeder.first_population()
        else:
            parents = [item.architecture for item in self.finalists(self.settings.top_k)]
            bred = list(self._breeder.children(parents, self._candidates, self.generation + 1))
        if bred:
            self.generation += 1
            self._candidates |= {candidate.architecture.key: candidate for candidate in bred}
        else:
            self._converged = True

    def _pending(self) -> list[Candidate]:
        return [candidate for candidate in self._candidates.values() if candidate.evaluation is None]

    def _evaluations(self) -> list[Evaluation]:
        return [item.evaluation for item in self._candidates.values() if item.evaluation is not None]


def evolve(
    evolution: Evolution,
    evaluate: Callable[[Architecture], Evaluation],
    *,
    keep: Callable[[dict[str, Any]], None],
    finished: Callable[[], None],
) -> None:
    """Run a search from where it stands to its end.

    Args:
        evolution: The search.
        evaluate: Scores one architecture.
        keep: Receives what going on needs, entry by entry: `merged` puts them together.
        finished: Called after each generation.
    """
    while asked := evolution.ask():
        keep(evolution.state_dict(since=evolution.generation))
        for architecture in asked:
            evaluation = checked(evaluate(architecture))
            evolution.tell([evaluation])
            keep(evaluation_entry(evaluation))
        finished()
