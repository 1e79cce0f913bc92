"""Each red flag fires on the figures that it is for, says what to change, and on healthy ones none does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_split import oracle, toy_split

from autonad.config.sections import RedFlag
from autonad.console import LONGEST_LINE
from autonad.data.faults import Fault
from autonad.errors import StorageError
from autonad.evaluation.predict import evaluate_network
from autonad.latency.quality import Quality, faults_of
from autonad.report import red_flags
from autonad.report.flagged import KEY, from_json, line_of, said_of, to_json
from autonad.steps.search_results import of_population


def evaluated(*, hidden: tuple[int, ...] = ()) -> dict[str, Any]:
    """Metrics of a network that knows all but the hidden classes, as `metrics.json` has them."""
    split = toy_split()

    def forward(images: np.ndarray) -> np.ndarray:
        logits = oracle(images)
        logits[:, list(hidden)] = -1e9
        return logits

    result = evaluate_network(forward, split.data, split.dataset, batch_size=4, num_classes=4)
    return result.metrics(resamples=100)


def kinds(flags: list[Fault]) -> list[tuple[str, str, str]]:
    return [(flag.severity, flag.kind, flag.item) for flag in flags]


def test_a_detector_that_finds_everything_has_none() -> None:
    metrics = evaluated()

    assert red_flags.missed_defects(metrics) == []
    assert metrics["groups"] >= red_flags.FEW_PARTS
    assert red_flags.few_parts(metrics) == []


def test_a_class_that_is_never_found_is_named() -> None:
    metrics = evaluated(hidden=(2,))
    found = red_flags.missed_defects(metrics)

    assert ("error", "class-never-found", "hole") in kinds(found)
    assert {flag.item for flag in found if flag.severity == "error"} == {"hole"}
    assert f"none of its {metrics['native']['classes']['hole']['support']:,} pixels" in found[-1].message
    assert "retrain." in found[-1].message


def test_a_detector_that_misses_everything_is_said_once_with_the_miou_that_hides_it() -> None:
    metrics = evaluated(hidden=(1, 2, 3))
    (found,) = red_flags.missed_defects(metrics)

    count = metrics["image_level"]["misses"]["of"]
    assert (found.severity, found.kind) == ("error", "all-missed")
    assert f"all {count} test images with a defect are missed" in found.message
    assert f"{100 * metrics['input']['miou']:.1f} %" in found.message


def test_most_defects_missed_is_a_warning_and_half_of_them_none() -> None:
    metrics = evaluated()
    for count, expected in ((5, []), (6, ["many-missed"])):
        metrics["image_level"]["misses"] = {"count": count, "of": 10, "rate": count / 10}
        assert [flag.kind for flag in red_flags.missed_defects(metrics)] == expected


def test_few_parts_are_a_warning() -> None:
    metrics = evaluated()
    assert kinds(red_flags.few_parts(metrics | {"groups": 1})) == [("warning", "few-parts", "test split")]


@pytest.mark.parametrize("section", ["train_supernet", "retrain"])
def test_background_only_is_told_from_something_learnt(section: str) -> None:
    (found,) = red_flags.nothing_learnt(section, 0.0, 0.49)

    assert (found.severity, found.kind) == ("error", "nothing-learnt")
    assert "0.0 %" in found.message
    assert f"{section}.epochs" in found.message
    assert red_flags.nothing_learnt(section, 0.1, 0.49) == []
    assert red_flags.nothing_learnt(section, None, 0.99) == [], "validation shows no defect"


def population(mious: Any, latencies: Any) -> pd.DataFrame:
    keys = [f"key{n:03d}" for n in range(len(mious))]
    return pd.DataFrame({"key": keys, "miou": mious, "latency_ms": latencies})


def test_192_identical_scores_are_an_error_and_distinct_ones_none() -> None:
    rng = np.random.default_rng(0)
    latencies = rng.uniform(1, 5, 192)
    (found,) = of_population(population(np.full(192, 0.499), latencies))

    assert kinds([found]) == [("error", "identical-scores", "search")]
    assert "192 of 192 architectures have the same mIoU, 49.90 %" in found.message
    nearly = np.full(192, 0.499)
    nearly[:3] = 0.51, 0.52, 0.53
    assert kinds(of_population(population(nearly, latencies))) == kinds([found]), "three of them differ"
    # The slower, the better: a front of everything.
    assert of_population(population(np.sort(rng.random(192)), np.sort(latencies))) == []


def test_a_front_of_one_point_is_a_warning() -> None:
    rng = np.random.default_rng(0)
    latencies = np.sort(rng.uniform(1, 5, 40))
    falling = np.linspace(0.8, 0.3, 40)  # the faster, the better

    assert kinds(of_population(population(falling, latencies))) == [("warning", "short-front", "search")]
    twice = population([*falling, 0.8], [*latencies, latencies[0]])
    assert kinds(of_population(twice)) == [("warning", "short-front", "search")], "one point twice"
    falling[-1] = 0.9
    assert of_population(population(falling, latencies)) == []


def test_a_table_with_rank_correlation_054_and_39_percent_error_is_doubtful() -> None:
    figures: dict[str, Any] = {
        "threads": 1,
        "cores": 2.0,
        "load_before": 0.0,
        "load": 0.0,
        "throttled": None,
        "disagreement": 0.0,
        "drift": 0.0,
        "attempts": 1,
        "faults": (),
    }
    bad = faults_of(Quality(**figures, error=0.39, rank_correlation=0.54), 2)
    found = red_flags.doubtful_latencies("line-3", bad)

    assert kinds(found) == 2 * [("warning", "latency-table", "line-3")]
    assert "39 %" in found[0].message
    assert "0.54" in found[1].message
    assert all("measure on a quiet machine" in flag.message for flag in found)
    good = faults_of(Quality(**figures, error=0.05, rank_correlation=0.95), 2)
    assert red_flags.doubtful_latencies("line-3", good) == []


def test_rules_that_find_nothing_are_an_error() -> None:
    assert red_flags.rules_find_nothing(None) == []
    assert red_flags.rules_find_nothing({"unnoticed": {"count": 48, "of": 49}}) == []
    (found,) = red_flags.rules_find_nothing({"unnoticed": {"count": 49, "of": 49}})
    assert (found.severity, found.kind) == ("error", "rules-find-nothing")


def every_kind() -> Iterator[Fault]:
    yield from red_flags.nothing_learnt("retrain", 0.0, 0.5)
    yield from red_flags.nothing_learnt("train_supernet", 0.0, 0.5)
    yield from red_flags.identical_scores([0.5, 0.5])
    yield from red_flags.short_front(1, [0.5, 0.6])
    yield from red_flags.doubtful_latencies("line", ["it was noisy"])
    yield from red_flags.missed_defects(evaluated(hidden=(2,)))
    yield from red_flags.missed_defects(evaluated(hidden=(1, 2, 3)))
    yield from red_flags.few_parts(evaluated() | {"groups": 1})
    yield from red_flags.rules_find_nothing({"unnoticed": {"count": 1, "of": 1}})


def test_what_can_be_accepted_are_the_errors() -> None:
    assert {flag.kind for flag in every_kind() if flag.severity == "error"} == set(get_args(RedFlag))


def test_they_come_back_from_files_and_damaged_ones_are_one_line() -> None:
    flags = list(every_kind())

    assert from_json({KEY: to_json([*flags, *flags])}, "x") == tuple(flags)
    assert from_json({}, "x") == ()
    for damaged in ("boom", [1], [{"severity": "fatal", "kind": "k", "item": "i", "message": "m"}], {"a": 1}):
        with pytest.raises(StorageError, match=r"red_flags in x are damaged .* again"):
            from_json({KEY: damaged}, "x")


def test_what_is_said_of_ordinary_results_is_said_whole() -> None:
    for flag in every_kind():
        line = line_of(flag)
        assert line.endswith(f"{flag.item}: {' '.join(flag.message.split())}")
        assert "…" not in line


@given(st.lists(st.text(max_size=3000), min_size=1, max_size=40, unique=True), st.text(max_size=3000))
def test_whatever_classes_are_called_each_is_one_line_that_can_be_seen(names: list[str], target: str) -> None:
    by_class = {name: {"of": 3, "count": 3, "rate": 1.0} for name in names}
    misses = {"count": 3, "of": 10, "rate": 0.3}
    metrics: dict[str, Any] = {"image_level": {"misses": misses, "misses_by_class": by_class}}
    metrics["native"] = {"classes": {name: {"support": 10**9, "recall": 0.0} for name in names}}
    flags = [*red_flags.missed_defects(metrics), *red_flags.doubtful_latencies(target, names)]

    assert sum(flag.kind == "class-never-found" for flag in flags) == len(names)
    for said in (line_of, said_of):
        lines = [said(flag) for flag in flags]
        assert max(map(len, lines)) <= LONGEST_LINE
        assert all(line.isprintable() for line in lines)
        assert all(flag.kind == "latency-table" or "is never found" in said(flag) for flag in flags)
