"""Architectures that keep a goal's constraints, found by prediction alone: nothing is evaluated for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from autonad.errors import SearchError
from autonad.search.goals import Goal, Limits, Pricing
from autonad.space import Architecture, SearchSpace

# Draws before the nearest is walked towards the constraints, and steps of that walk; a prediction costs a
# fraction of a millisecond, an evaluation seconds.
MAX_DRAWS = 20
MAX_STEPS = 400
# Steps of the walk towards the fastest network, which is asked for only where a budget seems too small.
FASTEST_STEPS = 3000
# Share of the genes that a step changes: few near the goal, where nearly all changes lead away from it.
STEP_RATES = (0.15, 0.05, 0.02)
# Share by which a budget that is advised exceeds what the fastest network takes: there must be others.
AIR = 0.1
KEPT = (0.0, 0.0)


class Constrained:
    """Draws within constraints.

    Args:
        space: What may be drawn.
        pricing: What an architecture costs.
        limits: What every network must keep to.
        rng: Moves on with every draw.
    """

    def __init__(
        self, space: SearchSpace, pricing: Pricing, limits: Limits, rng: np.random.Generator
    ) -> None:
        self._space, self._pricing, self._limits, self._rng = space, pricing, limits, rng
        self._fastest_on: dict[int, Architecture] = {}

    def keeps(self, architecture: Architecture, goal: Goal) -> bool:
        """Whether an architecture may be evaluated for a goal."""
        return self._pricing.excess(architecture, goal, self._limits) == KEPT

    def draw(self, make: Callable[[], Architecture], goal: Goal) -> tuple[Architecture, bool]:
        """What `make` gives, within the constraints of a goal.

        Where none of some draws keeps them, the nearest is changed gene by gene until it does: a uniform
        sample within a budget that only one network in a million keeps.

        Returns:
            The architecture, and whether it was walked to: there are few then.

        Raises:
            SearchError: Nothing within the constraints was found; says what the fastest can do.
        """
        nearest = make()
        excess = self._pricing.excess(nearest, goal, self._limits)
        for _ in range(MAX_DRAWS - 1):
            if excess == KEPT:
                return nearest, False
            other = make()
            if (its := self._pricing.excess(other, goal, self._limits)) < excess:
                nearest, excess = other, its
        smallest = self._space.smallest
        for start in (lambda: nearest, smallest, lambda: self._fastest(goal.target)):
            found, excess = self._walk(start(), lambda one: self._pricing.excess(one, goal, self._limits))
            if excess == KEPT:
                return found, True
            if start is smallest and excess[0] == 0:
                break  # It is too large and not too slow: a faster one would not help.
        raise SearchError(self._complaint(found, excess, goal))

    def _fastest(self, target: int) -> Architecture:
        """The fastest network on a target that a long walk from the smallest finds, the same one always."""
        if target not in self._fastest_on:
            latency_ms, rng = self._pricing.latencies_ms[target], np.random.default_rng(target)
            best = self._space.smallest()
            for step in range(FASTEST_STEPS):
                child = self._space.mutate(best, rng, STEP_RATES[step % len(STEP_RATES)])
                if latency_ms(child) <= latency_ms(best):
                    best = child
            self._fastest_on[target] = best
        return self._fastest_on[target]

    def _walk(
        self, start: Architecture, excess: Callable[[Architecture], tuple[float, float]]
    ) -> tuple[Architecture, tuple[float, float]]:
        """Change an architecture while its excess does not grow, until there is none."""
        best, least = start, excess(start)
        for step in range(MAX_STEPS):
            if least == KEPT:
                break
            rate = STEP_RATES[step % len(STEP_RATES)]
            child = self._space.mutate(best, self._rng, rate)
            if (its := excess(child)) <= least:
                best, least = child, its
        return best, least

    def _complaint(self, nearest: Architecture, excess: tuple[float, float], goal: Goal) -> str:
        limits, pricing = self._limits, self._pricing
        if excess[0] > 0:
            fastest = pricing.latencies_ms[goal.target](nearest)
            return (
                f"search.latency_budget_ms = {goal.budget_ms:g} cannot be kept on {goal.target_name}: the "
                f"fastest network that was found takes {_rounded_up(fastest):g} ms there by the latency "
                f"table; raise the budget to {_rounded_up((1 + AIR) * fastest):g} ms or more, or use a "
                "preset with smaller networks"
            )
        asked = [
            f"search.{name} = {limit:{form}} (the nearest has {count(nearest):{form}})"
            for name, limit, count, form in (
                ("max_parameters", limits.max_parameters, pricing.parameters, ","),
                ("max_memory_mib", limits.max_memory_mib, pricing.memory_mib, ".4g"),
            )
            if limit is not None and count(nearest) > limit
        ]
        within = "" if goal.budget_ms is None else f" within {goal.budget_ms:g} ms on {goal.target_name}"
        return (
            f"no network{within} keeps {' and '.join(asked)}; raise it, or use a preset with smaller networks"
        )


def require_possible(
    space: SearchSpace, pricing: Pricing, limits: Limits, goals: Sequence[Goal], seed: int
) -> None:
    """Make sure that every goal has networks that keep to it; takes a moment, and evaluates none.

    Args:
        space: What may be returned.
        pricing: What an architecture costs.
        limits: What every network must keep to.
        goals: What shall be returned.
        seed: Of the draws.

    Raises:
        SearchError: Nothing within the constraints of a goal was found; says what the fastest can do.
    """
    rng = np.random.default_rng(seed)
    constrained = Constrained(space, pricing, limits, rng)
    for goal in goals:
        constrained.draw(partial(space.sample, rng), goal)


def _rounded_up(ms: float) -> float:
    """To three digits, so that what is said can be kept."""
    unit = 10.0 ** (math.floor(math.log10(ms)) - 2)
    return math.ceil(ms / unit) * unit
