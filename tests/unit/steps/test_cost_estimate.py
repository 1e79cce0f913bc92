"""What a run costs, and what fits into a time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autonad.config import Config
from autonad.console import duration
from autonad.errors import ConfigError
from autonad.steps.cost_estimate import (
    LEAST_EVALUATIONS,
    LEAST_RETRAINING,
    LEAST_STEPS,
    Pace,
    describe_costs,
    describe_left,
    fit_to_minutes,
)

PACE = Pace(
    step=0.2, retraining_step=0.3, evaluation=1.0, steps=10, retraining_steps=10, pieces=100, test_share=1.0
)


def minutes(config: Config) -> float:
    return sum(PACE.costs(config).values()) / 60


def test_twice_the_epochs_cost_twice_the_steps() -> None:
    base = Config()
    more = base.model_copy(update={"train_supernet": base.train_supernet.model_copy(update={"epochs": 600})})
    before, after = PACE.costs(base), PACE.costs(more)

    assert before["supernet"] == 300 * 10 * 0.2 + 4 * (300 // 25) * 1.0
    assert after["supernet"] == 2 * before["supernet"]
    assert {**after, "supernet": 0} == {**before, "supernet": 0}


@pytest.mark.parametrize(("gpus", "share"), [(1, 1.0), (2, 0.5), (3, 3 / 8), (16, 1 / 8)])
def test_gpus_share_the_steps_of_trainings_and_nothing_else(gpus: int, share: float) -> None:
    one, several = PACE.costs(Config()), replace(PACE, gpus=gpus).costs(Config())
    steps = {
        "supernet": Config().train_supernet.epochs * 10 * 0.2,
        "retraining": Config().retrain.epochs * 10 * 0.3,
    }
    for name, seconds in one.items():
        saved = (1 - share) * steps.get(name, 0.0)
        assert several[name] == pytest.approx(seconds - saved), name


def test_a_detector_for_each_budget_costs_a_retraining_each() -> None:
    base = Config()
    both = base.model_copy(
        update={"search": base.search.model_copy(update={"latency_budget_ms": (1.0, 3.0)})}
    )
    assert PACE.costs(both)["retraining"] == 2 * PACE.costs(base)["retraining"]
    assert PACE.costs(both)["search"] == PACE.costs(base)["search"]


@pytest.mark.parametrize(("settings", "trainings"), [({}, 6 * 5), ({"finalist_epochs": 0}, 0)])
def test_finalists_cost_what_they_learn(settings: dict[str, int], trainings: int) -> None:
    base = Config()
    config = base.model_copy(update={"search": base.search.model_copy(update=settings)})
    assert PACE.costs(config)["finalists"] == trainings * 10 * 0.3 + (6 * 1.0 if trainings else 0)
    assert ("finalists" in describe_costs(PACE.costs(config), config)) == bool(trainings)


def test_what_is_left_leaves_out_what_is_done() -> None:
    costs = PACE.costs(Config())
    left = {**dict.fromkeys(costs, 1.0), "supernet": 0.0, "search": 0.5}
    text = describe_left(costs, left)

    half = sum(costs.values()) - costs["supernet"] - costs["search"] / 2
    assert text.startswith(f"about {duration(half)}: latency")
    assert f"search {duration(costs['search'] / 2)}" in text
    assert "supernet" not in text
    assert describe_left(costs, dict.fromkeys(costs, 0.0)).startswith("nothing")


@pytest.mark.parametrize("wanted", [9.0, 12.0, 20.0])
def test_as_much_as_fits_is_chosen(wanted: float) -> None:
    found = fit_to_minutes(Config(), PACE, wanted)

    assert minutes(found) <= wanted
    longer = fit_to_minutes(Config(), PACE, 1.5 * wanted)
    assert longer.train_supernet.epochs > found.train_supernet.epochs
    assert minutes(longer) > minutes(found) > 0.8 * wanted


def test_no_more_than_four_times_the_settings() -> None:
    found = fit_to_minutes(Config(), PACE, 10_000)
    assert found.train_supernet.epochs == 4 * Config().train_supernet.epochs
    assert found.retrain.epochs == 4 * Config().retrain.epochs


def test_what_is_not_about_time_stays() -> None:
    found = fit_to_minutes(Config(), PACE, 10)
    searched = {"generations", "finalist_epochs"}
    changed = {"train_supernet": {"epochs"}, "retrain": {"epochs"}, "search": searched}
    assert found.model_dump(exclude=changed) == Config().model_dump(exclude=changed)


def test_too_little_is_refused_with_the_least_that_is_worth_it() -> None:
    with pytest.raises(ConfigError, match="too little") as told:
        fit_to_minutes(Config(), PACE, 1)

    least = int(str(told.value).split("Give --minutes ")[1].split()[0])
    found = fit_to_minutes(Config(), PACE, least)
    assert found.train_supernet.epochs * PACE.steps >= LEAST_STEPS
    assert found.retrain.epochs * PACE.retraining_steps >= LEAST_RETRAINING
    assert found.search.population * found.search.generations >= LEAST_EVALUATIONS
    with pytest.raises(ConfigError):
        fit_to_minutes(Config(), PACE, least - 1)


def test_settings_below_the_least_are_the_least() -> None:
    base = Config()
    few = base.model_copy(update={"train_supernet": base.train_supernet.model_copy(update={"epochs": 2})})
    assert fit_to_minutes(few, PACE, 8).train_supernet.epochs in range(2, 9)


def test_the_cost_is_one_line_with_the_whole_first() -> None:
    text = describe_costs(PACE.costs(Config()), Config())
    assert text.startswith("about ")
    assert "\n" not in text
    assert "(300 epochs)" in text
    assert "search 3 min (192 evaluations)" in text
