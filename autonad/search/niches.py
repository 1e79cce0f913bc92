"""Which parents of NSGA-II have children for a goal, and how these are made."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autonad.config import SearchConfig
from autonad.search.pareto import crowding, front_ranks
from autonad.search.ranking import Evaluation
from autonad.space import Architecture, SamplingPrior, SearchSpace

# Share of the parents that are the best for a goal, rather than any of its front.
REFINED = 0.9
# Share of the pairs whose second parent may be of any goal: what suits a place suits it at every latency.
MIXED = 0.5
# The finest mutations change this share of the genes that the coarsest do.
FINENESS = 0.1


class Niche:
    """What competes for one goal.

    Args:
        ranked: All evaluations within the goal's constraints, best first, with the latency of its target.
        top_k: The best of them that are refined.
        size: Members of the fronts that survive.
    """

    def __init__(self, ranked: Sequence[Evaluation], *, top_k: int, size: int) -> None:
        self._best = [one.architecture for one in ranked[:top_k]]
        self._front: list[Architecture] = []
        if not ranked:
            return
        # Relative latencies: between 1 and 2 ms lies as much as between 10 and 20.
        points = np.array([(1 - one.miou, np.log(max(one.latency_ms, 1e-9))) for one in ranked])
        ranks, distances = front_ranks(points), np.zeros(len(points))
        for rank in range(ranks.max() + 1):
            distances[ranks == rank] = crowding(points[ranks == rank])
        order = np.lexsort((-distances, ranks))
        self._front = [ranked[index].architecture for index in order[:size]]

    def __bool__(self) -> bool:
        return bool(self._front)

    def draw(self, rng: np.random.Generator, count: int) -> list[Architecture]:
        """Distinct parents where there are so many; each wins a tournament of two."""
        members = self._best if rng.random() < REFINED else self._front
        if len(members) <= count:
            return list(members)
        chosen: list[int] = []
        while len(chosen) < count:
            winner = int(rng.choice(len(members), size=2, replace=False).min())
            if winner not in chosen:
                chosen.append(winner)
        return [members[index] for index in chosen]


class Brood:
    """Children of a niche.

    Args:
        space: What may be drawn.
        settings: Rates of crossover and mutation.
        niche: Of the goal that the children are for.
        relatives: Of all goals.
        prior: Biases the operators that are drawn.
        rng: Moves on with every draw.

    Attributes:
        origin: Of the last child: "mutation" or "crossover"; "sample" of a niche without members.
        parents: Its parents' keys.
    """

    def __init__(
        self,
        space: SearchSpace,
        settings: SearchConfig,
        niche: Niche,
        relatives: Sequence[Niche],
        prior: SamplingPrior,
        rng: np.random.Generator,
    ) -> None:
        self._space, self._settings, self._prior, self._rng = space, settings, prior, rng
        self._niche, self._relatives = niche, [other for other in relatives if other]
        self.origin = "sample"
        self.parents: tuple[str, ...] = ()

    def child(self) -> Architecture:
        """Parents crossed with probability p_c, then mutated; a fresh sample of a niche without members."""
        if not self._niche:
            return self._space.sample(self._rng, self._prior)
        crossed = self._rng.random() < self._settings.crossover_rate
        parents = self._niche.draw(self._rng, 2 if crossed else 1)
        if crossed and self._rng.random() < MIXED:
            other = self._relatives[int(self._rng.integers(len(self._relatives)))].draw(self._rng, 1)
            parents = [parents[0], *(one for one in other if one != parents[0])]
        child = parents[0]
        if len(parents) == 2:
            child = self._space.crossover(parents[0], parents[1], self._rng)
        self.origin = "crossover" if len(parents) == 2 else "mutation"
        self.parents = tuple(parent.key for parent in parents)
        # Rates per gene differ by an order of magnitude: coarse steps find, fine ones refine.
        rate = self._settings.mutation_rate * FINENESS ** self._rng.random()
        return self._space.mutate(child, self._rng, rate, self._prior)
