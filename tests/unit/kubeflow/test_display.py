"""What Kubeflow's interface shows of the rules of the line."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl
from toy_candidates import CLASSES, drawn

from autonad.evaluation.candidates import Candidates
from autonad.evaluation.choosing import Goal
from autonad.evaluation.line_result import fit_line
from autonad.files import write_json
from autonad.kubeflow.display import show_rules, show_summary
from autonad.steps.variants import Variant

GOAL = Goal("overkill", 0.05, 0.1, 0.95, (4.0,))


def fitted(folder: Path, val: Candidates) -> dict[str, Any]:
    """A folder as `fit-thresholds` leaves it; returns the figures."""
    line = fit_line({"val": val, "test": drawn(1, clean=60, defective=60)}, GOAL, resamples=20, seed=0)
    line.write(folder, lambda: None)
    (folder / "report.html").write_text("<html>")
    return line.operating


@pytest.mark.parametrize("clean", [0, 300])
def test_rules_show_what_people_compare(tmp_path: Path, clean: int) -> None:
    val = drawn(0, clean=clean, defective=60) if clean else Candidates.none(CLASSES)
    operating = fitted(tmp_path / "rules", val)
    rules, metrics, report = (
        kind(name=kind.__name__, uri=str(tmp_path / kind.__name__))
        for kind in (dsl.Artifact, dsl.Metrics, dsl.HTML)
    )
    show_rules([Variant()], tmp_path / "rules", rules=rules, metrics=metrics, report=report)

    for name in ("overkill", "review_load", "misses", "unnoticed"):
        assert metrics.metadata[f"test_{name}"] == pytest.approx(operating["test"][name]["rate"], abs=1e-6)
    assert metrics.metadata["promised"] == operating["promise"]["kept"] == bool(clean)
    assert ("promised_at_most" in metrics.metadata) == bool(clean)
    assert rules.metadata["promise"] == operating["promise"]["text"]
    assert Path(report.path).read_text() == "<html>"


def test_several_reports_are_whole_on_one_page_and_figures_keep_their_budgets(tmp_path: Path) -> None:
    variants = [Variant(f"line-{n}ms", f"variants/line-{n}ms") for n in (1, 3)]
    for one, clean in zip(variants, (60, 300), strict=True):
        fitted(one.within(tmp_path / "rules"), drawn(0, clean=clean, defective=60))
        (one.within(tmp_path / "rules") / "report.html").write_text(f'<p class="a">{one.name} & co</p>')
    rules, metrics, report = (
        kind(name=kind.__name__, uri=str(tmp_path / kind.__name__))
        for kind in (dsl.Artifact, dsl.Metrics, dsl.HTML)
    )
    show_rules(variants, tmp_path / "rules", rules=rules, metrics=metrics, report=report)

    frames = re.findall(r'srcdoc="([^"]*)"', Path(report.path).read_text())
    assert [html.unescape(frame) for frame in frames] == [
        f'<p class="a">{one.name} & co</p>' for one in variants
    ]
    for one in variants:
        assert f"test_misses_{one.name}" in metrics.metadata
        assert f"promise_{one.name}" in rules.metadata


@pytest.mark.parametrize("known", [True, False])
def test_the_summary_says_what_the_shipped_rules_do(tmp_path: Path, known: bool) -> None:
    found = fitted(tmp_path, drawn(0, clean=60, defective=60))["test"]
    write_json(tmp_path / "search.json", {"architecture_key": "ab", "parameters": 5, "target": "line"})
    averages = {"miou": 0.5, "mf1": 0.5}
    metrics = {"input": averages, "intervals": {"input": {"miou": None}}, "images": 9, "groups": 3}
    write_json(tmp_path / "metrics.json", metrics)
    write_json(tmp_path / "latency.json", {"model.onnx": {"median_ms": 1.0, "p95_ms": 2.0}})
    told = {"model": "m", "version": 1, "champion": True, "reasons": [], "line": found if known else None}
    write_json(tmp_path / "registration.json", json.loads(json.dumps(told)))
    page = dsl.Markdown(name="summary", uri=str(tmp_path / "summary"))
    folders = dict.fromkeys(("search", "evaluation", "exported", "registration"), tmp_path)
    show_summary(page, [Variant()], folders)

    missed = found["misses"]
    assert (f"missed | {missed['count']} of {missed['of']}" in Path(page.path).read_text()) == known
