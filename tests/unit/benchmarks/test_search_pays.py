"""Networks at a budget, equal retrainings, and intervals of their differences."""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from autonad.config import Config, load_config
from autonad.data.dataset import Dataset
from autonad.data.synthetic.generator import synthesize
from autonad.errors import SearchError
from autonad.evaluation.inherited import score_sizes
from autonad.evaluation.result import SIZES
from autonad.network import AutoNADNet
from autonad.search.finalists import MARGIN
from autonad.space import Architecture, SearchSpace
from autonad.training.equal_time import fit_epochs
from autonad.training.inputs import evaluation_data
from autonad.training.world import ALONE
from benchmarks.at_budget import (
    WIDTHS,
    Inherited,
    budgets_over_range,
    hand_made,
    random_below,
    random_search,
    searched,
    widest_hand_made,
)
from benchmarks.equal_minutes import retraining, train_within, trained_supernet
from benchmarks.inherited_ranking import ranking, sentence
from benchmarks.paired_intervals import Score
from benchmarks.retrained import Place, Runs
from benchmarks.search_pays import compared, contenders, inherited_lead, table
from benchmarks.split_seeds import split_datasets

SETTINGS = (
    "space.preset=tiny",
    "input.height=48",
    "input.width=48",
    "search.population=4",
    "search.generations=2",
    "train_supernet.panel=1",
    "threads=1",
)


def latency(architecture: Architecture) -> float:
    """A stand-in for a table: more channels and blocks cost more, fewer pixels less."""
    blocks = sum(stage.width * block.ffn_ratio for stage in architecture.stages for block in stage.blocks)
    return architecture.scale**2 * (blocks + architecture.mfam_width + sum(architecture.pools)) / 100


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config(None, SETTINGS)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("pays") / "plates"
    return synthesize(folder, num_images=24, size=(48, 48), classes=("crack", "stain"), views=(1, 2))


@pytest.fixture(scope="module")
def place(dataset: Dataset, config: Config, tmp_path_factory: pytest.TempPathFactory) -> Place:
    net, spec = trained_supernet(dataset, config, 1e-4, tmp_path_factory.mktemp("supernet") / "supernet")
    return Place("plates", dataset, net, spec, config)


def inherited(place: Place, path: Path) -> Inherited:
    validation = evaluation_data(place.dataset, place.spec, "val")
    return Inherited(place.net, validation, place.spec, latency, path)


# -- networks at a budget ------------------------------------------------------------------------------------


def test_budgets_are_spread_over_the_logarithmic_range() -> None:
    space = SearchSpace.preset("edge")
    budgets = budgets_over_range(space, latency, [0.0, 0.5, 1.0])
    assert budgets[0] == pytest.approx(latency(space.smallest()), rel=0.01)
    assert budgets[2] == pytest.approx(latency(space.largest()), rel=0.01)
    assert budgets[1] == pytest.approx(np.sqrt(budgets[0] * budgets[2]), rel=0.02)


def test_random_networks_lie_within_a_tenth_below_the_budget_and_differ() -> None:
    space = SearchSpace.preset("edge")
    budget = budgets_over_range(space, latency, [0.5])[0]
    found = random_below(space, latency, budget, 6, seed=3)
    assert len({one.key for one in found}) == 6
    assert all(0.9 * budget <= latency(one) <= budget for one in found)
    assert found == random_below(space, latency, budget, 6, seed=3)


def test_a_budget_below_the_space_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.at_budget.MAX_DRAWS", 50)
    with pytest.raises(SearchError, match="hold 0 networks"):
        random_below(SearchSpace.preset("edge"), latency, 1e-6, 1, seed=0)
    with pytest.raises(SearchError, match="no hand-made"):
        widest_hand_made(SearchSpace.preset("edge"), latency, 1e-6)


@pytest.mark.parametrize("share", [0.2, 0.4, 0.7])
def test_the_hand_made_network_is_as_wide_as_the_budget_allows(share: float) -> None:
    space = SearchSpace.preset("edge")
    budget = budgets_over_range(space, latency, [share])[0]
    found = widest_hand_made(space, latency, budget)
    space.check(found)
    assert latency(found) <= budget
    depth = max(len(stage.blocks) for stage in found.stages)
    wider = [hand_made(space, width, depth, found.scale) for width in WIDTHS]
    assert not any(latency(found) < latency(one) <= budget for one in wider)
    finer = [scale for scale in space.scales if scale > found.scale]
    assert not any(latency(hand_made(space, 0, depth, scale)) <= budget for scale in finer)


