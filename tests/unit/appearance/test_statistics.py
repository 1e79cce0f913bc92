from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score

from autonad.appearance.shifts import kolmogorov_smirnov
from autonad.appearance.statistics import (
    areas,
    classifier_auc,
    make_views,
    mmd,
    p_value,
    permute,
    studentise,
    witness_auc,
)


def labels_of(rng: np.random.Generator, count: int, size: int, batch: int) -> np.ndarray:
    return rng.permuted(np.tile(np.arange(size) < batch, (count, 1)), axis=1)


def test_labellings_keep_the_counts_of_every_stratum() -> None:
    rng = np.random.default_rng(0)
    strata = rng.integers(0, 4, 50)
    observed = rng.random(50) < 0.3
    labels = permute(observed, strata, 200, np.random.default_rng(1))

    assert np.array_equal(labels[0], observed)
    assert len(np.unique(labels, axis=0)) > 150
    for stratum in range(4):
        assert (labels[:, strata == stratum].sum(axis=1) == observed[strata == stratum].sum()).all()
    assert np.array_equal(labels, permute(observed, strata, 200, np.random.default_rng(1)))


@pytest.mark.parametrize("decimals", [0, 1, 8])
def test_areas_count_ties_half(decimals: int) -> None:
    rng = np.random.default_rng(decimals)
    scores = np.round(rng.standard_normal((40, 31)), decimals)
    labels = labels_of(rng, 40, 31, 9)

    expected = [roc_auc_score(label, score) for label, score in zip(labels, scores, strict=True)]
    assert areas(scores, labels) == pytest.approx(expected, abs=1e-12)
    assert areas(np.zeros((1, 31)), labels[:1]) == pytest.approx([0.5])


@pytest.mark.parametrize("decimals", [0, 1, 8])
def test_kolmogorov_smirnov_looks_only_behind_ties(decimals: int) -> None:
    rng = np.random.default_rng(decimals)
    values = np.round(rng.standard_normal(60), decimals)
    labels = labels_of(rng, 20, 60, 14)

    expected = [ks_2samp(values[label], values[~label]).statistic for label in labels]
    assert kolmogorov_smirnov(values, labels) == pytest.approx(expected, abs=1e-12)
    assert kolmogorov_smirnov(np.zeros(60), labels) == pytest.approx(np.zeros(20))


def test_mmd_is_the_unbiased_estimate_of_gretton() -> None:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((40, 5))
    view = make_views("texture", np.arange(40), features)[0]
    rows, labels = np.arange(40), labels_of(rng, 6, 40, 11)
    distances = ((features[:, None] - features[None]) ** 2).sum(axis=2)
    middle = np.median(distances[distances > 0])
    kernel = (np.exp(-distances / middle) + np.exp(-distances / (4 * middle))) / 2
    np.fill_diagonal(kernel, 0)

    expected = [
        kernel[np.ix_(x, x)].sum() / (11 * 10)
        + kernel[np.ix_(~x, ~x)].sum() / (29 * 28)
        - 2 * kernel[np.ix_(x, ~x)].mean()
        for x in labels
    ]
    assert mmd(view, rows, labels) == pytest.approx(expected, abs=1e-6)


def test_the_closed_form_leaves_each_part_out() -> None:
    rng = np.random.default_rng(3)
    features = rng.standard_normal((30, 6))
    features -= features.mean(axis=0)
    labels = labels_of(rng, 4, 30, 8)
    view = make_views("texture", np.arange(30), features)[0]
    strength = 0.1 * np.trace(features.T @ features) / 6
    expected = []
    for label in labels:
        target = label - label.mean()
        scores = []
        for left in range(30):
            rest = np.arange(30) != left
            model = Ridge(alpha=strength, fit_intercept=False).fit(features[rest], target[rest])
            scores.append(model.predict(features[left : left + 1])[0])
        expected.append(roc_auc_score(label, scores))

    found = classifier_auc(view, np.arange(30), np.zeros(30, dtype=int), labels, 0.1)
    assert found == pytest.approx(expected, abs=1e-12)


def test_chunks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    view = make_views("texture", np.arange(50), rng.standard_normal((50, 4)))[0]
    rows, labels = np.arange(50), labels_of(rng, 30, 50, 12)
    whole = mmd(view, rows, labels), classifier_auc(view, rows, np.zeros(50, dtype=int), labels, 1.0)
    monkeypatch.setattr("autonad.appearance.statistics.CHUNK", 120)
    pieces = mmd(view, rows, labels), classifier_auc(view, rows, np.zeros(50, dtype=int), labels, 1.0)

    assert pieces[0] == pytest.approx(whole[0])
    assert pieces[1] == pytest.approx(whole[1])


def test_many_parts_need_landmarks_and_still_see() -> None:
    rng = np.random.default_rng(5)
    features = rng.standard_normal((900, 8))
    features[:90, 0] += 1
    view = make_views("texture", np.arange(900), features)[0]
    labels = permute(np.arange(900) < 90, np.zeros(900, dtype=int), 99, rng)

    assert view.embedding.shape[1] <= 96
    assert p_value(mmd(view, np.arange(900), labels)) == 0.01
    assert 0.6 < witness_auc(view, np.arange(900), labels[0]) < 0.9


def test_p_values_count_the_observed_and_ties() -> None:
    assert p_value(np.array([3.0, 1, 2, 2])) == 0.25
    assert p_value(np.array([2.0, 1, 2, 2 - 1e-13])) == 0.75
    assert p_value(np.array([0.0, 1, 1, 1])) == 1
    assert p_value(np.zeros(5)) == 1


def test_a_constant_statistic_stands_for_nothing() -> None:
    largest, best = studentise([np.zeros(5), np.array([2.0, 0, 0, 0, 0])])
    assert best == 1
    assert largest[0] > 1


def test_too_few_parts_or_features_have_no_view() -> None:
    assert make_views("texture", np.arange(3), np.zeros((3, 2))) == []
    assert make_views("texture", np.arange(9), np.zeros((9, 0))) == []
