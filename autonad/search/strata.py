"""Architectures from the whole range of what they cost, to judge a supernet by."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple

import numpy as np

from autonad.errors import SearchError
from autonad.space import Architecture, SearchSpace

# Of so few, no rank correlation says anything.
FEWEST = 4


class Placed(NamedTuple):
    """An architecture and what it costs: its latency in ms, say."""

    architecture: Architecture
    cost: float


def stratified(
    space: SearchSpace, cost_of: Callable[[Architecture], float], *, count: int, sample: int, seed: int
) -> list[Placed]:
    """Evenly spaced quantiles of a large sample by cost, from its cheapest to its dearest.

    Args:
        space: What to draw from; its smallest and its largest architecture are always in the sample.
        cost_of: What an architecture costs.
        count: Architectures that are wanted; fewer where the sample has fewer different ones.
        sample: Architectures that are drawn.
        seed: Of the sample.

    Raises:
        SearchError: There are too few different architectures to compare.
    """
    rng = np.random.default_rng([seed, 7])
    drawn = [space.smallest(), space.largest(), *(space.sample(rng) for _ in range(sample))]
    different = {architecture.key: architecture for architecture in drawn}
    placed = [Placed(architecture, cost_of(architecture)) for architecture in different.values()]
    placed.sort(key=lambda one: (one.cost, one.architecture.key))
    if len(placed) < FEWEST:
        raise SearchError(
            f"a sample of {sample} from the search space holds {len(placed)} different architectures, of "
            f"which no ranking can be judged; raise assess_supernet.sample, or train a larger space"
        )
    places = np.unique(np.linspace(0, len(placed) - 1, min(count, len(placed))).round().astype(int))
    return [placed[place] for place in places.tolist()]


def samples_between(
    space: SearchSpace,
    cost_of: Callable[[Architecture], float],
    bounds: tuple[float, float],
    *,
    count: int,
    draws: int,
    rng: np.random.Generator,
    without: Collection[str] = (),
) -> list[Architecture]:
    """Uniform samples of the space among those that cost about as much.

    Args:
        space: What to draw from.
        cost_of: What an architecture costs.
        bounds: The least and the most that it may be.
        count: Different architectures that are wanted.
        draws: Samples that are drawn at most; fewer architectures are returned where these hold no more.
        rng: Moves on with every draw.
        without: Keys of those that are not wanted.
    """
    low, high = bounds
    found: dict[str, Architecture] = {}
    for _ in range(draws):
        if len(found) >= count:
            break
        drawn = space.sample(rng)
        if drawn.key not in without and low <= cost_of(drawn) <= high:
            found[drawn.key] = drawn
    return list(found.values())
