from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from autonad.errors import SearchError
from autonad.latency.measure import Measurement
from autonad.latency.target import Target
from autonad.search.finalists import MARGIN, VISITS, choose, measurer, varied
from autonad.search.plain import is_plain, plain_networks
from autonad.search.ranking import Evaluation, Ranking
from autonad.space import Architecture, SearchSpace

SPACE = SearchSpace.preset("tiny")
HERE = Target.describe("here", threads=1)
RNG = np.random.default_rng(0)
FINALISTS = [Evaluation(SPACE.sample(RNG), miou, ms) for miou, ms in ((0.8, 6.0), (0.7, 4.0), (0.6, 3.0))]


def test_where_nothing_can_be_measured_the_prediction_decides() -> None:
    winner, rows = choose(FINALISTS, None, Ranking(0.0, 5.0))
    assert winner == FINALISTS[1]
    assert [(row["predicted_ms"], row["measured_ms"], row["n"]) for row in rows] == [
        (6.0, None, 0),
        (4.0, None, 0),
        (3.0, None, 0),
    ]
    with pytest.raises(SearchError, match=r"fastest takes 3\.00 ms"):
        choose(FINALISTS, None, Ranking(0.0, 2.0))


def test_finalists_are_measured_on_the_target_alone() -> None:
    here, said = Target.describe("here", threads=1), list[str]()
    other = here.model_copy(update={"cpu": "another"})
    facts = {"input_shape": (1, 3, 32, 32), "warmup": 0, "repeats": 3, "say": said.append}
    assert measurer(lambda _: None, here, **facts) is not None  # type: ignore[arg-type]
    assert said == []
    assert measurer(lambda _: None, other, **facts) is None  # type: ignore[arg-type]
    assert "cpu is" in said[0]


def timed(medians: dict[str, float]) -> tuple[list[str], Callable[[Architecture], Measurement]]:
    """A device with given medians, and what was measured on it."""
    asked: list[str] = []

    def measure(architecture: Architecture) -> Measurement:
        asked.append(architecture.key)
        return Measurement(HERE, (1, 3, 32, 32), (medians[architecture.key],) * 3, warmup=0)

    return asked, measure


def test_the_next_one_is_taken_when_the_best_misses_the_budget_measured() -> None:
    first, second, third = FINALISTS
    asked, measure = timed(
        {first.architecture.key: 5.2, second.architecture.key: 4.9, third.architecture.key: 3}
    )
    winner, rows = choose(FINALISTS, measure, Ranking(0.0, 5.0))
    assert winner == second
    assert [row["measured_ms"] for row in rows] == [5.2, 4.9, 3]
    keys = [one.architecture.key for one in FINALISTS]
    assert asked == keys * VISITS, "in turns"


def test_a_table_that_is_too_low_is_made_up_for() -> None:
    ranked = [Evaluation(SPACE.sample(RNG), 0.9 - n / 100, 4.0 - n / 10) for n in range(20)]
    medians = {one.architecture.key: 1.5 * one.latency_ms for one in ranked}
    asked, measure = timed(medians)
    winner, rows = choose(ranked, measure, Ranking(0.0, 4.0), count=2)
    assert medians[winner.architecture.key] <= 4.0
    assert winner == next(one for one in ranked if 1.5 * one.latency_ms <= 4.0), "the best that keeps it"
    assert len(rows) == len(set(asked)) == 3, "what cannot keep it is not measured"


def test_one_disturbed_visit_costs_no_finalist_its_place() -> None:
    first = FINALISTS[0]
    _, quiet = timed({one.architecture.key: 4.0 for one in FINALISTS})
    calls = iter(range(100))

    def measure(architecture: Architecture) -> Measurement:
        found = quiet(architecture)
        return replace(found, samples_ms=(90.0,) * 3) if next(calls) == len(FINALISTS) else found

    winner, rows = choose(FINALISTS, measure, Ranking(0.0, 5.0))
    assert (winner, rows[0]["measured_ms"]) == (first, 4.0)


def test_of_those_within_the_budget_the_best_learner_wins() -> None:
    first, second, third = FINALISTS
    _, measure = timed({first.architecture.key: 6, second.architecture.key: 4, third.architecture.key: 3})
    trained: list[str] = []

    def learn(architecture: Architecture) -> float:
        trained.append(architecture.key)
        return {second.architecture.key: 0.71, third.architecture.key: 0.72}[architecture.key]

    winner, rows = choose(FINALISTS, measure, Ranking(0.0, 5.0), learn=learn)
    assert winner == third
    assert [row["learnt_miou"] for row in rows] == [None, 0.71, 0.72], "what misses the budget learns nothing"
    assert trained == [second.architecture.key, third.architecture.key]
    # A price of latency counts for what was learnt as it does in the search.
    assert choose(FINALISTS[1:], measure, Ranking(-0.02), learn=learn)[0] == second


def test_one_that_is_left_alone_need_not_learn() -> None:
    def learn(architecture: Architecture) -> float:
        raise AssertionError

    assert choose(FINALISTS, None, Ranking(0.0, 3.5), learn=learn)[0] == FINALISTS[2]


def test_finalists_see_the_image_at_several_resolutions() -> None:
    rng, edge = np.random.default_rng(1), SearchSpace.preset("edge")
    drawn = [edge.sample(rng) for _ in range(60)]
    ranked = [Evaluation(one, 0.8 - n / 1000, 1.0) for n, one in enumerate(drawn)]
    ranking = Ranking(0.0, 5.0)
    order = varied(ranked, 4, ranking)
    assert sorted(order, key=ranked.index) == ranked, "nothing is lost"
    first = order[:4]
    assert first[0] == ranked[0], "the best stays the best"
    assert len({(one.architecture.scale, one.architecture.stem_stride) for one in first}) == 4
    assert all(one.miou >= ranked[0].miou - MARGIN for one in first)
    assert order[4:] == [one for one in ranked if one not in first]
    far = [ranked[0], *(Evaluation(one.architecture, one.miou - MARGIN, 1.0) for one in ranked[1:])]
    assert varied(far, 4, ranking) == far, "a resolution that is far behind is not tried"


def test_a_plain_network_is_a_finalist_where_it_is_near() -> None:
    rng, edge = np.random.default_rng(1), SearchSpace.preset("edge")
    plain = plain_networks(edge, lambda architecture: True)[0]
    assert is_plain(plain)
    drawn = [replace(edge.sample(rng), scale=plain.scale, stem_stride=plain.stem_stride) for _ in range(20)]
    assert not any(map(is_plain, drawn))
    ranked = [Evaluation(one, 0.8 - n / 10_000, 1.0) for n, one in enumerate(drawn)]
    near, far = (Evaluation(plain, 0.8 - MARGIN * share, 1.0) for share in (0.9, 1.1))
    assert varied([*ranked, near], 6, Ranking(0.0, 5.0))[:6] == [*ranked[:5], near]
    assert varied([*ranked, far], 6, Ranking(0.0, 5.0)) == [*ranked, far]
