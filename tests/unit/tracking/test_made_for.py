"""Runs of several detectors of one execution are told apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autonad.search.goals import Goal
from autonad.tracking import TrackingSettings, track
from autonad.tracking.connection import connect
from autonad.tracking.history.executions import Executions
from autonad.tracking.registry.model_versions import model_name
from autonad.tracking.runs.made_for import title_of, variant_tags
from autonad.tracking.tags import VARIANT

ALONE: dict[str, str] = {}


@pytest.mark.parametrize("budget", [None, 3.0, 0.25])
def test_search_registry_and_runs_name_a_detector_alike(budget: float | None) -> None:
    tags = variant_tags({"target": "line", "latency_budget_ms": budget})

    assert tags[VARIANT] == Goal(target_name="line", budget_ms=budget).name
    assert model_name("steel", "line", budget) == f"autonad-steel-{tags[VARIANT]}"
    assert title_of("retrain", tags) == ("retrain" if budget is None else f"retrain {budget:g}ms")
    assert variant_tags({}) == {}


def executed(settings: TrackingSettings, name: str, budgets: dict[float, float]) -> None:
    """An execution that makes a detector for each budget, of this mIoU."""

    def run(stage: str, metrics: dict[str, float], budget: float | None = None) -> None:
        tags = {} if budget is None else variant_tags({"target": "line", "latency_budget_ms": budget})
        with track(settings, stage=stage, execution=name, environment=ALONE, tags=tags) as step:
            step.log(metrics)
            step.headline(f"{stage} {budget}")

    run("search", {"latency/p50_ms": 1.5, "val/miou": 0.4, "search/evaluations": 9.0})
    for stage in ("retrain", "evaluate"):
        for budget, miou in budgets.items():
            run(stage, {"test/miou": miou} if stage == "evaluate" else {"val/miou": miou}, budget)


@pytest.fixture
def settings(new_store: Callable[..., str], tmp_path: Path) -> TrackingSettings:
    return TrackingSettings(uri=new_store(), unsent=tmp_path / "unsent")


def test_a_comparison_has_a_column_for_each(settings: TrackingSettings) -> None:
    executed(settings, "monday", {1.0: 0.5, 3.0: 0.7})
    executed(settings, "tuesday", {3.0: 0.8})
    first, second, other = Executions(settings).named(["monday", "tuesday"])

    assert [one.name for one in (first, second, other)] == ["monday line-1ms", "monday line-3ms", "tuesday"]
    assert [one.metrics["evaluate"]["test/miou"] for one in (first, second, other)] == [0.5, 0.7, 0.8]
    assert first.metrics["search"]["latency/p50_ms"] == 1.5
    assert second.metrics["search"].keys() == {"search/evaluations", *_always(second.metrics["search"])}


def _always(metrics: Any) -> set[str]:
    return {name for name in metrics if name.startswith(("time/", "memory/"))}


def test_the_parent_shows_the_first_ones_figures_and_what_was_said_of_each(
    settings: TrackingSettings,
) -> None:
    executed(settings, "monday", {1.0: 0.5, 3.0: 0.7})
    (parent,) = connect(settings).search_runs(["1"], "tags.`autonad.role` = 'parent'")

    assert parent.data.metrics["test/miou"] == 0.5
    note = parent.data.tags["mlflow.note.content"]
    for line in ("**search**", "**retrain line-1ms**", "**retrain line-3ms**", "**evaluate line-3ms**"):
        assert line in note
