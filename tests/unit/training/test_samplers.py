import numpy as np
import pytest

from autonad.space import SearchSpace
from autonad.training.path_samplers import fixed_panel, sample_path
from autonad.training.samplers import epoch_order, repeat_factors

TINY = SearchSpace.preset("tiny")


def test_an_epoch_shows_every_image_once_in_an_order_of_its_own():
    ones = np.ones(50)
    orders = [epoch_order(ones, seed, epoch) for seed, epoch in ((0, 0), (0, 1), (1, 0), (0, 0))]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert list(orders[0]) == list(orders[3])
    assert len({tuple(order) for order in orders}) == 3


def test_repeats_are_kept_on_average_and_never_lose_an_image():
    repeats = np.array([1.0, 1.5, 2.25])
    counts = np.mean([np.bincount(epoch_order(repeats, 0, e), minlength=3) for e in range(400)], axis=0)
    assert counts == pytest.approx(repeats, abs=0.07)
    assert all(set(epoch_order(repeats, 0, e)) == {0, 1, 2} for e in range(20))


def test_rare_classes_are_repeated_by_the_root_of_their_rarity():
    pixels = [[10, 5, 0]] * 96 + [[10, 0, 3]] * 4
    factors = repeat_factors(pixels, 0.16)
    assert factors[0] == 1.0
    assert factors[-1] == pytest.approx(2.0)
    assert (repeat_factors(pixels, 0.0) == 1).all()
    assert (repeat_factors([[10, 0, 0]], 0.5) == 1).all()


def test_the_path_of_a_step_depends_on_seed_and_step_alone():
    first = [sample_path(TINY, 3, step, growth_steps=3) for step in range(8)]
    again = [sample_path(TINY, 3, step, growth_steps=3) for step in reversed(range(8))][::-1]
    assert first == again
    assert len(set(first[1:])) == 7


def test_paths_grow_from_the_smallest_architecture_to_the_whole_space():
    space, steps = SearchSpace.preset("small"), 400
    base = space.smallest()

    def kept(step: int) -> float:
        """Share of edges and pools that are the smallest architecture's."""
        path = sample_path(space, 0, step, growth_steps=steps)
        space.check(path)
        genes = list(zip((*path.edges, *path.pools), (*base.edges, *base.pools), strict=True))
        return sum(a == b for a, b in genes) / len(genes)

    assert sample_path(space, 0, 0, growth_steps=steps) == base
    early, late = (sum(kept(step) for step in range(start, start + 50)) / 50 for start in (50, 300))
    assert early > late + 0.3


def test_after_growth_paths_are_those_of_uniform_sampling():
    assert sample_path(TINY, 3, 9, growth_steps=9) == sample_path(TINY, 3, 9)


def test_the_panel_holds_the_extremes():
    panel = fixed_panel(TINY, 4, 0)
    assert panel[:2] == [TINY.smallest(), TINY.largest()]
    assert len(panel) == len(set(panel)) == 4
    assert fixed_panel(TINY, 4, 0) == panel
