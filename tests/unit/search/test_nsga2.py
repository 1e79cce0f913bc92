import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autonad.config import SearchConfig
from autonad.errors import SearchError
from autonad.search import Evaluation, evolve
from autonad.search.constrained import require_possible
from autonad.search.goals import Goal, Limits, Pricing
from autonad.search.nsga2 import Nsga2
from autonad.search.pareto import crowding, front_ranks, pareto_mask
from autonad.search.progress import by_generation, generation_metrics
from autonad.search.resuming import known_scores, resume_from
from autonad.search.state import merged
from autonad.search.surrogate import Surrogate
from autonad.space import Architecture, SearchSpace
from autonad.storage.journal import Journal

SPACE = SearchSpace.preset("tiny")
EDGE_MS = {"conv1x1": 0.2, "depthwise3x3": 0.3, "dilated3x3": 0.6, "conv3x3": 0.8, "conv5x5": 1.6}


def slow_blocks(architecture: Architecture) -> float:
    """A target where blocks cost most, ms."""
    widths = sum(stage.width * len(stage.blocks) for stage in architecture.stages)
    return widths / 20 + 0.1 * sum(EDGE_MS[operator] for operator in architecture.edges)


def slow_edges(architecture: Architecture) -> float:
    """Another, where edges do, ms."""
    widths = sum(stage.width * len(stage.blocks) for stage in architecture.stages)
    return widths / 100 + sum(EDGE_MS[operator] for operator in architecture.edges)


def scalars(architecture: Architecture) -> int:
    return sum(stage.width**2 * len(stage.blocks) for stage in architecture.stages)


PRICING = Pricing((slow_blocks, slow_edges), scalars, lambda architecture: scalars(architecture) / 1000)


def miou(architecture: Architecture) -> float:
    """Accuracy grows with latency, but each gene has its own share: the budget has to be spent well."""
    wide = np.mean([np.log2(stage.width * len(stage.blocks)) for stage in architecture.stages]) / 8
    suits = np.mean([stage.blocks[0].operator == "attention" for stage in architecture.stages])
    large = np.mean([operator in ("conv5x5", "dilated3x3") for operator in architecture.edges])
    return float(0.4 * wide + 0.2 * suits + 0.3 * large)


def evaluate(architecture: Architecture) -> Evaluation:
    return Evaluation(architecture, miou(architecture), slow_blocks(architecture))


def goals(targets: Sequence[int], budgets: Sequence[float | None]) -> list[Goal]:
    return [Goal(target, budget, f"device{target}") for target in targets for budget in budgets]


def make(wanted: Sequence[Goal], seed: int = 0, **numbers: Any) -> Nsga2:
    settings = SearchConfig(**{"population": 12, "generations": 5, "top_k": 4, **numbers})
    return Nsga2(SPACE, settings=settings, goals=wanted, pricing=PRICING, seed=seed)


def run(search: Nsga2) -> Nsga2:
    while not search.done:
        search.tell([evaluate(architecture) for architecture in search.ask()])
    return search


def best(search: Nsga2, goal: Goal) -> float:
    return search.finalists(1, goal)[0].miou


# Latencies of this space's networks on the two targets.
LATENCIES = [
    sorted(predict(SPACE.sample(np.random.default_rng(seed))) for seed in range(200))
    for predict in (slow_blocks, slow_edges)
]


def test_ranks_follow_the_definition() -> None:
    points = np.random.default_rng(0).random((60, 2)).round(1)  # rounded: with equal ones among them
    ranks = front_ranks(points)
    for rank in range(ranks.max() + 1):
        left = points[ranks >= rank]
        assert (pareto_mask(left) == (ranks[ranks >= rank] == rank)).all()


def test_the_ends_of_a_front_and_lonely_members_are_crowded_least() -> None:
    points = np.array([(0.0, 1.0), (0.1, 0.9), (0.2, 0.8), (0.9, 0.1), (1.0, 0.0)])
    distances = crowding(points)
    assert np.isinf(distances[[0, 4]]).all()
    assert distances[1] < distances[2] < 2
    assert np.isfinite(crowding(np.ones((3, 2)))[1])


