"""Which paths a step trains."""

import pytest

from autonad.config import SupernetConfig
from autonad.space import Architecture, SearchSpace
from autonad.training.path_samplers import PathSampler, fixed_panel, make_sampler

TINY = SearchSpace.preset("tiny")
EDGE = SearchSpace.preset("edge")
SAMPLERS = ["uniform", "fair", "sandwich"]


def sampler(name: str, space: SearchSpace = EDGE, seed: int = 3, **settings: object) -> PathSampler:
    return make_sampler(space, SupernetConfig(sampler=name, **settings), seed)


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_paths_of_a_step_depend_on_seed_and_step_alone(name):
    """A run that goes on after a kill, and every process of several, has a sampler of its own."""
    whole = [sampler(name, growth=0.5)(step, 12) for step in range(12)]
    backwards = sampler(name, growth=0.5)
    assert [backwards(step, 12) for step in reversed(range(12))][::-1] == whole
    assert [sampler(name, growth=0.5, seed=4)(step, 12) for step in range(12)] != whole
    for path in (path for paths in whole for path in paths):
        EDGE.check(path.architecture)


@pytest.mark.parametrize("name", SAMPLERS)
def test_one_path_grows_from_the_smallest_architecture_to_the_whole_space(name):
    drawn, base = sampler(name, growth=1.0), EDGE.smallest()

    def kept(step: int) -> float:
        """Share of pools that are the smallest architecture's."""
        (path,) = drawn(step, 400)
        assert not path.taught
        return sum(map(int.__eq__, path.architecture.pools, base.pools)) / len(base.pools)

    assert drawn(0, 400)[0].architecture == base
    early, late = (sum(kept(step) for step in range(start, start + 50)) / 50 for start in (50, 300))
    assert early > late + 0.3


@pytest.mark.parametrize("name", SAMPLERS)
def test_after_growth_paths_are_those_of_a_run_without(name):
    grown, whole = sampler(name, growth=0.5), sampler(name, growth=0.0)
    assert grown(7, 12) == whole(7, 12)
    assert grown(3, 12) != whole(3, 12)


def test_the_sandwich_is_the_largest_which_teaches_the_smallest_and_random_ones():
    drawn = sampler("sandwich", growth=0.0, sandwich_paths=2)
    first, *others = drawn(5, 10)
    assert (first.architecture, first.taught) == (EDGE.largest(), False)
    assert others[0].architecture == EDGE.smallest()
    assert all(path.taught for path in others)
    assert len(others) == 3
    assert {path.architecture for path in others[1:]}.isdisjoint(
        {path.architecture for path in drawn(6, 10)[2:]}
    )


def test_between_two_sandwiches_a_random_path_learns_from_the_labels():
    drawn, uniform = sampler("sandwich", growth=0.0, sandwich_every=4), sampler("uniform", growth=0.0)
    assert [len(drawn(step, 12)) for step in range(8)] == [3, 1, 1, 1, 3, 1, 1, 1]
    assert drawn(5, 12) == uniform(5, 12)


def test_the_panel_holds_the_extremes():
    panel: list[Architecture] = fixed_panel(TINY, 4, 0)
    assert panel[:2] == [TINY.smallest(), TINY.largest()]
    assert len(panel) == len(set(panel)) == 4
    assert fixed_panel(TINY, 4, 0) == panel
