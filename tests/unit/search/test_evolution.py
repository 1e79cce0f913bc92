import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from autonad.config import SearchConfig
from autonad.errors import SearchError
from autonad.search import Evaluation, Evolution, evolve
from autonad.search.state import merged
from autonad.space import Architecture, SamplingPrior, SearchSpace, StageSpace

SPACE = SearchSpace.preset("tiny")
# 48 members: two operators and one optional block; of everything else there is one choice.
MINIATURE = SearchSpace(
    stages=(StageSpace((8,), (1, 2), (1.0,)), *(StageSpace((8,), (1,), (1.0,)) for _ in range(3))),
    operators=("attention", "shift"),
    kernels=(),
    edge_operators=("conv1x1",),
    pool_sizes=((1,), (2,), (3,), (6,)),
    head_width=8,
    mfam_widths=(16,),
)
SETTINGS = SearchConfig(population=8, generations=4, top_k=3)


def toy(architecture: Architecture) -> Evaluation:
    """A landscape with an optimum: shift early, attention late, dilated edges; a block costs 1 ms."""
    wanted = ("shift", "shift", "attention", "attention")
    hits = [
        block.operator == operator
        for stage, operator in zip(architecture.stages, wanted, strict=True)
        for block in stage.blocks
    ]
    hits += [operator == "dilated3x3" for operator in architecture.edges]
    hits += [side == 6 for side in architecture.pools]
    return Evaluation(architecture, float(np.mean(hits)), float(architecture.num_blocks))


def run(search: Evolution, fitness: Callable[[Architecture], Evaluation] = toy) -> Evolution:
    while not search.done:
        search.tell([fitness(architecture) for architecture in search.ask()])
    return search


def make(seed: int = 0, space: SearchSpace = SPACE, **numbers: Any) -> Evolution:
    return Evolution(space, settings=SETTINGS.model_copy(update=numbers), seed=seed)


def test_one_seed_gives_one_search_and_another_seed_another() -> None:
    assert run(make(3)).table().equals(run(make(3)).table())
    assert not run(make(3)).table().equals(run(make(4)).table())


def test_every_generation_is_evaluated_and_nothing_twice() -> None:
    search = run(make())
    table = search.table()
    assert table["generation"].value_counts().to_dict() == {1: 8, 2: 8, 3: 8, 4: 8}
    assert table["key"].is_unique
    assert (table["key"] == [Architecture.from_json(text).key for text in table["architecture"]]).all()
    assert search.ask() == []
    for text in table["architecture"]:
        SPACE.check(Architecture.from_json(text))


def test_children_name_their_origin_and_their_parents_were_the_best_before_them() -> None:
    search = run(make(population=10, generations=5, crossover_rate=1.0))
    table = search.table()
    assert set(table[table["generation"] == 1]["origin"]) == {"sample"}
    for generation in range(2, 6):
        children = table[table["generation"] == generation]
        assert children["origin"].value_counts().to_dict() == {"mutation": 5, "crossover": 5}
        before = table[table["generation"] < generation].sort_values("score", ascending=False, kind="stable")
        elite = set(before["key"].head(3))
        for origin, parents in zip(children["origin"], children["parents"], strict=True):
            keys = parents.split(",")
            assert set(keys) <= elite
            assert len(set(keys)) == (2 if origin == "crossover" else 1)


def test_a_pair_is_crossed_with_the_crossover_rate() -> None:
    search = run(make(population=100, generations=7, top_k=10, crossover_rate=0.4))
    children = search.table().query("generation > 1")
    share = (children["origin"] == "crossover").mean()
    assert share == pytest.approx(0.5 * 0.4, abs=0.06)


def test_a_gene_mutates_with_the_mutation_rate() -> None:
    search = run(make(population=60, generations=3, crossover_rate=0.0, mutation_rate=0.1))
    table = search.table().set_index("key")
    changed = []
    for _, child in table[table["origin"] == "mutation"].iterrows():
        mother = Architecture.from_json(table.loc[child["parents"], "architecture"])
        edges = Architecture.from_json(child["architecture"]).edges
        changed += [a != b for a, b in zip(edges, mother.edges, strict=True)]
    assert np.mean(changed) == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize(
    ("rates", "origins"),
    [
        ({"mutation_rate": 0.0, "crossover_rate": 0.5}, {"sample", "crossover"}),
        ({"mutation_rate": 0.2, "crossover_rate": 0.0}, {"sample", "mutation"}),
        ({"mutation_rate": 0.2, "crossover_rate": 1.0, "top_k": 1}, {"sample", "mutation"}),
    ],
)
def test_a_rate_of_zero_leaves_the_children_to_the_other_operator(
    rates: dict[str, Any], origins: set[str]
) -> None:
    table = run(make(**rates)).table()
    assert set(table["origin"]) == origins
    assert len(table) == 32


