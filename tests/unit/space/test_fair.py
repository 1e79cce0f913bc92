"""Every choice of every gene takes its turn."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator

import numpy as np
import pytest

from autonad.space import Architecture, SearchSpace
from autonad.space.fair import FairTurns


def genes(architecture: Architecture) -> Iterator[tuple[str, Hashable]]:
    """Place and choice of every gene that an architecture has."""
    yield "stages", len(architecture.stages)
    for name in ("mfam_width", "scale", "stem_stride"):
        yield name, getattr(architecture, name)
    for number, side in enumerate(architecture.pools):
        yield f"pool {number}", side
    yield from architecture.edge_items()
    for index, stage in enumerate(architecture.stages):
        yield f"width {index}", stage.width
        yield f"depth {index}", len(stage.blocks)
        for position, block in enumerate(stage.blocks):
            yield f"operator {index} {position}", block.operator
            yield f"ratio {index} {position}", block.ffn_ratio
            if block.kernel is not None:
                yield f"kernel {index} {position}", block.kernel


def choices(space: SearchSpace) -> dict[str, set[Hashable]]:
    """All that random architectures show at every place."""
    rng, found = np.random.default_rng(0), defaultdict(set)
    for _ in range(600):
        for place, choice in genes(space.sample(rng)):
            found[place].add(choice)
    return found


@pytest.mark.parametrize("preset", ["edge", "small"])
def test_at_any_moment_two_choices_of_a_gene_differ_by_one_turn_at_most(preset):
    """Also where only some architectures have the gene."""
    space = SearchSpace.preset(preset)
    turns, there = FairTurns(space, 1), choices(space)
    counts: dict[str, Counter] = {place: Counter(dict.fromkeys(there[place], 0)) for place in there}
    for number in range(150):
        architecture = turns.architecture(number)
        space.check(architecture)
        for place, choice in genes(architecture):
            counts[place][choice] += 1
        for place, counted in counts.items():
            assert max(counted.values()) - min(counted.values()) <= 1, place
    assert all(min(counted.values()) > 0 for counted in counts.values())


def test_the_order_differs_between_genes_cycles_and_seeds():
    turns = FairTurns(SearchSpace.preset("edge"), 0)
    row = [turns.architecture(number) for number in range(60)]
    assert len(set(row)) == 60
    cycles = {tuple(a.scale for a in row[start : start + 5]) for start in range(0, 60, 5)}
    assert len(cycles) > 6
    pools = [tuple(a.pools[index] for a in row) for index in (0, 1)]
    assert pools[0] != pools[1]
    assert FairTurns(SearchSpace.preset("edge"), 1).architecture(0) != row[0]
