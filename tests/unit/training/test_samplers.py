import numpy as np
import pytest

from autonad.training.samplers import epoch_order, repeat_factors


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