def test_nothing_that_misses_every_goal_is_ever_evaluated() -> None:
    budgets = LATENCIES[0][10], LATENCIES[0][100]
    limit = int(np.median([scalars(SPACE.sample(np.random.default_rng(seed))) for seed in range(50)]))
    search = run(make(goals([0], budgets), max_parameters=limit))
    tried = [Architecture.from_json(text) for text in search.table()["architecture"]]
    assert len(tried) == 60
    assert all(slow_blocks(one) <= max(budgets) and scalars(one) <= limit for one in tried)
    assert any(slow_blocks(one) > min(budgets) for one in tried)


def test_what_no_network_keeps_is_found_without_an_evaluation() -> None:
    smallest = SPACE.smallest()
    possible = goals([0, 1], [1.01 * LATENCIES[0][0], 1.01 * LATENCIES[1][0]])
    require_possible(SPACE, PRICING, Limits(), possible, seed=0)
    require_possible(SPACE, PRICING, Limits(scalars(smallest)), goals([0], [None]), seed=0)
    with pytest.raises(SearchError, match=r"= 0\.01 cannot be kept on device1: the fastest .* takes"):
        require_possible(SPACE, PRICING, Limits(), goals([0, 1], [100.0]) + goals([1], [0.01]), seed=0)
    with pytest.raises(SearchError, match=r"max_parameters = [0-9,]+ \(the nearest has [0-9,]+\)"):
        require_possible(SPACE, PRICING, Limits(scalars(smallest) - 1), goals([0], [None]), seed=0)


def test_the_winner_of_each_goal_is_the_best_within_its_budget() -> None:
    wanted = goals([0, 1], [LATENCIES[0][30], LATENCIES[0][150]])
    search = run(make(wanted))
    for goal in wanted:
        winner, table = search.finalists(1, goal)[0], search.table(goal)
        within = table[table["latency_ms"] <= goal.budget_ms]
        assert winner.latency_ms == PRICING.latencies_ms[goal.target](winner.architecture) <= goal.budget_ms
        assert winner.miou == within["miou"].max()
        assert (table["feasible"] == (table["latency_ms"] <= goal.budget_ms)).all()
    assert best(search, wanted[1]) > best(search, wanted[0])


def test_a_budget_that_hardly_anything_keeps_ends_with_what_there_is() -> None:
    fastest, predicted = SPACE.smallest(), list[str]()

    def only_one(architecture: Architecture) -> float:
        predicted.append(architecture.key)
        return slow_blocks(architecture) + (architecture != fastest)

    pricing = Pricing((only_one,), scalars, PRICING.memory_mib)
    wanted = goals([0], [slow_blocks(fastest) + 0.01, 1 + LATENCIES[0][150]])
    settings = SearchConfig(population=12, generations=5, top_k=4)
    search = run(Nsga2(SPACE, settings=settings, goals=wanted, pricing=pricing))

    assert [one.architecture for one in search.finalists(None, wanted[0])] == [fastest]
    # Its places are the other goal's.
    assert len(search.finalists(None, wanted[1])) == len(search.table()) == 60
    assert len(predicted) < 100_000


def test_goals_share_one_set_of_evaluations() -> None:
    one = run(make(goals([0], [LATENCIES[0][100]])))
    many = run(make(goals([0, 1], [LATENCIES[0][20], LATENCIES[0][100], LATENCIES[0][180]])))
    assert len(many.table()) == len(one.table())
    assert many.table()["key"].is_unique
    for goal in many.goals:
        assert many.table(goal)["key"].tolist() == many.table()["key"].tolist()