def test_without_mutation_and_crossover_only_the_first_population_is_searched() -> None:
    search = run(make(mutation_rate=0.0, crossover_rate=0.0))
    assert search.done
    assert len(search.table()) == 8
    assert search.best.miou == search.table().sort_values("score")["miou"].iloc[-1]


def test_the_best_never_gets_worse() -> None:
    search, scores = make(generations=8, latency_weight=0.01), []
    while not search.done:
        search.tell([toy(architecture) for architecture in search.ask()])
        scores.append(search.ranking(search.goals[0]).score(search.best))
    assert scores == sorted(scores)
    assert scores[-1] > scores[0]


def test_evolution_beats_random_search_with_as_many_evaluations() -> None:
    wins = 0
    for seed in range(6):
        search = run(make(seed, population=20, generations=8, top_k=5, latency_weight=0.0))
        rng = np.random.default_rng(seed)
        random = max(toy(SPACE.sample(rng)).miou for _ in range(len(search.table())))
        wins += search.best.miou > random
    assert wins == 6


@pytest.mark.parametrize("interval", [1, 3, 8])
def test_an_interrupted_search_ends_as_an_uninterrupted_one(interval: int) -> None:
    whole = run(make(5))
    search, told = make(5), 0
    while not search.done:
        search.tell([toy(search.ask()[-1])])  # from the end: the order of answers must not matter
        told += 1
        if told % interval == 0:
            state = json.loads(json.dumps(search.state_dict(), allow_nan=False))
            search = make(5)
            search.load_state_dict(state)
    assert search.table().equals(whole.table())
    assert search.state_dict() == whole.state_dict()
    assert search.best == whole.best
    assert search.latency_weight == whole.latency_weight


def test_a_state_saved_between_ask_and_tell_asks_the_same_again() -> None:
    search = make(1)
    search.tell([toy(architecture) for architecture in search.ask()])
    asked = search.ask()
    resumed = make(1)
    resumed.load_state_dict(search.state_dict())
    assert resumed.ask() == asked == search.ask()


def test_single_precision_scores_resume_exactly_too() -> None:
    def single(architecture: Architecture) -> Evaluation:
        return Evaluation(architecture, np.float32(toy(architecture).miou * 0.9), np.float32(1.1))

    search = make(2)
    search.tell([single(architecture) for architecture in search.ask()])
    resumed = make(2)
    resumed.load_state_dict(json.loads(json.dumps(search.state_dict())))
    assert run(resumed, single).table().equals(run(search, single).table())


def test_a_finished_search_can_be_given_more_generations() -> None:
    search = make(1, generations=6)
    search.load_state_dict(run(make(1, generations=4)).state_dict())
    assert not search.done
    assert run(search).table().equals(run(make(1, generations=6)).table())
    with pytest.raises(SearchError, match="allow at least as many"):
        make(1, generations=5).load_state_dict(search.state_dict())


def test_a_finished_search_under_another_budget_is_another_search() -> None:
    """It would choose among what was bred for the first."""
    finished = run(make(1))
    search = make(1, latency_budget_ms=float(finished.table()["latency_ms"].median()))
    assert search.follows(finished.state_dict())
    assert not make(1).follows(finished.state_dict())
    assert not make(2, latency_budget_ms=1.0).follows(finished.state_dict())
    with pytest.raises(SearchError, match="latency_budget_ms was None"):
        search.load_state_dict(finished.state_dict())


