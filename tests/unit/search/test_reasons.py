import numpy as np
import pandas as pd
import pytest

from autonad.errors import SearchError
from autonad.search.reasons import explain_choice


def table(rows: list[tuple[str, str, float, float]], budget: float | None = None) -> pd.DataFrame:
    found = pd.DataFrame(rows, columns=["key", "origin", "miou", "latency_ms"])
    found["score"], found["feasible"] = found["miou"], found["latency_ms"] <= (budget or np.inf)
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


def test_a_winner_that_is_not_the_first_says_that_measuring_decided() -> None:
    why = explain_choice(table([*ROWS, ("late", "mutation", 0.79, 1.99)], 2.0), "chosen", 2.0)
    assert "number 2 by mIoU" in why.sentence
    assert "kept the budget when measured" in why.sentence


def test_one_that_is_better_and_faster_by_the_table_alone_is_no_alternative() -> None:
    why = explain_choice(table([*ROWS, ("late", "mutation", 0.79, 1.99)], 2.0), "chosen", 2.0)
    assert why.faster is not None
    assert why.faster.key == "random1"


def test_without_a_budget_none_is_spoken_of() -> None:
    rows = [("a", "sample", 0.8, 2.0), ("b", "sample", 0.7, 1.0)]
    sentence = explain_choice(table(rows), "b", None).sentence
    assert "number 2 by score" in sentence
    assert "budget" not in sentence


def test_a_winner_that_learnt_best_says_so() -> None:
    learnt = [{"key": "chosen", "learnt_miou": 0.85}, {"key": "late", "learnt_miou": 0.84}, {"key": "slow"}]
    why = explain_choice(table([*ROWS, ("late", "mutation", 0.79, 1.99)], 2.0), "chosen", 2.0, learnt)
    assert "number 2 by mIoU" in why.sentence
    assert "of 2 finalists the best after a short training (85.0 %)" in why.sentence


def test_what_is_not_known_is_said() -> None:
    why = explain_choice(table(ROWS[1:2]), "chosen", None)
    assert (why.faster, why.better, why.random_miou) == (None, None, None)
    assert "none faster was found" in why.sentence
    assert "no random one takes as long" in why.sentence
    with pytest.raises(SearchError, match="not in the search's table"):
        explain_choice(table(ROWS), "stranger", None)
