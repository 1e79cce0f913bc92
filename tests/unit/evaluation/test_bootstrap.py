import json
import tracemalloc

import numpy as np
import pytest

from autonad.evaluation import bootstrap
from autonad.evaluation.bootstrap import _resample, bootstrap_intervals, group_sums, metric_values
from autonad.evaluation.metrics import compute_metrics
from autonad.evaluation.paired import paired_difference

NAMES = ("background", "crack", "hole")


def _matrices(rng: np.random.Generator, count: int, right: float = 0.8) -> np.ndarray:
    truth = np.stack([rng.multinomial(400, [0.8, 0.1, 0.1]) for _ in range(count)])
    matrices = np.zeros((count, 3, 3), int)
    for n in range(count):
        for k in range(3):
            share = [(1 - right) / 2] * 3
            share[k] = right
            matrices[n, k] = rng.multinomial(truth[n, k], share)
    return matrices


def test_vectorised_metrics_equal_the_reference() -> None:
    rng = np.random.default_rng(0)
    matrices = rng.integers(0, 5, (200, 3, 3)) * (rng.random((200, 3, 3)) < 0.4)
    matrices[:, 0, 0] += 1
    values = metric_values(matrices)
    for index, matrix in enumerate(matrices):
        reference = compute_metrics(matrix, NAMES)
        assert values["miou"][index] == pytest.approx(reference.miou)
        assert values["mf1"][index] == pytest.approx(reference.mf1)
        if reference.foreground_miou is None:
            assert np.isnan(values["foreground_miou"][index])
        else:
            assert values["foreground_miou"][index] == pytest.approx(reference.foreground_miou)


def test_resampling_equals_drawing_whole_groups() -> None:
    rng = np.random.default_rng(1)
    sums = _matrices(rng, 6)
    weights = np.random.default_rng(7).multinomial(6, np.full(6, 1 / 6), size=20)
    expected = np.stack([sum(w * m for w, m in zip(row, sums, strict=True)) for row in weights])
    assert (_resample(sums, 20, seed=7) == expected).all()


def test_the_interval_holds_the_estimate_and_widens_with_the_level() -> None:
    rng = np.random.default_rng(2)
    matrices, groups = _matrices(rng, 60), rng.integers(0, 20, 60)
    estimate = compute_metrics(matrices.sum(0), NAMES).miou
    narrow = bootstrap_intervals(matrices, groups, level=0.5)["miou"]
    wide = bootstrap_intervals(matrices, groups, level=0.99)["miou"]
    assert narrow is not None
    assert wide is not None
    assert wide.low < narrow.low < estimate < narrow.high < wide.high
    assert wide.groups == 20


def test_copies_of_an_image_in_one_group_add_no_certainty() -> None:
    rng = np.random.default_rng(3)
    matrices = _matrices(rng, 15)
    repeated, names = np.repeat(matrices, 6, axis=0), np.repeat(np.arange(15), 6)
    alone = bootstrap_intervals(matrices, range(15), seed=5)
    grouped = bootstrap_intervals(repeated, names, seed=5)
    independent = bootstrap_intervals(repeated, range(90), seed=5)
    for name, interval in alone.items():
        other, naive = grouped[name], independent[name]
        assert interval is not None
        assert other is not None
        assert naive is not None
        assert (other.low, other.high) == pytest.approx((interval.low, interval.high))
        assert naive.high - naive.low < 0.6 * (other.high - other.low)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(4)
    population = _matrices(rng, 4000)
    truth = compute_metrics(population.sum(0), NAMES).miou
    hits = 0
    for trial in range(200):
        sample = population[rng.integers(0, len(population), 40)]
        interval = bootstrap_intervals(sample, range(40), resamples=400, level=0.9, seed=trial)["miou"]
        assert interval is not None
        hits += interval.low <= truth <= interval.high
    # 90 % nominal; 200 trials have a standard error of 2.1 %, and the percentile method is a little narrow.
    assert 0.8 <= hits / 200 <= 0.98