@pytest.mark.parametrize("cut", ["within a generation", "between two"])
def test_an_unfinished_search_does_not_go_on_under_another_budget(cut: str) -> None:
    """What is bred depends on it, so that it would end as neither search does."""
    search = make(1)
    for _ in range(2):
        asked = search.ask()
        search.tell([toy(one) for one in asked[: 3 if cut == "within a generation" else None]])
        if cut == "within a generation":
            break
    other = make(1, latency_budget_ms=5.0)
    with pytest.raises(SearchError, match=r"latency_budget_ms was None, now 5\.0"):
        other.load_state_dict(search.state_dict())
    make(1).load_state_dict(search.state_dict())


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (make(2), "seed"),
        (make(1, top_k=4), "top_k"),
        (make(1, space=SearchSpace.preset("small")), "space"),
        (
            Evolution(
                SPACE, settings=SETTINGS, seed=1, prior=SamplingPrior(edges={"pool1": {"conv1x1": 1.0}})
            ),
            "prior",
        ),
    ],
)
def test_the_state_of_another_search_is_refused_and_changes_nothing(other: Evolution, named: str) -> None:
    before = other.state_dict()
    with pytest.raises(SearchError, match=f"{named} was"):
        other.load_state_dict(run(make(1)).state_dict())
    assert other.state_dict() == before


@pytest.mark.parametrize(
    "damage", [{"rng": {}}, {"candidates": [{}]}, {"identity": None}, {"generation": "x"}]
)
def test_a_damaged_state_is_refused(damage: dict[str, Any]) -> None:
    search = make(1)
    before = search.state_dict()
    with pytest.raises(SearchError, match="cannot be read"):
        search.load_state_dict({**run(make(1)).state_dict(), **damage})
    assert search.state_dict() == before


def test_the_budget_comes_before_the_score() -> None:
    # The best score lies above the budget: longer networks score higher here.
    def longer(architecture: Architecture) -> Evaluation:
        return Evaluation(architecture, architecture.num_blocks / 10, float(architecture.num_blocks))

    search = run(make(latency_weight=0.0, latency_budget_ms=6.0, population=16), longer)
    assert search.best.latency_ms == 6.0
    table = search.table()
    assert (table["feasible"] == (table["latency_ms"] <= 6.0)).all()
    assert not table["feasible"].all()
    impossible = run(make(latency_budget_ms=0.5), longer)
    assert impossible.best.latency_ms == impossible.table()["latency_ms"].min(), "nearest to the budget"
    ranked = search.finalists(1000)
    latencies = [item.latency_ms for item in ranked]
    infeasible = [latency for latency in latencies if latency > 6.0]
    assert latencies[len(latencies) - len(infeasible) :] == sorted(infeasible)


def test_auto_weight_follows_the_spread_of_the_first_population() -> None:
    search = make(latency_weight="auto")
    first = [toy(architecture) for architecture in search.ask()]
    search.tell(first)
    expected = 0.5 * np.std([item.miou for item in first]) / np.std([item.latency_ms for item in first])
    assert search.latency_weight == pytest.approx(expected)
    run(search)
    assert search.latency_weight == pytest.approx(expected), "it is fixed after the first population"
    row = search.table().iloc[-1]
    assert row["score"] == pytest.approx(row["miou"] - expected * row["latency_ms"])
    free = make()
    free.tell([replace(toy(architecture), latency_ms=0.0) for architecture in free.ask()])
    assert free.latency_weight == 0.0
    equal = make()
    equal.tell([replace(toy(architecture), miou=0.5) for architecture in equal.ask()])
    assert equal.latency_weight == 0.0
    assert equal.best.latency_ms == equal.table()["latency_ms"].min(), "equal scores go to the faster one"


def test_the_prior_biases_samples_and_mutations() -> None:
    never = {"attention": 0.0, "shift": 1.0, "convolution3": 0.0, "convolution5": 0.0}
    prior = SamplingPrior(blocks={(stage, block): never for stage in range(4) for block in range(2)})
    search = run(Evolution(SPACE, settings=SETTINGS, prior=prior, seed=0))
    first = search.table().query("generation == 1")
    for text in first["architecture"]:
        assert {b.operator for stage in Architecture.from_json(text).stages for b in stage.blocks} == {
            "shift"
        }


@pytest.mark.parametrize("population", [4, 24, 96, 500])
def test_a_space_smaller_than_the_search_is_searched_whole_and_then_done(population: int) -> None:
    assert MINIATURE.size() == 2**3 * (2 + 4)
    search = run(make(space=MINIATURE, population=population, generations=50, top_k=2, mutation_rate=0.5))
    table = search.table()
    assert len(table) == MINIATURE.size()
    assert table["key"].is_unique
    assert search.done
    assert search.ask() == []


