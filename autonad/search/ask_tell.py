"""A search as ask and tell: what algorithms share.

Pure and seeded: it trains nothing, measures nothing, writes nothing and never imports torch. Whoever calls it
evaluates what `ask` returns and hands the figures to `tell`, all at once or one by one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from itertools import takewhile
from typing import Any

import numpy as np
import pandas as pd

from autonad.config import SearchConfig
from autonad.errors import ArchitectureError, SearchError
from autonad.search.goals import Goal
from autonad.search.population import Candidate, population_table
from autonad.search.ranking import Evaluation, Ranking, checked
from autonad.search.state import evaluation_entry, prior_key, unreadable
from autonad.space import UNIFORM, Architecture, SamplingPrior, SearchSpace

# λ "auto": in the first population, one standard deviation of latency costs this share of one of mIoU.
AUTO_SHARE = 0.5
# What may differ in a search that goes on: the number of generations may grow, and finalists are measured,
# and learn, after it.
FREE = {"generations", "finalists", "finalist_epochs"}
# They decide what is bred: under others it is another search, which need not score again what this one has.
LIMITS = {"latency_budget_ms", "max_parameters", "max_memory_mib"}


class AskTell(ABC):
    """One search.

    Args:
        space: What may be returned.
        settings: Its numbers.
        goals: What it shall return, a network for each; the first is what its progress is told by.
        prior: Biases the operators that are drawn (P_lat); uniform by default.
        seed: Of the search's own generator.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        settings: SearchConfig,
        goals: Sequence[Goal],
        prior: SamplingPrior = UNIFORM,
        seed: int = 0,
    ) -> None:
        self.space, self.settings, self.goals = space, settings, tuple(goals)
        self.prior, self.seed = prior, seed
        self.generation = 0  # the running one, from 1; 0 before the first `ask`
        self._rng = np.random.default_rng(seed)
        self._candidates: dict[str, Candidate] = {}  # by architecture key, in the order they were asked
        self._waiting: dict[str, Candidate] = {}  # those of them without an evaluation
        self._converged = False

    @abstractmethod
    def _bred(self) -> Iterable[Candidate]:
        """The next generation, of architectures that were never asked before; none when nothing is left."""

    # -- ask and tell ----------------------------------------------------------------------------------------

    def ask(self) -> list[Architecture]:
        """Architectures to evaluate next, the same until all of them are told; none when the search is done.

        Raises:
            SearchError: No population of distinct architectures can be drawn.
        """
        if not self.done and not self._waiting:
            self._breed()
        return [candidate.architecture for candidate in self._waiting.values()]

    def tell(self, evaluations: Iterable[Evaluation]) -> None:
        """Report what architectures of the last `ask` scored; all of them, or some at a time, in any order.

        Raises:
            SearchError: An architecture was not asked for or is told twice, or a figure is impossible;
                nothing of the call is kept then.
        """
        told = [checked(evaluation) for evaluation in evaluations]
        pending = set(self._waiting)
        for evaluation in told:
            if evaluation.architecture.key not in pending:
                raise SearchError(
                    f"architecture {evaluation.architecture.key} was told, but it is not waiting for an "
                    "evaluation; tell each architecture that ask() returned once"
                )
            pending.remove(evaluation.architecture.key)
        for evaluation in told:
            self._waiting.pop(evaluation.architecture.key).evaluation = evaluation

    @property
    def done(self) -> bool:
        """Whether every generation is told, or nothing new is left to try."""
        if self._waiting:
            return False
        return self._converged or self.generation >= self.settings.generations

    # -- results ---------------------------------------------------------------------------------------------

    @property
    def latency_weight(self) -> float:
        """λ of the first goal."""
        return self.price(self.goals[0])

    def price(self, goal: Goal) -> float:
        """λ of a goal, mIoU per ms on its target.

        With "auto" the first population decides; provisional until all of it is told.
        """
        if self.settings.latency_weight != "auto":
            return float(self.settings.latency_weight)
        first = takewhile(lambda item: item.generation == 1, self._candidates.values())
        told = [self.on_target(item.evaluation, goal.target) for item in first if item.evaluation is not None]
        found = [(one.miou, one.latency_ms) for one in told]
        miou, latency_ms = np.std(found, axis=0) if found else (0.0, 0.0)
        return float(AUTO_SHARE * miou / latency_ms) if latency_ms > 0 else 0.0

    def ranking(self, goal: Goal) -> Ranking:
        """How architectures compare for a goal: within the budget first, then by score."""
        return Ranking(self.price(goal), goal.budget_ms)

    def on_target(self, evaluation: Evaluation, target: int) -> Evaluation:
        """An evaluation with the latency of a target; a search of one target knows no other."""
        return evaluation

    @property
    def best(self) -> Evaluation:
        """α*: the best evaluation so far for the first goal (line 18).

        Above the budget only when nothing within it was found.

        Raises:
            SearchError: Nothing has been told yet.
        """
        return self.finalists(1)[0]

    def finalists(self, count: int | None = None, goal: Goal | None = None) -> list[Evaluation]:
        """The best evaluations so far, best first, to be measured rather than predicted before one is chosen.

        Args:
            count: How many at most; None for all.
            goal: What they shall serve; None for the first.

        Raises:
            SearchError: Nothing has been told yet.
        """
        goal = goal or self.goals[0]
        evaluations = [self.on_target(told, goal.target) for told in self._evaluations()]
        if not evaluations:
            raise SearchError("the search has no evaluation yet; tell() what ask() returned first")
        return self.ranking(goal).sort(evaluations)[:count]

    def table(self, goal: Goal | None = None) -> pd.DataFrame:
        """Every evaluation, in the order the architectures were asked.

        Args:
            goal: Decides the target of latency_ms, score and feasible; None for the first.

        Returns:
            Columns generation, key, origin ("plain", "sample", "mutation", "crossover"), parents (keys, comma
            separated), miou (fraction), latency_ms, score, feasible, architecture (JSON).
        """
        goal = goal or self.goals[0]
        told = [
            (one, self.on_target(one.evaluation, goal.target))
            for one in self._candidates.values()
            if one.evaluation is not None
        ]
        return population_table(told, self.ranking(goal))

    # -- resuming --------------------------------------------------------------------------------------------

    def state_dict(self, since: int = 1) -> dict[str, Any]:
        """What going on needs, as JSON values: generator, and every candidate with its evaluation.

        Args:
            since: Leave out the candidates of the generations before this one, which were kept when they ran;
                see `autonad.search.state.merged`.
        """
        return {
            "identity": self._identity(),
            "limits": self._limits(),
            "generations": self.settings.generations,
            "generation": self.generation,
            "converged": self._converged,
            "rng": self._rng.bit_generator.state,
            "candidates": [one.to_dict() for one in self._candidates.values() if one.generation >= since],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken; the search then ends bit for bit as if never interrupted.

        Raises:
            SearchError: The state is malformed or of a search with another space, prior, seed, settings or
                limits. More generations than before are allowed. The search is left as it was.
        """
        try:
            saved = {**state["identity"], **state["limits"]}
            own = {**self._identity(), **self._limits()}
            different = [name for name in own if saved[name] != own[name]]
            if different:
                changes = ", ".join(f"{name} was {saved[name]}, now {own[name]}" for name in different)
                raise SearchError(
                    f"the saved search is another one: {changes}; put the parameters back, or start a new "
                    "search in an empty output folder"
                )
            generation = int(state["generation"])
            # More generations try again to find something new.
            converged = bool(state["converged"]) and self.settings.generations <= int(state["generations"])
            if self.settings.generations < generation:
                raise SearchError(
                    f"the saved search is in generation {generation}, the parameters allow "
                    f"{self.settings.generations}; allow at least as many"
                )
            candidates = {one.architecture.key: one for one in map(Candidate.from_dict, state["candidates"])}
            self._rng.bit_generator.state = state["rng"]
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError, ArchitectureError) as error:
            raise unreadable(error) from error
        self.generation, self._converged, self._candidates = generation, converged, candidates
        self._waiting = {key: one for key, one in candidates.items() if one.evaluation is None}

    def follows(self, state: dict[str, Any]) -> bool:
        """Whether a state is of this search under other limits, and that one has ended.

        Raises:
            SearchError: The state is malformed.
        """
        try:
            ended = state["converged"] or int(state["generation"]) >= int(state["generations"])
            told = all(candidate["miou"] is not None for candidate in state["candidates"])
            same = all(state["identity"][name] == value for name, value in self._identity().items())
            return bool(ended and told and same and state["limits"] != self._limits())
        except (KeyError, TypeError, ValueError) as error:
            raise unreadable(error) from error

    def scores_as(self, state: dict[str, Any]) -> bool:
        """Whether what a state says of architectures is what this search would be told of them.

        Raises:
            SearchError: The state is malformed.
        """
        own = self._identity()
        try:
            return all(state["identity"][name] == own[name] for name in ("space", "score_at"))
        except (KeyError, TypeError) as error:
            raise unreadable(error) from error

    def _identity(self) -> dict[str, Any]:
        """What must be equal for a search to be the same."""
        settings = self.settings.model_dump(exclude=FREE | LIMITS)
        return {"space": self.space.key, "seed": self.seed, **settings, "prior": prior_key(self.prior)}

    def _limits(self) -> dict[str, Any]:
        first, *others = self.settings.budgets_ms
        limits = self.settings.model_dump(mode="json", include=LIMITS)
        return {**limits, "latency_budget_ms": [first, *others] if others else first}

    def _breed(self) -> None:
        """Fill the next generation."""
        if bred := list(self._bred()):
            self.generation += 1
            self._waiting = {candidate.architecture.key: candidate for candidate in bred}
            self._candidates |= self._waiting
        else:
            self._converged = True

    def _evaluations(self) -> list[Evaluation]:
        return [one.evaluation for one in self._candidates.values() if one.evaluation is not None]


def evolve(
    search: AskTell,
    evaluate: Callable[[Architecture], Evaluation],
    *,
    keep: Callable[[dict[str, Any]], None],
    finished: Callable[[], None],
) -> None:
    """Run a search from where it stands to its end.

    Args:
        search: The search.
        evaluate: Scores one architecture.
        keep: Receives what going on needs, entry by entry: `autonad.search.state.merged` puts them together.
        finished: Called after each generation.
    """
    while asked := search.ask():
        keep(search.state_dict(since=search.generation))
        for architecture in asked:
            evaluation = checked(evaluate(architecture))
            search.tell([evaluation])
            keep(evaluation_entry(evaluation))
        finished()
    # That it has ended, where it ended before the last generation that was planned when it began.
    keep(search.state_dict(since=search.generation + 1))
