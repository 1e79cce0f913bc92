from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autonad.errors import LatencyError
from autonad.latency.prior import prior_from_table
from autonad.latency.regression import table_from_records
from autonad.latency.table import LatencyTable
from autonad.space import Architecture, SearchSpace

SPACE = SearchSpace.preset("small")
COSTS = {"attention": 4.0, "shift": 5.0, "convolution3": 6.0, "convolution5": 7.0}
EDGES = {"conv1x1": 0.0, "conv3x3": 0.5, "conv5x5": 2.0, "dilated3x3": 0.6, "depthwise3x3": 0.2}


def additive_ms(architecture: Architecture) -> float:
    blocks = [block for stage in architecture.stages for block in stage.blocks]
    total = 5.0 + sum(COSTS[f"{b.operator}{b.kernel or ''}"] + 0.2 * b.ffn_ratio for b in blocks)
    total += sum(0.02 * stage.width for stage in architecture.stages)
    return total + sum(EDGES[operator] for operator in architecture.edges)


def record(
    architectures: list[Architecture], cost: Callable[[Architecture], float], noise: float
) -> pd.DataFrame:
    rng = np.random.default_rng(99)
    times = [max(0.1, cost(item) + noise * rng.standard_normal()) for item in architectures]
    return pd.DataFrame({"architecture": [item.to_json() for item in architectures], "ms": times})


def confounded(count: int) -> list[Architecture]:
    """Cheap attention mostly in deep networks, dear convolution mostly in shallow ones."""
    rng = np.random.default_rng(7)
    kept: list[Architecture] = []
    while len(kept) < count:
        architecture = SPACE.sample(rng)
        blocks = [block.operator for stage in architecture.stages for block in stage.blocks]
        share = blocks.count("attention") / len(blocks)
        deep = (len(blocks) - 4) / 6
        if abs(share - deep) < 0.25 or rng.random() < 0.05:
            kept.append(architecture)
    return kept


def pivot(table: LatencyTable, part: str) -> pd.DataFrame:
    costs = table.operator_costs()
    if part == "edge":
        return costs[costs["edge"].notna()].pivot_table(
            index="edge", columns="mixer", values="ms", observed=True
        )
    return costs[costs["edge"].isna()].pivot_table(index=["stage", "block"], columns="mixer", values="ms")


def test_additive_costs_are_recovered_although_depth_confounds_them() -> None:
    records = record(confounded(1200), additive_ms, noise=0.2)
    means: dict[str, list[float]] = {"attention": [], "convolution": []}
    for text, ms in zip(records["architecture"], records["ms"], strict=True):
        for stage in Architecture.from_json(text).stages:
            for block in stage.blocks:
                if block.operator in means:
                    means[block.operator].append(ms)
    assert np.mean(means["attention"]) > np.mean(means["convolution"]), "the records must mislead an average"

    blocks = pivot(table_from_records(records), "block")
    for mixer, cost in COSTS.items():
        difference = blocks[mixer] - blocks["attention"]
        assert np.allclose(difference, cost - COSTS["attention"], atol=0.25), mixer
    edges = pivot(table_from_records(records), "edge")
    for operator, cost in EDGES.items():
        assert np.allclose(edges[operator] - edges["conv1x1"], cost, atol=0.2), operator


def test_the_presence_of_an_optional_block_is_what_it_costs() -> None:
    blocks = pivot(table_from_records(record(confounded(1200), additive_ms, noise=0.2)), "block")
    optional = blocks.loc[[(0, 1), (1, 1), (1, 2), (2, 1), (2, 2), (3, 1)]]
    expected = pd.Series(COSTS) + 0.2 * 3.0  # at the mean ratio
    assert np.allclose(optional[expected.index], expected, atol=0.35)


def test_predictions_hold_for_networks_that_were_not_recorded() -> None:
    rng = np.random.default_rng(1)
    table = table_from_records(record([SPACE.sample(rng) for _ in range(800)], additive_ms, noise=0.5))
    for architecture in (SPACE.smallest(), SPACE.largest(), *(SPACE.sample(rng) for _ in range(50))):
        assert table.predict(architecture) == pytest.approx(additive_ms(architecture), rel=0.05)


