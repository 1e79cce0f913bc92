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

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from autonad.errors import SearchError
from autonad.search.population import Record, population_table
from autonad.search.ranking import Evaluation, Ranking, checked
from autonad.search.settings import EvolutionSettings
from autonad.search.state import load_state, make_state
from autonad.space import UNIFORM, Architecture, SamplingPrior, SearchSpace

# λ "auto": in the first population, one standard deviation of latency costs this share of one of mIoU.
AUTO_SHARE = 0.5
# Draws for one new architecture before giving up; a draw costs microseconds, an evaluation seconds.
MAX_DRAWS = 200


class Evolution:
    """One search.

    Args:
        space: What may be returned.
        settings: Numbers of Algorithm 1.
        prior: Biases the first population and the mutations (P_lat); uniform by default.
        seed: Of the search's own generator.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        settings: EvolutionSettings | None = None,
        prior: SamplingPrior = UNIFORM,
        seed: int = 0,
    ) -> None:
        self.space, self.settings = space, settings or EvolutionSettings()
        self.prior, self.seed = prior, seed
        self.generation = 0  # the running one, from 1; 0 before the first `ask`
        self._rng = np.random.default_rng(seed)
        self._records: dict[str, Record] = {}  # by architecture key, in the order they were asked
        self._latency_weight: float | None = None
        self._converged = False
        if self.settings.latency_weight != "auto":
            self._latency_weight = float(self.settings.latency_weight)

    # -- ask and tell ----------------------------------------------------------------------------------------

    def ask(self) -> list[Architecture]:
        """Architectures to evaluate next, the same until all of them are told; none when the search is done.

        Raises:
            SearchError: No population of distinct architectures can be drawn.
        """
        if not self.done and not self._pending():
            self._breed()
        return [record.architecture for record in self._pending()]

    def tell(self, evaluations: Iterable[Evaluation]) -> None:
        """Report what architectures of the last `ask` scored; all of them, or some at a time, in any order.

        Raises:
            SearchError: An architecture was not asked for or is told twice, or a figure is impossible;
                nothing of the call is kept then.
        """
        told = [checked(evaluation) for evaluation in evaluations]
        pending = {record.architecture.key for record in self._pending()}
        for evaluation in told:
            if evaluation.architecture.key not in pending:
                raise SearchError(
                    f"architecture {evaluation.architecture.key} was told, but it is not waiting for an "
                    "evaluation; tell each architecture that ask() returned once"
                )
            pending.remove(evaluation.architecture.key)
        for evaluation in told:
            self._records[evaluation.architecture.key].evaluation = evaluation
        if self._latency_weight is None and self.generation == 1 and not pending:
            self._latency_weight = self._auto_weight()

    @property
    def done(self) -> bool:
        """Whether every generation is told, or nothing new is left to try."""
        if self._pending():
            return False
        return self._converged or self.generation >= self.settings.generations

    # -- results ---------------------------------------------------------------------------------------------

    @property
    def latency_weight(self) -> float:
        """λ in mIoU per ms. With "auto" it is provisional until the first population is told."""
        return self._auto_weight() if self._latency_weight is None else self._latency_weight

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
        return population_table(self._records.values(), self.ranking)

    # -- resuming --------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Everything that going on needs, as JSON values: generator, λ, every architecture and evaluation."""
        return make_state(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken; the search then ends bit for bit as if never interrupted.

        Raises:
            SearchError: The state is malformed or of a search with another space, prior, seed or settings.
                More generations than before are allowed.
        """
        load_state(self, state)

    # -- Algorithm 1 -----------------------------------------------------------------------------------------

    def _breed(self) -> None:
        """Fill the next generation with architectures that were never asked before."""
        children = list(self._first_population() if self.generation == 0 else self._children())
        if children:
            self.generation += 1
        else:
            self._converged = True

    def _first_population(self) -> Iterator[Record]:
        """Line 2: P ← samples of A, biased by P_lat."""
        wanted = min(self.settings.population, self.space.size())
        found = 0
        for _ in range(wanted):
            record = self._new("sample", ())
            if record is None:
                break
            found += 1
            yield record
        # A space not much larger than the population is worth less than its last members; a prior that keeps
        # drawing the same few architectures of a large space is a mistake.
        if found < wanted and self.space.size() > 10 * self.settings.population:
            self._records.clear()
            raise SearchError(
                f"only {found} distinct architectures of {wanted} were found in {MAX_DRAWS} draws each; "
                "raise the temperature of the latency prior, or lower the population"
            )

    def _children(self) -> Iterator[Record]:
        """Lines 6-15: top-k parents, mutation and crossover, children joined with the parents.

        Joining needs no step of its own: top-k of the whole record is top-k of parents and children, since
        parents are the top-k of everything before.
        """
        settings = self.settings
        parents = [item.architecture for item in self.ranking.sort(self._evaluations())[: settings.top_k]]
        crossing = settings.crossover_rate > 0 and len(parents) > 1
        mutating = settings.mutation_rate > 0
        if not crossing and not mutating:
            return
        num_crossed = settings.population // 2 if mutating else settings.population
        for slot in range(settings.population):
            crossed = crossing and slot >= settings.population - num_crossed
            if crossed and mutating:
                crossed = self._rng.random() < settings.crossover_rate  # line 12
            record = (
                self._new("crossover" if crossed else "mutation", parents) if crossed or mutating else None
            )
            if record is None and mutating:
                # Parents too alike to cross, or a nearly exhausted space: mutate, then draw afresh.
                record = (self._new("mutation", parents) if crossed else None) or self._new("sample", ())
            if record is None:
                return
            yield record

    def _new(self, origin: str, parents: list[Architecture] | tuple[()]) -> Record | None:
        """One architecture that was never asked before, recorded; None when the draws are used up."""
        for _ in range(MAX_DRAWS):
            chosen: list[Architecture] = []
            if origin == "sample":
                child = self.space.sample(self._rng, self.prior)
            elif origin == "mutation":  # lines 9-11, biased by P_lat
                chosen = [parents[int(self._rng.integers(len(parents)))]]
                child = self.space.mutate(chosen[0], self._rng, self.settings.mutation_rate, self.prior)
            else:  # lines 12-14
                one, two = self._rng.choice(len(parents), size=2, replace=False)
                chosen = [parents[int(one)], parents[int(two)]]
                child = self.space.crossover(chosen[0], chosen[1], self._rng)
            if child.key not in self._records:
                keys = tuple(parent.key for parent in chosen)
                self._records[child.key] = record = Record(child, self.generation + 1, origin, keys)
                return record
        return None

    def _auto_weight(self) -> float:
        found = [(item.miou, item.latency_ms) for item in self._evaluations()]
        miou, latency_ms = np.std(found, axis=0) if found else (0.0, 0.0)
        return float(AUTO_SHARE * miou / latency_ms) if latency_ms > 0 else 0.0

    def _pending(self) -> list[Record]:
        return [record for record in self._records.values() if record.evaluation is None]

    def _evaluations(self) -> list[Evaluation]:
        return [record.evaluation for record in self._records.values() if record.evaluation is not None]