def test_search_and_random_search_keep_budgets_at_equal_evaluations(place: Place, tmp_path: Path) -> None:
    evaluate = inherited(place, tmp_path / "evaluated.jsonl")
    budgets = budgets_over_range(place.net.space, latency, [0.4, 0.8])
    learn = place.learn(tmp_path / "learning")
    winners, evaluations = searched(evaluate, place.config.search, budgets, 0, learn)
    assert all(latency(one) <= budget for one, budget in zip(winners, budgets, strict=True))
    lines = evaluate.path.read_text().splitlines()
    assert len(lines) == evaluations
    lucky = random_search(evaluate, place.config.search, budgets, evaluations, 0, learn)
    assert all(latency(one) <= budget for one, budget in zip(lucky, budgets, strict=True))
    assert len(evaluate.path.read_text().splitlines()) <= 2 * evaluations
    # Learning decides between those that are near the best by inherited weights, and costs no evaluation.
    seen = [json.loads(line)["miou"] for line in evaluate.path.read_text().splitlines()]
    assert max(seen) - evaluate(lucky[1]).miou <= MARGIN
    assert len(evaluate.path.read_text().splitlines()) == len(seen)


def test_evaluations_are_remembered_after_a_kill(place: Place, tmp_path: Path) -> None:
    one, path = place.net.space.smallest(), tmp_path / "evaluated.jsonl"
    first = inherited(place, path)(one)
    path.write_text(json.dumps({"key": one.key, "miou": 0.123}) + "\n")
    assert inherited(place, path)(one).miou == 0.123 != first.miou


def test_pixels_are_counted_at_the_size_that_is_asked_for(dataset: Dataset, tmp_path: Path) -> None:
    config = load_config(None, [*SETTINGS, "input.height=32", "input.width=32"])
    net, spec = trained_supernet(dataset, config, 1e-4, tmp_path / "supernet")
    one, validation = net.space.largest(), evaluation_data(dataset, spec, "val")
    found = {
        size: Inherited(net, validation, spec, latency, tmp_path / size, size=size)(one).miou
        for size in SIZES
    }
    wanted = score_sizes(partial(net, architecture=one), validation, classes=spec.classes, world=ALONE)
    assert found == {size: metrics.miou for size, metrics in wanted.items()}
    assert found["native"] != found["input"]


# -- equal retrainings ---------------------------------------------------------------------------------------


def test_probing_leaves_the_network_as_it_is(place: Place) -> None:
    network = place.net.extract(place.net.space.smallest())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    task = retraining(network, place.dataset, place.spec, place.config, 0, place.config.retrain)
    assert fit_epochs(task, 1e-6).epochs == 1
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_training_that_ended_is_not_repeated(place: Place, tmp_path: Path) -> None:
    ends, weights = [], []
    for _ in range(2):
        torch.manual_seed(0)
        network = AutoNADNet(place.net.space.smallest(), place.spec.num_classes)
        make = partial(retraining, network, place.dataset, place.spec, place.config, 0)
        ends.append(train_within(1e-4, make, place.config.retrain, tmp_path / "run", "it"))
        weights.append(network.state_dict())
    assert ends[0] == ends[1]  # Seconds of its history included.
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_a_run_is_one_line_and_scores_every_native_pixel_of_the_test_images(
    place: Place, tmp_path: Path
) -> None:
    runs = Runs(tmp_path, 1e-4)
    found = runs.matrices(place, place.net.space.smallest(), "inherited", 1)
    again = Runs(tmp_path, 1e-4).matrices(place, place.net.space.smallest(), "inherited", 1)
    np.testing.assert_array_equal(found, again)
    rows = [json.loads(line) for line in (tmp_path / "runs.jsonl").read_text().splitlines()]
    test = place.dataset.split("test")
    assert [(row["seed"], row["start"], row["images"]) for row in rows] == [(1, "inherited", len(test))]
    assert found.sum() == (test["height"] * test["width"]).sum()
    assert not any((tmp_path / "training").iterdir())


def test_runs_from_random_weights_are_others(place: Place, tmp_path: Path) -> None:
    runs, one = Runs(tmp_path, 1e-4), place.net.space.smallest()
    runs.matrices(place, one, "inherited", 0)
    runs.matrices(place, one, "scratch", 0)
    rows = [json.loads(line) for line in (tmp_path / "runs.jsonl").read_text().splitlines()]
    assert [row["start"] for row in rows] == ["inherited", "scratch"]


