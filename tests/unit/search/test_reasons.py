import numpy as np
import pandas as pd
import pytest

from autonad.errors import SearchError
from autonad.search import Evaluation
from autonad.search.reasons import explain_choice
from autonad.space import SearchSpace


def table(
    rows: list[tuple[str, str, float, float]], budget: float | None = None, price: float = 0.0
) -> pd.DataFrame:
    found = pd.DataFrame(rows, columns=["key", "origin", "miou", "latency_ms"])
    found["score"] = found["miou"] - price * found["latency_ms"]
    found["feasible"] = found["latency_ms"] <= (budget or np.inf)
    return found


ROWS = [
    ("slow", "mutation", 0.80, 4.0),
    ("chosen", "crossover", 0.78, 2.0),
    ("quick", "mutation", 0.70, 1.5),
    ("beaten", "mutation", 0.60, 1.6),
    ("random1", "sample", 0.74, 1.9),
    ("random2", "sample", 0.70, 2.1),
    ("far", "sample", 0.30, 2.5),
]


def test_neighbours_are_the_next_members_of_the_front_and_chance_takes_as_long() -> None:
    why = explain_choice(table(ROWS, 2.0), "chosen", 2.0)
    assert why.faster is not None
    assert why.better is not None
    assert (why.faster.key, why.better.key) == ("random1", "slow")
    assert (why.random_count, why.random_miou) == (2, pytest.approx(0.72))
    assert "the best by mIoU of 4 evaluated predicted within 2 ms" in why.sentence
    assert "slow, takes +2.00 ms and has +2.0 points" in why.sentence
    assert "2 random ones that take as long within 10 % lie 6.0 points below" in why.sentence
    assert why.sentence.count("\n") == 0


LATE = ("late", "mutation", 0.79, 1.99)


def test_a_winner_that_is_not_the_first_says_that_measuring_decided() -> None:
    rows = [{"key": "late", "measured_ms": 2.1}, {"key": "chosen", "measured_ms": 1.9}]
    why = explain_choice(table([*ROWS, LATE], 2.0), "chosen", 2.0, rows)
    assert "number 2 by mIoU" in why.sentence
    assert "the first finalist that kept the budget when measured" in why.sentence


def test_a_winner_that_was_predicted_above_the_budget_is_not_counted_among_those_within() -> None:
    rows = [("a", "sample", 0.80, 2.1), ("b", "sample", 0.70, 1.0)]
    measured = [{"key": "a", "measured_ms": 1.9}]
    sentence = explain_choice(table(rows, 2.0), "a", 2.0, measured).sentence
    assert "at 2.10 ms by the latency table, predicted above 2 ms, the best by mIoU of 2" in sentence
    assert "the first finalist that kept the budget when measured" in sentence
    assert "predicted within" not in sentence


def test_where_nothing_was_measured_it_does_not_say_so() -> None:
    rows = [{"key": "late", "measured_ms": None}, {"key": "chosen", "measured_ms": None}]
    sentence = explain_choice(table([*ROWS, LATE], 2.0), "chosen", 2.0, rows).sentence
    assert "number 2 by mIoU" in sentence
    assert "measured" not in sentence


def test_where_latency_has_a_price_the_score_decides_also_under_a_budget() -> None:
    rows = [("a", "sample", 0.80, 2.0), ("b", "sample", 0.79, 1.0)]
    assert "the best by score of 2" in explain_choice(table(rows, 3.0, price=0.1), "b", 3.0).sentence
    learnt = [{"key": "a", "learnt_miou": 0.86}, {"key": "b", "learnt_miou": 0.85}]
    sentence = explain_choice(table(rows, price=0.1), "b", None, learnt).sentence
    assert "of 2 finalists the best by score after a short training (85.0 %)" in sentence


def test_one_that_is_better_and_faster_by_the_table_alone_is_no_alternative() -> None:
    why = explain_choice(table([*ROWS, LATE], 2.0), "chosen", 2.0)
    assert why.faster is not None
    assert why.faster.key == "random1"


def test_without_a_budget_none_is_spoken_of() -> None:
    rows = [("a", "sample", 0.8, 2.0), ("b", "sample", 0.7, 1.0)]
    sentence = explain_choice(table(rows, price=0.01), "b", None).sentence
    assert "number 2 by score" in sentence
    assert "budget" not in sentence


def test_a_winner_that_learnt_best_says_so() -> None:
    learnt = [{"key": "chosen", "learnt_miou": 0.85}, {"key": "late", "learnt_miou": 0.84}, {"key": "slow"}]
    why = explain_choice(table([*ROWS, LATE], 2.0), "chosen", 2.0, learnt)
    assert "number 2 by mIoU" in why.sentence
    assert "of 2 finalists the best after a short training (85.0 %)" in why.sentence


def test_what_is_not_known_is_said() -> None:
    why = explain_choice(table(ROWS[1:2]), "chosen", None)
    assert (why.faster, why.better, why.random_miou) == (None, None, None)
    assert "none faster was found" in why.sentence
    assert "no random one takes as long" in why.sentence
    with pytest.raises(SearchError, match="not in the search's table"):
        explain_choice(table(ROWS), "stranger", None)


def test_random_ones_beside_the_search_are_compared_with_too() -> None:
    space, rng = SearchSpace.preset("tiny"), np.random.default_rng(0)
    one, other, slower = (space.sample(rng) for _ in range(3))
    peers = [Evaluation(one, 0.60, 2.19), Evaluation(other, 0.66, 1.81), Evaluation(slower, 0.9, 2.5)]
    why = explain_choice(table(ROWS, 2.0), "chosen", 2.0, peers=peers)
    assert (why.random_count, why.random_miou) == (4, pytest.approx((0.74 + 0.70 + 0.60 + 0.66) / 4))
    alone = explain_choice(table(ROWS[1:2]), "chosen", None, peers=peers[:1])
    assert "the random one that takes as long within 10 % lies 18.0 points below" in alone.sentence


def test_one_that_was_drawn_again_counts_once() -> None:
    drawn = SearchSpace.preset("tiny").smallest()
    rows = [*ROWS[:2], (drawn.key, "sample", 0.74, 1.9)]
    why = explain_choice(table(rows), "chosen", None, peers=[Evaluation(drawn, 0.74, 1.9)])
    assert why.random_count == 1
    assert (
        explain_choice(table(rows), drawn.key, None, peers=[Evaluation(drawn, 0.74, 1.9)]).random_count == 0
    )
