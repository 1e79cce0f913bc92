import json

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from autonad.evaluation.rank_correlation import kendall, rank_agreement, spearman


@pytest.mark.parametrize("values", [100, 4], ids=["distinct", "ties"])
def test_coefficients_are_scipys_on_every_resample(values: int) -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, values, (2, 15)).astype(float)
    counts = rng.multinomial(15, np.full(15, 1 / 15), size=40)

    taus, rhos = kendall(first, second, counts), spearman(first, second, counts)

    for row, times in enumerate(counts):
        one, other = np.repeat(first, times), np.repeat(second, times)
        assert taus[row] == pytest.approx(kendalltau(one, other).statistic)
        assert rhos[row] == pytest.approx(spearmanr(one, other).statistic)


def test_an_order_is_found_and_its_reverse() -> None:
    truth = np.linspace(0, 1, 12) ** 2
    found = rank_agreement(truth, {"same": truth * 3, "reverse": -truth})
    assert found["predictors"]["same"]["tau"] == {"value": 1, "low": 1, "high": 1}
    assert found["predictors"]["reverse"]["rho"]["value"] == pytest.approx(-1)
    assert found["differences"]["reverse"]["tau"]["low"] == pytest.approx(2)


def test_equal_predictors_do_not_differ_however_uncertain_each_is() -> None:
    rng = np.random.default_rng(1)
    truth, noisy = rng.random(12), rng.random(12)
    found = rank_agreement(truth, {"one": noisy, "other": noisy})
    assert found["predictors"]["one"]["tau"]["high"] - found["predictors"]["one"]["tau"]["low"] > 0.5
    assert found["differences"]["other"]["tau"] == {"value": 0, "low": 0, "high": 0}


def test_chance_is_rarely_taken_for_an_order() -> None:
    rng, wrong = np.random.default_rng(2), 0
    for _ in range(100):
        figure = rank_agreement(rng.random(24), {"chance": rng.random(24)}, resamples=300)
        tau = figure["predictors"]["chance"]["tau"]
        wrong += not tau["low"] <= 0 <= tau["high"]
    assert wrong <= 12


def test_what_does_not_vary_orders_nothing() -> None:
    found = rank_agreement(np.arange(6.0), {"flat": np.ones(6), "rising": np.arange(6.0)})
    assert found["predictors"]["flat"]["tau"] == {"value": None, "low": None, "high": None}
    assert found["differences"]["rising"]["rho"]["value"] is None
    json.dumps(found, allow_nan=False)