def test_split_seeds_deal_whole_groups_differently(dataset: Dataset, tmp_path: Path) -> None:
    found = split_datasets(dataset.root, tmp_path, 2)
    assert list(found) == ["plates-split0", "plates-split1"]
    dealt = [Dataset.open(path).manifest.set_index("image")["split"] for path in found.values()]
    assert not dealt[0].equals(dealt[1])
    for path in found.values():
        rows = Dataset.open(path).manifest
        assert rows.groupby("group")["split"].nunique().max() == 1
    assert split_datasets(dataset.root, tmp_path, 0) == {"plates": dataset.root}


# -- intervals -----------------------------------------------------------------------------------------------


def matrices(rng: np.random.Generator, error: float, seeds: int = 3, spread: float = 0.0) -> np.ndarray:
    """(S, N, 2, 2) of 40 images of 400 pixels, a share of each class being wrong."""
    found = np.zeros((seeds, 40, 2, 2), np.int64)
    for seed in range(seeds):
        wrong = rng.binomial(200, np.clip(error + spread * (seed - 1), 0, 1), size=(40, 2))
        found[seed, :, 0, 1], found[seed, :, 1, 0] = wrong.T
        found[seed, :, 0, 0], found[seed, :, 1, 1] = (200 - wrong).T
    return found


GROUPS = [str(image // 2) for image in range(40)]


def test_equal_contenders_differ_by_nothing_and_better_ones_by_their_gain() -> None:
    rng = np.random.default_rng(0)
    splits = [matrices(rng, 0.2), matrices(rng, 0.3)]
    worse = Score.of(splits, [GROUPS, GROUPS])
    assert worse.minus(Score.of(splits, [GROUPS, GROUPS])) == (0, 0, 0)
    better = Score.of([matrices(rng, 0.1), matrices(rng, 0.2)], [GROUPS, GROUPS])
    value, low, high = better.minus(worse)
    assert 0 < low < value < high
    assert Score.mean([better, worse]).value == pytest.approx((better.value + worse.value) / 2)


def test_seeds_that_disagree_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    base = Score.of([matrices(rng, 0.2)], [GROUPS])
    widths = []
    for spread in (0.0, 0.1):
        _, low, high = Score.of([matrices(rng, 0.2, spread=spread)], [GROUPS]).minus(base)
        widths.append(high - low)
    assert widths[1] > 2 * widths[0]


def test_random_networks_are_a_sample_themselves() -> None:
    """Of a population whose mean is as good as the other one, most intervals hold that."""
    rng, held = np.random.default_rng(0), 0
    other = Score.of([matrices(rng, 0.2)], [GROUPS])
    for _ in range(40):
        drawn = [Score.of([matrices(rng, 0.2 + 0.05 * rng.standard_normal())], [GROUPS]) for _ in range(8)]
        _, low, high = other.minus(Score.mean(drawn))
        held += low <= 0 <= high
    assert held >= 33


# -- the whole -----------------------------------------------------------------------------------------------


def test_the_benchmark_compares_and_goes_on_where_it_was(
    dataset: Dataset, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The tiny space has hardly any networks near its smallest.
    monkeypatch.setattr("benchmarks.search_pays.SHARES", (0.5, 0.7))
    options = argparse.Namespace(output=tmp_path, supernet_minutes=1e-4, randoms=2)
    runs = Runs(tmp_path, 1e-4)
    for _ in range(2):
        found = [contenders("plates", dataset.root, latency, options, config)]
        row = compared(runs, found, 1, 1.0, "inherited", 1)
    assert set(row["gains"]) == {"random", "random search", "hand-made"}
    networks = {one.key for one in found[0].networks[1].values()}
    assert len((tmp_path / "runs.jsonl").read_text().splitlines()) == len(networks)
    value, low, high = inherited_lead(found, 1)
    assert low <= value <= high
    ranks = ranking(runs, found[0].place, found[0].networks[1:], "inherited", 1)
    assert (ranks["architectures"], len(ranks["gaps"])) == (len(networks), 1)
    assert "plates, from inherited weights" in sentence(ranks)
    assert f"{len(networks)} networks: inherited" in sentence(ranks)
    lines = table([row]).splitlines()
    assert len({line.count("|") for line in lines}) == 1
