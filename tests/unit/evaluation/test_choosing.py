"""Chosen rules keep to what is wanted, find as much as they can, and say when nothing can be promised."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from toy_candidates import drawn

from autonad.detector.rules import ClassRule, Rules
from autonad.evaluation.candidates import LEVELS, Candidates
from autonad.evaluation.choosing import Goal, choose_rules, lowest_promise, parts_to_promise
from autonad.evaluation.line_result import fit_line
from autonad.evaluation.operating import ANY, outcome_of, split_figures

AREAS = (4.0, 16.0, 64.0)


def goal(kind="overkill", rate=0.05, review_load=0.1) -> Goal:
    return Goal(kind, rate, review_load, 0.95, AREAS)


def blind(candidates: Candidates) -> Candidates:
    """The same split to a detector that finds nothing."""
    regions = (
        "image",
        "level",
        "value",
        "area",
        "length",
        "mean",
        "peak",
        "stray",
        "hit_region",
        "hit_defect",
    )
    return replace(candidates, **{name: getattr(candidates, name)[:0] for name in regions})


@pytest.mark.parametrize("seed", range(5))
def test_overkill_is_promised_on_validation_and_kept_on_other_parts(seed: int) -> None:
    val, test = (drawn(100 * seed + one, clean=400, defective=200) for one in (0, 1))
    choice = choose_rules(val, goal())

    found = split_figures(test, choice.rules, 0.95)

    assert choice.proof is not None
    assert choice.proof.upper <= 0.05
    assert found["overkill"]["low"] <= 0.05
    assert found["misses"]["rate"] < 0.75


def test_the_promise_is_broken_about_as_seldom_as_it_says() -> None:
    broken = []
    for seed in range(24):
        val, test = drawn(seed, clean=300, defective=100), drawn(999, clean=8000, defective=10)
        found = split_figures(test, choose_rules(val, goal()).rules, 0.95)
        broken.append(found["overkill"]["rate"] > 0.05)

    assert sum(broken) <= 4


def test_no_single_rule_for_all_classes_finds_more() -> None:
    val = drawn(3, clean=400, defective=200)
    ours = outcome_of(val, choose_rules(val, goal(review_load=1.0)).rules)
    clean, most = ~val.defect_images, 0
    allowed = int(ours.false_ng[clean].sum())
    for level, area, review in itertools.product(LEVELS, AREAS, np.linspace(0.1, 1, 46)):
        rule = ClassRule(probability=level, min_area_px=area, review=float(review))
        other = outcome_of(val, Rules(mm_per_pixel=None, classes=dict.fromkeys(("crack", "hole"), rule)))
        if other.false_ng[clean].sum() <= allowed:
            most = max(most, int(other.found.sum()))

    assert int(ours.found.sum()) >= most > 0


def test_a_wanted_miss_rate_is_promised() -> None:
    val = drawn(0, clean=300, defective=300)
    choice = choose_rules(val, goal("miss", 0.2))
    figures = split_figures(val, choice.rules, 0.95)

    assert choice.proof is not None
    assert choice.proof.upper <= 0.2
    assert figures["overkill"]["rate"] < 0.5


def test_a_wanted_miss_rate_costs_no_more_overkill_than_a_looser_one() -> None:
    val = drawn(0, clean=300, defective=300)
    strict, loose = (
        split_figures(val, choose_rules(val, goal("miss", rate)).rules, 0.95)["overkill"]["rate"]
        for rate in (0.1, 0.4)
    )

    assert loose < strict


@pytest.mark.parametrize("load", [0.0, 0.02, 0.2])
def test_hardly_more_good_images_go_to_review_than_allowed(load: float) -> None:
    val = drawn(1, clean=400, defective=200)
    figures = split_figures(val, choose_rules(val, goal(review_load=load)).rules, 0.95)

    assert figures["review_load"]["rate"] <= load + 0.03


def test_review_notices_more_the_more_may_go_there() -> None:
    val = drawn(1, clean=400, defective=200)
    unnoticed = [
        split_figures(val, choose_rules(val, goal(review_load=load)).rules, 0.95)["unnoticed"]["count"]
        for load in (0.02, 0.2)
    ]

    assert unnoticed[1] < unnoticed[0]


def test_images_of_one_part_promise_no_more_than_the_part() -> None:
    single, grouped = drawn(0, clean=300, defective=60), drawn(0, clean=300, defective=60, per_part=10)
    rules = choose_rules(single, goal()).rules

    apart, together = (split_figures(one, rules, 0.95)["overkill"] for one in (single, grouped))

    assert apart["rate"] == together["rate"]
    assert together["upper"] > apart["upper"] + 0.03


def test_few_parts_promise_nothing_and_it_is_said() -> None:
    few = drawn(0, clean=20, defective=20)
    promise = fit_line({"val": few}, goal(rate=0.02), resamples=50, seed=0).operating["promise"]

    assert not promise["kept"]
    assert promise["least"] == pytest.approx(1 - 0.05 ** (1 / 16))
    assert (
        "validation has 20 parts without defects, and at least 186 are needed to promise 2 %"
        in promise["text"]
    )
    assert "so few can promise 17 % at best" in promise["text"]


@pytest.mark.parametrize("kind", ["overkill", "miss"])
@pytest.mark.parametrize("rate", [0.02, 0.05, 0.1])
def test_so_many_parts_are_judged_and_one_less_is_not(kind: str, rate: float) -> None:
    needed = parts_to_promise(goal(kind, rate))
    enough, few = (
        choose_rules(drawn(0, clean=parts, defective=parts), goal(kind, rate))
        for parts in (needed, needed - 1)
    )

    assert enough.proof is not None
    assert few.proof is None
    assert lowest_promise(needed, 0.95) <= rate < lowest_promise(needed - 1, 0.95)


def test_a_miss_rate_that_is_not_even_seen_is_not_said_to_be_kept() -> None:
    poor = blind(drawn(0, clean=20, defective=20))
    text = fit_line({"val": poor}, goal("miss", 0.02), resamples=50, seed=0).operating["promise"]["text"]

    assert "20 parts with a defect" in text
    assert "The rules do not keep to 2 % on the very images" in text


def test_rules_that_do_worse_on_test_are_said_to() -> None:
    val, alike = drawn(0, clean=400, defective=60), drawn(1, clean=400, defective=60)
    other = drawn(2, clean=400, defective=60, skill=0.0, stray=1.0)
    other = replace(other, mean=np.minimum(other.mean + 0.3, 1.0))
    kept, broken = (
        fit_line({"val": val, "test": test}, goal(), resamples=50, seed=0).told[-1] for test in (alike, other)
    )

    assert "above the wanted" not in kept
    assert "above the wanted 5 %, by more than chance" in broken


def test_what_was_seen_keeps_to_the_rate_where_it_cannot_be_promised() -> None:
    few = drawn(0, clean=50, defective=20)
    result = fit_line({"val": few}, goal(rate=0.05), resamples=50, seed=0)

    assert result.operating["val"]["overkill"]["rate"] <= 0.05 < result.operating["val"]["overkill"]["upper"]


def test_without_good_images_false_alarms_beside_defects_count() -> None:
    val = drawn(0, clean=0, defective=300)
    choice = choose_rules(val, goal())

    assert split_figures(val, choice.rules, 0.95)["basis"] == ANY
    assert choice.proof is not None
    assert choice.proof.upper <= 0.05


def test_a_detector_that_finds_nothing_gets_rules_all_the_same() -> None:
    val = blind(drawn(0, clean=100, defective=100))
    result = fit_line({"val": val, "test": val}, goal(), resamples=50, seed=0)

    assert result.operating["test"]["misses"]["rate"] == 1
    assert result.operating["test"]["classes"]["crack"]["recall"]["count"] == 0


def test_the_path_loosens_step_by_step() -> None:
    val = drawn(0, clean=200, defective=200)
    path = [outcome_of(val, rules) for rules in choose_rules(val, goal()).path]

    found = [int(one.found.sum()) for one in path]
    assert found == sorted(found)
    assert found[0] < found[-1]