def test_six_goals_need_at_most_a_fifth_more_evaluations_than_one() -> None:
    """To find networks nearly as good as a search for each budget alone: most of its gain on chance."""
    budgets = [LATENCIES[0][place] for place in (20, 80, 160)]
    lost, gained = [], []
    for seed in range(2):
        many = run(make(goals([0, 1], budgets), seed, population=24, generations=6))
        rng = np.random.default_rng(seed)
        drawn = [evaluate(SPACE.sample(rng)) for _ in range(len(many.table()))]
        for goal in many.goals[:3]:
            alone = run(make([goal], seed, population=20, generations=6))
            assert len(many.table()) <= 1.2 * len(alone.table())
            chance = max(one.miou for one in drawn if one.latency_ms <= goal.budget_ms)
            lost.append(best(alone, goal) - best(many, goal))
            gained.append(best(alone, goal) - chance)
    assert np.mean(lost) < 0.25 * np.mean(gained)


def test_the_search_beats_chance_within_the_budget() -> None:
    goal = Goal(0, LATENCIES[0][100])
    wins = 0
    for seed in range(4):
        found = best(run(make([goal], seed)), goal)
        rng = np.random.default_rng(seed)
        drawn = [one for one in (SPACE.sample(rng) for _ in range(200)) if slow_blocks(one) <= goal.budget_ms]
        wins += found > max(map(miou, drawn[:60]))
    assert wins == 4


def test_a_budget_that_one_sample_in_thousands_keeps_is_kept_by_all() -> None:
    tight = 1.15 * slow_blocks(SPACE.smallest())
    assert tight < LATENCIES[0][0]
    search = run(make([Goal(0, tight)]))
    assert len(search.table()) > 20
    assert search.table()["feasible"].all()


@pytest.mark.parametrize(
    ("numbers", "goal", "said"),
    [
        (
            {},
            Goal(0, 0.01, "line"),
            r"search.latency_budget_ms = 0.01 cannot be kept on line: the fastest .* ms",
        ),
        ({"max_parameters": 3}, Goal(), r"search.max_parameters = 3 \(the nearest has"),
        (
            {"max_memory_mib": 0.001},
            Goal(0, 50.0, "line"),
            r"within 50 ms on line keeps search.max_memory_mib = 0.001",
        ),
    ],
)
def test_constraints_that_nothing_keeps_are_refused_before_any_evaluation(
    numbers: dict[str, Any], goal: Goal, said: str
) -> None:
    search = make([goal], **numbers)
    with pytest.raises(SearchError, match=said):
        search.ask()
    assert search.generation == 0
    assert search.table().empty


class Killed(Exception):
    pass


def drive(search: Nsga2, entries: list[dict[str, Any]], stop: int | None = None) -> Nsga2:
    def keep(entry: dict[str, Any]) -> None:
        entries.append(json.loads(json.dumps(entry, allow_nan=False)))
        if len(entries) == stop:
            raise Killed

    evolve(search, evaluate, keep=keep, finished=lambda: None)
    return search


@pytest.mark.parametrize("stop", [1, 7, 13, 14, 15, 40])
def test_a_search_cut_off_after_any_entry_goes_on_bit_for_bit(stop: int) -> None:
    wanted = goals([0, 1], [LATENCIES[0][60], None])
    whole, entries = drive(make(wanted, 3), []), list[dict[str, Any]]()
    with pytest.raises(Killed):
        drive(make(wanted, 3), entries, stop)
    resumed = make(wanted, 3)
    resumed.load_state_dict(merged(entries))
    drive(resumed, entries)
    assert resumed.state_dict() == whole.state_dict()
    for goal in wanted:
        assert resumed.table(goal).equals(whole.table(goal))


@pytest.mark.parametrize("planned", [2, 5])
def test_a_search_that_ended_early_has_ended(planned: int) -> None:
    """Cut off in its second generation and asked for no more: it is finished, and may get another budget."""
    entries, budget = list[dict[str, Any]](), LATENCIES[0][180]
    with pytest.raises(Killed):
        drive(make(goals([0], [budget]), generations=planned), entries, stop=20)
    shorter = make(goals([0], [budget]), generations=2)
    shorter.load_state_dict(merged(entries))
    drive(shorter, entries)

    other = make(goals([0], [LATENCIES[0][60]]), generations=2, latency_budget_ms=LATENCIES[0][60])
    assert other.follows(merged(entries))


