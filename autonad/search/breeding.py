"""How the architectures of a generation are made (Algorithm 1, lines 2 and 6 to 15)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np

from autonad.config import SearchConfig
from autonad.errors import SearchError
from autonad.search.population import Candidate
from autonad.space import Architecture, SamplingPrior, SearchSpace

# Draws for one new architecture before giving up; a draw costs microseconds, an evaluation seconds.
MAX_DRAWS = 200


class Breeder:
    """Draws architectures that were never asked before.

    Args:
        space: What may be drawn.
        settings: Numbers of Algorithm 1.
        prior: Biases samples and mutations (P_lat).
        rng: Moves on with every draw.
    """

    def __init__(
        self, space: SearchSpace, settings: SearchConfig, prior: SamplingPrior, rng: np.random.Generator
    ) -> None:
        self._space, self._settings, self._prior, self._rng = space, settings, prior, rng

    def first_population(self) -> list[Candidate]:
        """Line 2: P ← samples of A, biased by P_lat.

        Raises:
            SearchError: No population of distinct architectures can be drawn.
        """
        size = self._space.size()
        wanted = min(self._settings.population, size)
        seen: set[str] = set()
        found: list[Candidate] = []
        while len(found) < wanted and (candidate := self._new("sample", (), 1, seen)) is not None:
            found.append(candidate)
        # A space not much larger than the population is worth less than its last members; a prior that keeps
        # drawing the same few architectures of a large space is a mistake.
        if len(found) < wanted and size > 10 * self._settings.population:
            raise SearchError(
                f"only {len(found)} distinct architectures of {wanted} were found in {MAX_DRAWS} draws each; "
                "raise the temperature of the latency prior, or lower the population"
            )
        return found

    def children(
        self, parents: Sequence[Architecture], known: Collection[str], generation: int
    ) -> Iterator[Candidate]:
        """Lines 6-15: mutation and crossover of the top-k; fewer than N where nothing new is left.

        Args:
            parents: The top-k, best first.
            known: Keys of all architectures that were asked before.
            generation: The children's.
        """
        settings, seen = self._settings, set(known)
        crossing = settings.crossover_rate > 0 and len(parents) > 1
        mutating = settings.mutation_rate > 0
        if not crossing and not mutating:
            return
        num_crossed = settings.population // 2 if mutating else settings.population
        for slot in range(settings.population):
            crossed = crossing and slot >= settings.population - num_crossed
            if crossed and mutating:
                crossed = self._rng.random() < settings.crossover_rate  # line 12
            child = None
            if crossed or mutating:
                child = self._new("crossover" if crossed else "mutation", parents, generation, seen)
            if child is None and mutating:
                # Parents too alike to cross, or a nearly exhausted space: mutate, then draw afresh.
                child = self._new("mutation", parents, generation, seen) if crossed else None
                child = child or self._new("sample", (), generation, seen)
            if child is None:
                return
            yield child

    def _new(
        self, origin: str, parents: Sequence[Architecture], generation: int, seen: set[str]
    ) -> Candidate | None:
        """One architecture that was not seen, and is from now on; None when the draws are used up."""
        for _ in range(MAX_DRAWS):
            chosen: list[Architecture] = []
            if origin == "sample":
                child = self._space.sample(self._rng, self._prior)
            elif origin == "mutation":  # lines 9-11, biased by P_lat
                chosen = [parents[int(self._rng.integers(len(parents)))]]
                child = self._space.mutate(chosen[0], self._rng, self._settings.mutation_rate, self._prior)
            else:  # lines 12-14
                one, two = self._rng.choice(len(parents), size=2, replace=False)
                chosen = [parents[int(one)], parents[int(two)]]
                child = self._space.crossover(chosen[0], chosen[1], self._rng)
            if child.key not in seen:
                seen.add(child.key)
                return Candidate(child, generation, origin, tuple(parent.key for parent in chosen))
        return None
