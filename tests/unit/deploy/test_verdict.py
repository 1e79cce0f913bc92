import numpy as np
import pandas as pd
import pytest
from detectors import decide, detector, truth

from autonad.data.faults import Fault
from autonad.deploy.verdict import ALL, CHAMPIONS, OWN, comparable_images, judge, judge_latency, judge_minimum
from autonad.evaluation.paired import swap_p_value


def test_the_minimum_is_kept_from_its_very_value_on() -> None:
    for count, wins in ((5, True), (6, False), (10, False)):
        found = judge_minimum({"count": count, "of": 10}, [], 0.5, ())
        assert found.wins == wins
        assert found.figures["recall"] == pytest.approx(1 - count / 10)


@pytest.mark.parametrize("missed", [None, {"count": 0, "of": 0}])
def test_a_recall_that_nobody_knows_is_not_enough(missed: dict[str, int] | None) -> None:
    assert "nobody knows" in judge_minimum(missed, [], 0.5, ()).reasons[0]
    assert judge_minimum(missed, [], 0.0, ()).wins


def test_errors_count_unless_accepted_and_warnings_never() -> None:
    flags = [Fault("error", "all-missed", "detector", "a"), Fault("warning", "short-front", "search", "b")]
    missed = {"count": 0, "of": 1}
    assert judge_minimum(missed, flags, 0.5, ()).reasons == ("detector: a",)
    assert judge_minimum(missed, flags, 0.5, ("all-missed",)).wins


@pytest.mark.parametrize("parts", [8, 24])
def test_a_worse_challenger_never_wins(parts: int) -> None:
    assert sum(decide(seed, 0.75, 0.8, parts).wins for seed in range(100)) == 0


@pytest.mark.parametrize("parts", [6, 12, 30])
def test_an_equal_challenger_wins_at_most_as_often_as_stated(parts: int) -> None:
    wins = sum(decide(seed, 0.8, 0.8, parts).wins for seed in range(400))
    # 5 % of 400 is 20; a rate of exactly 5 % stays below 32 in 99.5 % of the cases.
    assert wins <= 32


def test_a_better_challenger_wins() -> None:
    assert sum(decide(seed, 0.9, 0.8, 24).wins for seed in range(50)) >= 45


def test_the_very_same_predictions_are_no_win() -> None:
    pixels = truth(np.random.default_rng(0), 12)
    a = detector(np.random.default_rng(1), pixels, 0.8)
    sets = dict.fromkeys((ALL, OWN, CHAMPIONS), np.ones(len(a), dtype=bool))
    found = judge(
        a, a, np.repeat(np.arange(12), 3), sets, metric="miou", probability=0.9, resamples=200, seed=0
    )
    assert not found.wins
    assert found.figures["sets"][ALL]["probability"] == 0.5
    assert found.figures["p_value"] == 1.0
    assert "better with probability 0.500, but 0.9 is needed" in found.reasons[0]


def test_one_that_wins_on_its_own_images_and_loses_on_the_champions_is_refused() -> None:
    rng = np.random.default_rng(5)
    pixels = truth(rng, 30)
    a = np.concatenate([detector(rng, pixels[:20], 0.95), detector(rng, pixels[20:], 0.6)])
    b = detector(rng, pixels, 0.75)
    own = np.repeat(np.arange(30) < 20, 3)
    sets = {ALL: np.ones(90, dtype=bool), OWN: own, CHAMPIONS: ~own}
    found = judge(
        a, b, np.repeat(np.arange(30), 3), sets, metric="miou", probability=0.9, resamples=400, seed=0
    )
    assert found.figures["sets"][ALL]["probability"] > 0.9
    assert not found.wins
    assert any(reason.startswith("on the champion's 30 test images") for reason in found.reasons)


def test_too_few_parts_are_no_proof() -> None:
    found = decide(0, 0.99, 0.3, parts=1)
    assert not found.wins
    assert "too few to compare on" in found.reasons[0]
    # Three parts can fall out one way by chance in one of eight cases: more than 5 %.
    assert not decide(0, 0.99, 0.3, parts=3).wins


def test_exchanged_models_have_exchanged_p_values() -> None:
    rng = np.random.default_rng(2)
    pixels = truth(rng, 16)
    a, b = detector(rng, pixels, 0.9), detector(rng, pixels, 0.8)
    groups = np.repeat(np.arange(16), 3)
    assert swap_p_value(a, b, groups) < 0.01
    assert swap_p_value(b, a, groups) > 0.99


def test_images_that_one_of_the_two_has_seen_are_left_out() -> None:
    columns = ["image", "group", "sha256", "split"]
    before = pd.DataFrame(
        [["a", "1", "A", "train"], ["b", "2", "B", "test"], ["c", "3", "C", "test"], ["d", "4", "D", "val"]],
        columns=columns,
    )
    now = pd.DataFrame(
        [
            ["a", "1", "A", "test"],  # the champion was trained on it
            ["a2", "1", "A2", "test"],  # and on its part
            ["b", "2", "B", "train"],  # the challenger was trained on it
            ["c", "3", "C", "test"],
            ["d", "9", "D", "test"],  # the same image under another part's name
            ["e", "5", "E", "test"],
        ],
        columns=columns,
    )
    rows, sets = comparable_images(now, before)
    assert list(rows["image"]) == ["c", "e"]
    assert sets[ALL].tolist() == [True, True]
    assert sets[OWN].tolist() == [True, True]
    assert sets[CHAMPIONS].tolist() == [True, False]


@pytest.mark.parametrize(
    ("latency", "budget", "wins"),
    [(9.0, None, True), (None, None, True), (10.4, 10.0, True), (10.6, 10.0, False), (None, 10.0, False)],
)
def test_the_latency_budget_is_kept(latency: float | None, budget: float | None, wins: bool) -> None:
    found = judge_latency(latency, budget, 0.05, "line-3")
    assert found.wins is wins
    assert wins or "line-3" in found.reasons[0]