def test_every_place_has_every_operator_with_its_count_and_error() -> None:
    rng = np.random.default_rng(2)
    architectures = [SPACE.sample(rng) for _ in range(600)]
    table = table_from_records(record(architectures, additive_ms, noise=0.5))
    row = table.frame[
        (table.frame["part"] == "block")
        & (table.frame["stage"] == 1)
        & (table.frame["block"] == 2)
        & (table.frame["operator"] == "shift")
    ]
    third = [item.stages[1].blocks[2] for item in architectures if len(item.stages[1].blocks) == 3]
    assert row["n"].item() == sum(block.operator == "shift" for block in third)
    few = table_from_records(record(architectures[:150], additive_ms, noise=0.5))
    blocks = table.operator_costs()
    assert len(blocks) == 10 * 4 + 10 * 5
    assert few.operator_costs()["stderr"].mean() > 1.5 * blocks["stderr"].mean()
    assert 0.2 < blocks["stderr"].mean() / (0.5 / np.sqrt(600 / 6)) < 5


def test_interrupted_steps_and_other_batch_sizes_do_not_count() -> None:
    rng = np.random.default_rng(3)
    records = record([SPACE.sample(rng) for _ in range(500)], additive_ms, noise=0.2)
    clean = pivot(table_from_records(records), "block")
    disturbed = records.copy()
    disturbed.loc[[10, 200, 300], "ms"] = 5000.0
    table = table_from_records(disturbed)
    assert table.context["outliers"] >= 3
    assert np.allclose(pivot(table, "block"), clean, atol=0.1)
    sized = pd.concat([records.assign(batch=8), records.head(200).assign(batch=1, ms=0.5)])
    assert np.allclose(pivot(table_from_records(sized), "block"), clean)


def test_noise_alone_gives_a_prior_close_to_uniform() -> None:
    rng = np.random.default_rng(4)

    def flat(architecture: Architecture) -> float:
        return 20.0 + 2.0 * architecture.num_blocks

    for count in (20, 400):
        prior = prior_from_table(
            table_from_records(record([SPACE.sample(rng) for _ in range(count)], flat, noise=4.0))
        )
        for place, values in prior.blocks.items():
            attention, shift = values.get("attention"), values.get("shift")
            if attention and shift and len(values) == 4:
                assert 0.4 < attention / shift < 2.5, (count, place, values)


def test_the_result_does_not_depend_on_the_order_of_choices_and_one_ratio_is_enough() -> None:
    rng = np.random.default_rng(5)
    architectures = [SearchSpace.preset("tiny").smallest() for _ in range(5)]
    table = table_from_records(record(architectures, lambda _: 3.0, noise=0.0))
    assert table.predict(architectures[0]) == pytest.approx(3.0)
    records = record([SPACE.sample(rng) for _ in range(100)], additive_ms, noise=0.2)
    assert table_from_records(records).frame.equals(table_from_records(records).frame)


def test_what_was_learnt_from_records_cannot_keep_a_budget_of_the_target() -> None:
    rng = np.random.default_rng(6)
    table = table_from_records(record([SPACE.sample(rng) for _ in range(50)], additive_ms, noise=0.2))
    assert len(table.cautions) == 1
    with pytest.raises(LatencyError, match=r"= 5 cannot be kept .* records of supernet training"):
        table.check_budget(5.0, accept_noise=False)
    table.check_budget(5.0, accept_noise=True)
    table.check_budget(None, accept_noise=False)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"scale": 0.5}, "input scale 0.5, 1.0"),
        ({"stem_stride": 2}, "stem stride 2, 4"),
        ({"mfam_width": 4}, "decoder width 4, "),
        (
            {"stages": SPACE.smallest().stages[:3], "edges": SPACE.smallest().edges[:8]},
            "number of stages 3, 4",
        ),
    ],
)
def test_records_of_networks_that_share_no_operators_cost_are_refused(
    changed: dict[str, Any], named: str
) -> None:
    architectures = [SPACE.smallest(), replace(SPACE.smallest(), **changed)]
    with pytest.raises(LatencyError, match=named):
        table_from_records(record(architectures, additive_ms, noise=0.1))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda frame: frame.drop(columns="ms"), "ms"),
        (lambda frame: frame.head(1), "two"),
        (lambda frame: frame.assign(ms=[1.0, float("nan"), 2.0]), "record 1"),
        (lambda frame: frame.assign(ms=[1.0, 2.0, -3.0]), "record 2"),
        (lambda frame: frame.assign(architecture="{}"), "no architecture"),
    ],
)
def test_faulty_records_are_refused(change: Callable[[pd.DataFrame], pd.DataFrame], named: str) -> None:
    frame = record([SPACE.smallest()] * 3, additive_ms, noise=0.1)
    with pytest.raises(LatencyError, match=named):
        table_from_records(change(frame))