def test_one_budget_in_a_list_is_that_budget() -> None:
    search = make(goals([0], [50.0]), latency_budget_ms=50.0)
    search.ask()
    same = make(goals([0], [50.0]), latency_budget_ms=(50.0,))
    same.load_state_dict(search.state_dict())
    assert same.ask() == search.ask()


def test_other_budgets_end_as_a_search_of_their_own_that_scores_nothing_twice(tmp_path: Path) -> None:
    inputs, journal = {"supernet": "a"}, Journal(tmp_path / "journal.jsonl")
    journal.begin({"inputs": inputs})
    evolve(make(goals([0], [LATENCIES[0][60]])), evaluate, keep=journal.append, finished=lambda: None)
    wanted = goals([0], [LATENCIES[0][180]])

    other = make(wanted, latency_budget_ms=wanted[0].budget_ms)
    assert not resume_from(other, journal, inputs, restart=False)
    known, scored = known_scores(other, journal, inputs), list[str]()

    def remembered(architecture: Architecture) -> Evaluation:
        if architecture.key not in known:
            scored.append(architecture.key)
        found = known.get(architecture.key, miou(architecture))
        return Evaluation(architecture, found, slow_blocks(architecture))

    evolve(other, remembered, keep=lambda entry: None, finished=lambda: None)
    fresh = run(make(wanted, latency_budget_ms=wanted[0].budget_ms))
    assert other.table().equals(fresh.table())
    assert 0 < len(scored) < len(fresh.table())
    assert known_scores(other, journal, {"supernet": "b"}) == {}
    assert known_scores(make(wanted, score_at="native"), journal, inputs) == {}


def test_each_of_many_goals_has_its_turn() -> None:
    budgets = sorted({round(LATENCIES[0][place], 2) for place in (5, 25, 50, 75, 100, 125, 150, 175, 199)})
    for order in (budgets, budgets[::-1]):
        search = run(make(goals([0], order), population=len(order), generations=4))
        assert all(search.finalists(1, goal) for goal in search.goals)
    with pytest.raises(SearchError, match=r"population is 8, and 9 networks are wanted"):
        make(goals([0], [*budgets[:1], *(9.0 + n for n in range(8))]), population=8)


def test_limits_that_only_the_smallest_network_keeps_are_possible() -> None:
    smallest = SPACE.smallest()
    for seed in range(5):
        require_possible(SPACE, PRICING, Limits(scalars(smallest)), goals([0], [None]), seed=seed)


def test_progress_is_told_also_before_anything_keeps_a_lower_budget() -> None:
    begun = run(make(goals([0], [LATENCIES[0][180]]), generations=1))
    lower = make(goals([0], [1.2 * slow_blocks(SPACE.smallest())]))
    lower.load_state_dict(begun.state_dict())
    assert not lower.table()["feasible"].any()
    assert generation_metrics(lower)["search/best_miou"] == lower.table()["miou"].max()
    with pytest.raises(SearchError, match="and repeat the command"):
        lower.finalists(1)
    run(lower)
    assert lower.best == lower.finalists(1)[0]


def test_progress_is_that_of_the_first_budget_alone() -> None:
    search = run(make(goals([0], [LATENCIES[0][10], LATENCIES[0][190]])))
    told, within = generation_metrics(search), search.table().query("feasible")
    assert told["search/best_miou"] == told["search/best_score"] == within["miou"].max()
    assert told["search/best_miou"] < search.table()["miou"].max()
    assert told["search/lambda"] == search.ranking(search.goals[0]).latency_weight
    last = by_generation(search.table()).iloc[-1]
    assert last["best_miou"] == within["miou"].max()


