"""NSGA-II over (mIoU, latency) for several targets and budgets at once.

After Deb et al. (2002): fronts by non-dominated sorting, crowding within a front, binary tournaments. What is
added for networks that must keep a budget:

- Constraints are hard. Latency, parameters and memory are known without an evaluation, so every
  architecture that is evaluated keeps those of at least one goal; see `Constrained`.
- A front as long as the space's would spend most evaluations far from every budget. Most parents are
  therefore the best within the budget of one goal, and goals take turns.
- All goals share the evaluations: an architecture is evaluated once, whatever it is tried for, and what it
  says of its genes chooses among the children of every goal; see `Surrogate`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from itertools import zip_longest

from autonad.config import SearchConfig
from autonad.errors import SearchError
from autonad.search.ask_tell import AskTell
from autonad.search.constrained import Constrained
from autonad.search.goals import Goal, Limits, Pricing
from autonad.search.niches import Brood, Niche
from autonad.search.plain import plain_networks
from autonad.search.population import Candidate
from autonad.search.ranking import Evaluation, Ranking
from autonad.search.surrogate import Surrogate
from autonad.space import UNIFORM, Architecture, SamplingPrior, SearchSpace

# Tries for a child that was never asked before giving up; so many where each has to be walked to.
MAX_DRAWS = 50
MAX_WALKS = 5
# Children that are made for each that is evaluated; they are predicted alone.
LITTER = 12
# Every so many-th child is evaluated whatever the surrogate says, which could be wrong.
UNSCREENED = 4
# At most one in so many of the first population is a plain network, the others are samples.
PLAIN = 3


class Nsga2(AskTell):
    """One search for several goals.

    Args:
        space: What may be returned.
        settings: Its numbers.
        goals: What it shall return, a network for each.
        pricing: What an architecture costs.
        prior: Biases the operators that are drawn; uniform by default.
        seed: Of the search's own generator.

    Raises:
        SearchError: There are more goals than architectures in a generation.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        settings: SearchConfig,
        goals: Sequence[Goal],
        pricing: Pricing,
        prior: SamplingPrior = UNIFORM,
        seed: int = 0,
    ) -> None:
        super().__init__(space, settings=settings, goals=goals, prior=prior, seed=seed)
        if settings.population < len(self.goals):
            raise SearchError(
                f"search.population is {settings.population}, and {len(self.goals)} networks are wanted, one "
                "for each target and budget; raise it, or leave some of them out"
            )
        self.pricing, limits = pricing, Limits(settings.max_parameters, settings.max_memory_mib)
        self._constrained = Constrained(space, pricing, limits, self._rng)

    def ranking(self, goal: Goal) -> Ranking:
        """By mIoU within a budget, which is the price of latency; without one by Algorithm 1's score."""
        free = goal.budget_ms is not None and self.settings.latency_weight == "auto"
        return Ranking(0.0 if free else self.price(goal), goal.budget_ms)

    def on_target(self, evaluation: Evaluation, target: int) -> Evaluation:
        """An evaluation with its latency on another target than the first."""
        if target == 0:
            return evaluation
        latency_ms = self.pricing.latencies_ms[target](evaluation.architecture)
        return Evaluation(evaluation.architecture, evaluation.miou, latency_ms)

    @property
    def best(self) -> Evaluation:
        """See `AskTell.best`; beyond a constraint only while nothing keeps them, as under a lower budget."""
        ranked = super().finalists()
        kept = (told for told in ranked if self._constrained.keeps(told.architecture, self.goals[0]))
        return next(kept, ranked[0])

    def finalists(self, count: int | None = None, goal: Goal | None = None) -> list[Evaluation]:
        """The best evaluations that keep a goal's constraints; see `AskTell.finalists`.

        Raises:
            SearchError: Nothing has been told yet, or nothing that was keeps the constraints.
        """
        goal = goal or self.goals[0]
        ranked = super().finalists(None, goal)
        kept = [told for told in ranked if self._constrained.keeps(told.architecture, goal)]
        if not kept:
            raise SearchError(
                f"none of the {len(ranked)} architectures that were evaluated keeps the constraints of "
                f"{goal.name}; raise search.generations and repeat the command"
            )
        return kept[:count]

    # -- breeding --------------------------------------------------------------------------------------------

    def _bred(self) -> Iterable[Candidate]:
        count = min(self.settings.population, self.space.size() - len(self._candidates))
        return self._first(count) if self.generation == 0 else self._children(count)

    def _first(self, count: int) -> Iterable[Candidate]:
        """Plain networks, then samples, within the constraints of the goals, which take turns."""
        seen: set[str] = set()
        for architecture in self._plain(max(0, min(count // PLAIN, count - len(self.goals)))):
            seen.add(architecture.key)
            yield Candidate(architecture, 1, "plain", ())
        spent: set[Goal] = set()
        for slot in range(count - len(seen)):
            while (goal := self._turn(slot, spent)) is not None:
                child = self._new(self._sample, goal, seen, must=slot < len(self.goals))
                if child is not None:
                    seen.add(child.key)
                    yield Candidate(child, 1, "sample", ())
                    break
                spent.add(goal)

    def _plain(self, count: int) -> list[Architecture]:
        """At most so many plain networks of the goals, which take turns; see `plain_networks`."""
        per_goal = [
            plain_networks(self.space, partial(self._constrained.keeps, goal=goal)) for goal in self.goals
        ]
        turns = (one for turn in zip_longest(*per_goal) for one in turn if one is not None)
        return list({one.key: one for one in turns}.values())[:count]

    def _children(self, count: int) -> Iterable[Candidate]:
        """Crossed and mutated parents, of each goal in turn; fewer where nothing new is left.

        Of several children the one is kept that the surrogate prefers.
        """
        told, seen, spent = self._evaluations(), set(self._candidates), set[Goal]()
        niches = {goal: self._niche(told, goal) for goal in self.goals}
        rankings = {goal: self.ranking(goal) for goal in self.goals}
        surrogate = Surrogate(told)
        for slot in range(count):
            size = 1 if slot % UNSCREENED == UNSCREENED - 1 else LITTER
            while (goal := self._turn(slot, spent)) is not None:
                litter: list[Candidate] = []
                while len(litter) < size and (one := self._child(niches, goal, seen)) is not None:
                    litter.append(one)
                if len(litter) < size:
                    spent.add(goal)
                if litter:
                    promises = [rankings[goal].score(self._predicted(surrogate, one, goal)) for one in litter]
                    chosen = litter[promises.index(max(promises))]
                    seen.add(chosen.architecture.key)
                    yield chosen
                    break

    def _turn(self, slot: int, spent: Collection[Goal]) -> Goal | None:
        """The goal that a place of the next generation is for, of those for which there may be something new.

        They take turns, over the generations too: there may be more of them than a generation divides by.
        """
        turn = self.generation * self.settings.population + slot
        order = [self.goals[(turn + later) % len(self.goals)] for later in range(len(self.goals))]
        return next((goal for goal in order if goal not in spent), None)

    def _child(self, niches: dict[Goal, Niche], goal: Goal, seen: set[str]) -> Candidate | None:
        relatives = list(niches.values())
        brood = Brood(self.space, self.settings, niches[goal], relatives, self.prior, self._rng)
        if (child := self._new(brood.child, goal, seen)) is not None:
            return Candidate(child, self.generation + 1, brood.origin, brood.parents)
        # Parents too alike, or a nearly exhausted space.
        child = self._new(self._sample, goal, seen)
        return None if child is None else Candidate(child, self.generation + 1, "sample", ())

    def _predicted(self, surrogate: Surrogate, candidate: Candidate, goal: Goal) -> Evaluation:
        architecture = candidate.architecture
        latency_ms = self.pricing.latencies_ms[goal.target](architecture)
        return Evaluation(architecture, surrogate.miou(architecture), latency_ms)

    def _niche(self, told: Sequence[Evaluation], goal: Goal) -> Niche:
        kept = [
            self.on_target(one, goal.target)
            for one in told
            if self._constrained.keeps(one.architecture, goal)
        ]
        return Niche(self.ranking(goal).sort(kept), top_k=self.settings.top_k, size=self.settings.population)

    def _sample(self) -> Architecture:
        return self.space.sample(self._rng, self.prior)

    def _new(
        self, make: Callable[[], Architecture], goal: Goal, seen: set[str], *, must: bool = False
    ) -> Architecture | None:
        """One architecture that was not seen; None when the draws are used up.

        Raises:
            SearchError: `must`, and nothing keeps the goal's constraints.
        """
        walks = 0
        for _ in range(MAX_DRAWS):
            try:
                child, walked = self._constrained.draw(make, goal)
            except SearchError:
                if must:
                    raise
                return None
            if child.key not in seen:
                return child
            walks += walked
            if walks == MAX_WALKS:
                break
        return None