def test_order_of_images_does_not_matter_and_the_seed_decides() -> None:
    rng = np.random.default_rng(5)
    matrices, groups = _matrices(rng, 30), rng.integers(0, 9, 30)
    order = rng.permutation(30)
    assert bootstrap_intervals(matrices, groups) == bootstrap_intervals(matrices[order], groups[order])
    assert bootstrap_intervals(matrices, groups) != bootstrap_intervals(matrices, groups, seed=1)


def test_one_group_or_no_foreground_gives_no_interval() -> None:
    matrices = _matrices(np.random.default_rng(6), 5)
    assert set(bootstrap_intervals(matrices, ["a"] * 5).values()) == {None}
    clean = np.zeros((5, 3, 3), int)
    clean[:, 0, 0] = 100
    intervals = bootstrap_intervals(clean, range(5))
    assert intervals["foreground_miou"] is None
    assert intervals["miou"] is not None
    json.dumps(intervals["miou"].to_dict(), allow_nan=False)


def test_resamples_without_the_rare_class_are_counted_out() -> None:
    clean = np.zeros((4, 3, 3), int)
    clean[:, 0, 0] = 100
    clean[0, 1, 1] = 5
    interval = bootstrap_intervals(clean, range(4), resamples=1000)["foreground_miou"]
    assert interval is not None
    # P(the group is drawn) = 1 − (3/4)^4.
    assert interval.resamples == pytest.approx(1000 * (1 - 0.75**4), abs=60)


def test_pairing_sees_a_small_steady_gain_that_separate_intervals_do_not() -> None:
    rng = np.random.default_rng(7)
    worse = _matrices(rng, 40, right=0.5) + 3 * _matrices(rng, 40, right=0.9) * rng.integers(0, 2, (40, 1, 1))
    better = worse.copy()
    moved = better[:, 1, 0] // 5  # a fifth of the cracks taken for background are found
    better[:, 1, 0] -= moved
    better[:, 1, 1] += moved
    result = paired_difference(better, worse, range(40))
    assert result is not None
    assert 0 < result.interval.low < result.difference < result.interval.high
    assert result.probability == 1
    a, b = bootstrap_intervals(better, range(40))["miou"], bootstrap_intervals(worse, range(40))["miou"]
    assert a is not None
    assert b is not None
    assert a.low < b.high  # unpaired, they overlap


def test_a_model_against_itself_is_a_tie_and_swapping_changes_sides() -> None:
    rng = np.random.default_rng(8)
    a, b, groups = _matrices(rng, 30), _matrices(rng, 30), rng.integers(0, 10, 30)
    same = paired_difference(a, a, groups)
    assert same is not None
    assert (same.difference, same.probability, same.interval.low, same.interval.high) == (0, 0.5, 0, 0)
    forth, back = paired_difference(a, b, groups), paired_difference(b, a, groups)
    assert forth is not None
    assert back is not None
    assert forth.probability == pytest.approx(1 - back.probability)
    assert forth.interval.low == pytest.approx(-back.interval.high)


def test_group_sums_keep_every_pixel() -> None:
    rng = np.random.default_rng(9)
    matrices, groups = _matrices(rng, 30), rng.integers(0, 7, 30)
    sums = group_sums(matrices, groups)
    assert (sums.sum(0) == matrices.sum(0)).all()
    assert (sums[3] == matrices[groups == 3].sum(0)).all()


def test_many_groups_are_drawn_in_pieces_and_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    sums = np.random.default_rng(0).integers(0, 4096, (300, 3, 3))
    whole = _resample(sums, 200, 7)
    tracemalloc.start()
    monkeypatch.setattr(bootstrap, "WEIGHTS", 300 * 7)
    pieces = _resample(sums, 200, 7)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    np.testing.assert_array_equal(pieces, whole)
    assert peak < 200 * 300 * 8  # less than all weights at once
