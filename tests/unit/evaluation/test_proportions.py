"""Bounds of a share over parts."""

from __future__ import annotations

import pytest
from scipy import stats

from autonad.evaluation.proportions import least_promise, lower_bound, parts_needed, upper_bound


@pytest.mark.parametrize("events", [0, 0.4, 1, 7, 59, 60])
@pytest.mark.parametrize("parts", [60, 4000])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.999])
def test_bounds_are_those_of_clopper_and_pearson(events: float, parts: int, confidence: float) -> None:
    upper = 1.0 if events == parts else stats.beta.ppf(confidence, events + 1, parts - events)
    lower = 0.0 if events == 0 else stats.beta.ppf(1 - confidence, events, parts - events + 1)

    assert upper_bound(events / parts, parts, confidence) == pytest.approx(upper, abs=1e-9)
    assert lower_bound(events / parts, parts, confidence) == pytest.approx(lower, abs=1e-9)


def test_nothing_is_promised_without_parts() -> None:
    assert (lower_bound(0.3, 0, 0.95), upper_bound(0.3, 0, 0.95)) == (0, 1)


def test_three_parts_in_a_hundred_are_what_a_hundred_good_ones_promise() -> None:
    assert least_promise(100, 0.95) == pytest.approx(0.03, abs=0.001)


@pytest.mark.parametrize("rate", [0.01, 0.02, 0.2])
def test_so_many_parts_promise_a_rate_and_one_less_does_not(rate: float) -> None:
    parts = parts_needed(rate, 0.95)

    assert least_promise(parts, 0.95) <= rate < least_promise(parts - 1, 0.95)
