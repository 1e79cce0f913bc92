import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from autonad.errors import LatencyError, StorageError
from autonad.latency.prior import (
    is_uniform,
    load_prior,
    prior_from_table,
    prior_matrix,
    save_prior,
    uniform_share,
)
from autonad.latency.table import LatencyTable
from autonad.report.prior_chart import plot_prior
from autonad.space import EDGES, SamplingPrior, SearchSpace

SPACE = SearchSpace.preset("small")


@pytest.fixture
def table(profile_table: Callable[[SearchSpace], LatencyTable]) -> LatencyTable:
    return profile_table(SPACE)


def with_column(table: LatencyTable, **columns: object) -> LatencyTable:
    return dataclasses.replace(table, rows=table.frame.assign(**columns))


def test_every_place_has_positive_probabilities_that_sum_to_one(table: LatencyTable) -> None:
    prior = prior_from_table(table, temperature=0.01)
    depths = [max(stage.depths) for stage in SPACE.stages]
    assert set(prior.blocks) == {
        (stage, block) for stage, depth in enumerate(depths) for block in range(depth)
    }
    assert set(prior.edges) == set(EDGES)
    for values in (*prior.blocks.values(), *prior.edges.values()):
        assert sum(values.values()) == pytest.approx(1.0)
        assert min(values.values()) > 0
    assert all(set(values) == {mixer.name for mixer in SPACE.mixers} for values in prior.blocks.values())


def test_cheaper_is_likelier_than_it_would_be_without_a_prior(table: LatencyTable) -> None:
    prior, costs = prior_from_table(table), table.operator_costs()
    for (stage, block), values in prior.blocks.items():
        here = costs[(costs["stage"] == stage) & (costs["block"] == block)].sort_values("ms")
        uniform = uniform_share(list(values))
        lifts = [values[name] / uniform[name] for name in here["mixer"]]
        assert lifts == sorted(lifts, reverse=True)
        assert lifts[0] > 1 > lifts[-1]
    for edge, values in prior.edges.items():
        here = costs[costs["edge"] == edge].sort_values("ms")
        probabilities = [values[name] for name in here["mixer"]]
        assert probabilities == sorted(probabilities, reverse=True)


def test_equal_costs_leave_the_spaces_own_distribution(table: LatencyTable) -> None:
    prior = prior_from_table(with_column(table, ms=1.0))
    for values in prior.blocks.values():
        assert values == pytest.approx(
            {"attention": 1 / 3, "shift": 1 / 3, "convolution3": 1 / 6, "convolution5": 1 / 6}
        )
    assert all(values == pytest.approx(dict.fromkeys(values, 0.2)) for values in prior.edges.values())
    assert is_uniform(prior)
    assert not is_uniform(prior_from_table(table))
    free = prior_from_table(with_column(table, ms=0.0))
    assert all(free.blocks[place] == pytest.approx(values) for place, values in prior.blocks.items())


def test_a_lower_temperature_is_bolder_and_a_floor_bounds_it(table: LatencyTable) -> None:
    bold, mild = (prior_from_table(table, temperature=value).blocks[0, 0] for value in (0.05, 5.0))
    assert bold["attention"] > mild["attention"] > 1 / 3
    assert bold["convolution5"] == pytest.approx(0.1 / 6, rel=0.01)
    assert prior_from_table(table, floor=1.0).blocks[0, 0]["attention"] == pytest.approx(1 / 3)


def test_few_records_and_large_errors_shrink_to_uniform(table: LatencyTable) -> None:
    def lift(n: int, stderr: float = 1e-6) -> float:
        return prior_from_table(with_column(table, n=n, stderr=stderr)).blocks[0, 0]["attention"]

    assert lift(0) == pytest.approx(1 / 3)
    assert 1 / 3 < lift(1) < lift(10) < lift(10_000)
    assert lift(10_000, stderr=100.0) == pytest.approx(1 / 3)


def test_sampling_with_the_prior_gives_cheaper_networks(table: LatencyTable) -> None:
    rng = np.random.default_rng(0)
    prior = prior_from_table(table, temperature=0.3)
    biased = np.mean([table.predict(SPACE.sample(rng, prior)) for _ in range(300)])
    uniform = np.mean([table.predict(SPACE.sample(rng)) for _ in range(300)])
    assert biased < 0.95 * uniform


def test_a_saved_prior_comes_back_equal(tmp_path: Path, table: LatencyTable) -> None:
    prior = prior_from_table(table)
    save_prior(prior, tmp_path / "prior.json")
    assert load_prior(tmp_path / "prior.json") == prior
    assert "1.1" in json.loads((tmp_path / "prior.json").read_text())["blocks"]


@pytest.mark.parametrize(
    "content",
    [
        {"blocks": {}},
        {"blocks": {"1.1": {"attention": 0.0}}, "edges": {}},
        {"blocks": {"1.1": {"attention": float(2)}}, "edges": {}},
        {"blocks": {"first": {"attention": 1.0}}, "edges": {}},
        {"blocks": {"1.1": {}}, "edges": {}},
        [],
    ],
)
def test_files_that_are_no_prior_are_refused(tmp_path: Path, content: object) -> None:
    (tmp_path / "prior.json").write_text(json.dumps(content))
    with pytest.raises((LatencyError, StorageError), match="latency prior"):
        load_prior(tmp_path / "prior.json")


@pytest.mark.parametrize(
    "numbers", [{"temperature": 0.0}, {"shrinkage": -1.0}, {"floor": 0.0}, {"floor": 1.5}]
)
def test_numbers_out_of_range_are_refused(table: LatencyTable, numbers: dict[str, float]) -> None:
    with pytest.raises(LatencyError, match=next(iter(numbers))):
        prior_from_table(table, **numbers)


def test_the_matrix_has_operators_as_rows_and_places_in_order(table: LatencyTable) -> None:
    prior = prior_from_table(table)
    matrix = prior_matrix(prior.blocks)
    assert list(matrix.index) == ["attention", "convolution3", "convolution5", "shift"]
    assert list(matrix.columns) == ["1.1", "1.2", "2.1", "2.2", "2.3", "3.1", "3.2", "3.3", "4.1", "4.2"]
    assert matrix.loc["shift", "3.2"] == prior.blocks[2, 1]["shift"]
    assert list(prior_matrix(prior.edges).columns) == list(EDGES)


def test_the_heatmap_is_a_png_and_equal_priors_give_equal_files(tmp_path: Path, table: LatencyTable) -> None:
    prior = prior_from_table(table)
    for name in ("a.png", "b.png"):
        plot_prior(prior, tmp_path / name)
    content = (tmp_path / "a.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert content == (tmp_path / "b.png").read_bytes()
    plot_prior(SamplingPrior(blocks={(0, 0): {"attention": 1.0}}), tmp_path / "b.png")
    assert content != (tmp_path / "b.png").read_bytes()
    with pytest.raises(LatencyError, match="empty"):
        plot_prior(SamplingPrior(), tmp_path / "a.png")