def test_the_least_budget_that_can_be_kept_is_what_the_message_names() -> None:
    """Where the fastest network is not the smallest one, and few changes lead to it."""

    def odd(architecture: Architecture) -> float:
        return slow_blocks(architecture) + 5 * sum(one != "conv3x3" for one in architecture.edges)

    def ask(budget_ms: float) -> None:
        settings = SearchConfig(population=4, generations=1, top_k=2)
        pricing = Pricing((odd,), scalars, PRICING.memory_mib)
        Nsga2(SPACE, settings=settings, goals=[Goal(0, budget_ms, "line")], pricing=pricing, seed=0).ask()

    with pytest.raises(SearchError, match="fastest network that was found takes") as caught:
        ask(0.01)
    named = float(re.search(r"takes ([\d.]+) ms", str(caught.value))[1])  # type: ignore[index]
    assert named < odd(SPACE.smallest())
    ask(1.3 * named)


def test_other_finalists_need_no_other_search() -> None:
    begun = make([Goal()])
    begun.tell([evaluate(architecture) for architecture in begun.ask()])
    other = make([Goal()], finalists=2, finalist_epochs=50)
    other.load_state_dict(begun.state_dict())
    assert other.table().equals(begun.table())


def test_without_a_budget_latency_has_its_price() -> None:
    free = run(make([Goal()]))
    assert free.ranking(Goal()).latency_weight == free.latency_weight > 0
    assert free.ranking(Goal(0, 5.0)).latency_weight == 0
    assert best(free, Goal()) <= free.table()["miou"].max()


def test_each_target_has_its_own_price_whichever_is_named_first() -> None:
    search = run(make([Goal(0), Goal(1)], population=24))
    first = search.table(Goal(1)).query("generation == 1")
    price = search.ranking(Goal(1)).latency_weight
    assert price == pytest.approx(0.5 * first["miou"].std(ddof=0) / first["latency_ms"].std(ddof=0))
    assert price != pytest.approx(search.ranking(Goal(0)).latency_weight)
    assert search.latency_weight == search.ranking(Goal(0)).latency_weight
    fixed = run(make([Goal(0), Goal(1)], latency_weight=0.01))
    assert fixed.ranking(Goal(1)).latency_weight == 0.01


def test_a_space_smaller_than_the_search_is_searched_whole() -> None:
    small = SPACE.restrict(["shift"])
    narrow = type(small)(
        **{
            **small.__dict__,
            "edge_operators": ("conv1x1",),
            "pool_sizes": ((1,), (2,), (3,), (6,)),
            "stages": tuple(type(one)(one.widths[:1], (1, 2), one.ffn_ratios[:1]) for one in small.stages),
        }
    )
    settings = SearchConfig(population=10, generations=9, mutation_rate=0.5)
    search = run(Nsga2(narrow, settings=settings, goals=[Goal()], pricing=PRICING))
    assert len(search.table()) == narrow.size() == 16


def test_the_surrogate_predicts_the_same_from_evaluations_and_from_genes() -> None:
    """More evaluations than genes are solved in the space of genes; the weights are those of a ridge."""
    rng = np.random.default_rng(0)
    told = [evaluate(SPACE.sample(rng)) for _ in range(400)]
    few, many = Surrogate(told[:20]), Surrogate(told)
    assert len(many._columns) < 400
    assert len(few._columns) > 20
    for surrogate, known in ((few, told[:20]), (many, told)):
        rows = np.array([surrogate._row(one.architecture) for one in known])
        rows = rows - rows.mean(axis=0)
        values = np.array([one.miou for one in known])
        gradient = rows.T @ (rows @ surrogate._weights - (values - values.mean()))
        np.testing.assert_allclose(gradient + 3.0 * surrogate._weights, 0, atol=1e-8)


def test_what_a_generation_writes_to_the_journal_does_not_grow_with_those_before_it() -> None:
    kept: list[tuple[int, int]] = []
    search = make([Goal()], population=8, generations=8)
    evolve(
        search,
        evaluate,
        keep=lambda entry: kept.append((search.generation, len(json.dumps(entry)))),
        finished=lambda: None,
    )
    written = [sum(size for at, size in kept if at == generation) for generation in range(1, 9)]
    assert max(written) < 1.5 * min(written)