def test_a_prior_that_allows_too_few_architectures_is_an_error() -> None:
    only = {"shift": 1.0}
    narrow = replace(
        MINIATURE,
        stages=tuple(StageSpace((8,), (4,), (1.0,)) for _ in range(4)),
        operators=("attention", "shift"),
    )
    prior = SamplingPrior(blocks={(stage, block): only for stage in range(4) for block in range(4)})
    search = Evolution(narrow, settings=SETTINGS, prior=prior)
    with pytest.raises(SearchError, match="only 1 distinct"):
        search.ask()


@pytest.mark.parametrize("miou", [float("nan"), float("inf"), -0.1, 76.4])
def test_an_impossible_miou_is_refused_and_nothing_is_kept(miou: float) -> None:
    search = make()
    asked = search.ask()
    with pytest.raises(SearchError, match="fraction"):
        search.tell([toy(asked[0]), replace(toy(asked[1]), miou=miou)])
    assert search.ask() == asked
    search.tell([replace(toy(asked[0]), miou=1.0), replace(toy(asked[1]), miou=0.0)])
    assert search.table()["miou"].tolist() == [1.0, 0.0]


@pytest.mark.parametrize("latency_ms", [float("nan"), float("inf"), -1.0])
def test_an_impossible_latency_is_refused(latency_ms: float) -> None:
    search = make()
    with pytest.raises(SearchError, match="finite"):
        search.tell([replace(toy(search.ask()[0]), latency_ms=latency_ms)])


def test_only_what_was_asked_can_be_told_and_only_once() -> None:
    search = make()
    asked = search.ask()
    with pytest.raises(SearchError, match="not waiting"):
        search.tell([toy(SPACE.largest())])
    with pytest.raises(SearchError, match="not waiting"):
        search.tell([toy(asked[0]), toy(asked[0])])
    assert search.ask() == asked
    search.tell([toy(asked[0])])
    with pytest.raises(SearchError, match="not waiting"):
        search.tell([toy(asked[0])])


def test_a_search_without_evaluations_has_no_best_and_an_empty_table() -> None:
    search = make()
    assert list(search.table().columns) == list(run(make()).table().columns)
    assert len(search.table()) == 0
    with pytest.raises(SearchError, match="no evaluation"):
        _ = search.best


class Killed(Exception):
    pass


def drive(search: Evolution, entries: list[dict[str, Any]], stop: int | None = None) -> Evolution:
    """Run a search, keeping its entries as JSON; stop when so many were kept."""

    def keep(entry: dict[str, Any]) -> None:
        entries.append(json.loads(json.dumps(entry, allow_nan=False)))
        if len(entries) == stop:
            raise Killed

    evolve(search, toy, keep=keep, finished=lambda: None)
    return search


@pytest.mark.parametrize("stop", [1, 2, 8, 9, 10, 11, 20, 36])
def test_a_search_cut_off_after_any_entry_goes_on_bit_for_bit(stop: int) -> None:
    whole = drive(make(5), [])
    entries: list[dict[str, Any]] = []
    with pytest.raises(Killed):
        drive(make(5), entries, stop)
    resumed = make(5)
    resumed.load_state_dict(merged(entries))
    drive(resumed, entries)
    assert resumed.table().equals(whole.table())
    assert resumed.state_dict() == whole.state_dict()
    again = make(5)
    again.load_state_dict(merged(entries))
    assert again.table().equals(whole.table())
    assert again.latency_weight == whole.latency_weight


def test_what_a_search_keeps_grows_with_its_evaluations_alone() -> None:
    def kept(generations: int) -> int:
        entries: list[dict[str, Any]] = []
        drive(make(generations=generations), entries)
        return sum(len(json.dumps(entry)) for entry in entries)

    few, many = kept(6), kept(24)
    assert many / few == pytest.approx(4, rel=0.2)


@pytest.mark.parametrize("entries", [[{}], [{"key": "unknown", "miou": 0.5}], [3], [{"candidates": [1]}]])
def test_entries_of_something_else_are_refused(entries: list[Any]) -> None:
    with pytest.raises(SearchError, match="cannot be read"):
        make().load_state_dict(merged(entries))


def test_searching_never_imports_torch() -> None:
    code = "import sys, autonad.search; print('torch' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
