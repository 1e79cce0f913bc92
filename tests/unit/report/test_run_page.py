"""The page of a run: whole by itself, whatever the run came to, and nothing on it is anybody's markup."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from html_page import EVIL, Page, assert_stands_alone
from screens import Screens

from autonad.report.compared import Compared
from autonad.report.front import MOST_POINTS
from autonad.report.run_page import RunReport, SearchedFront, StepLine, render_page

MINUTE = 60_000


def population(count: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "miou": rng.uniform(0.4, 0.7, count),
            "latency_ms": rng.uniform(1, 6, count),
            "key": [f"{number:012x}" for number in range(count)],
            "generation": [1 + 4 * number // count for number in range(count)],
        }
    )


def line(stage: str, number: int, **changes: Any) -> StepLine:
    values: dict[str, Any] = {
        "status": "FINISHED",
        "started_ms": number * 10 * MINUTE,
        "ended_ms": number * 10 * MINUTE + 95_000,
        "said": f"{stage} is done",
    }
    return StepLine(stage, **(values | changes))


def report(**changes: Any) -> RunReport:
    run = Compared(
        "first-train",
        "f00",
        started="2025-06-01 10:00 UTC",
        metrics={
            "retrain": {"model/parameters": 123_456.0},
            "evaluate": {"test/miou": 0.341, "test/miou_low": 0.3, "test/miou_high": 0.38, "test/mf1": 0.4},
            "register": {"latency/p50_ms": 2.48, "register/champion": 1.0},
        },
        data={"dataset": "steel", "DVC md5": "d41d8cd9.dir", "images": "100"},
    )
    values: dict[str, Any] = {
        "status": "FINISHED",
        "asked": {"target": "line-3", "latency budget": "5 ms"},
        "run": run,
        "decision": {
            "action": "search",
            "reasons": [{"kind": "hardware_changed", "message": "the target is line-3"}],
            "notes": ["few parts"],
        },
        "registration": {
            "model": "autonad-steel-line-3",
            "version": 4,
            "champion": True,
            "compared_with": 3,
            "reasons": ["better by 2.1 points"],
        },
        "searched": SearchedFront(population(), f"{7:012x}", 5.0, "The search of this run:"),
        "steps": [line("decide", 1), line("retrain", 2)],
        "places": {"experiment": "autonad (1)", "run": "f00"},
        "url": "http://mlflow:5000/#/experiments/1/runs/f00",
    }
    return RunReport("first-train", **(values | changes))


def test_red_flags_come_first_and_are_nobodys_markup() -> None:
    page = page_of(
        report(red_flags=["red flag: search: 192 of 192 are the same", f"red flag: {EVIL}: never found"])
    )

    assert next(link["href"] for link in page.named("a")) == "#red-flags"
    assert "Red flag: search: 192 of 192 are the same." in page.text
    assert "red flags" not in page_of(report()).text.lower()


def page_of(found: RunReport) -> Page:
    """The page, checked as all pages are but for its links to MLflow."""
    text = render_page(found)
    assert len(text) < 300_000
    inside = re.sub(r'<a href="https?://[^"]*">([^<]*)</a>', r"\1", text)
    assert_stands_alone(inside)
    return Page(text)


def told(page: Page) -> str:
    return " ".join(page.text.replace("\N{NO-BREAK SPACE}", " ").split())


def test_a_good_run_shows_decision_front_detector_and_steps() -> None:
    page = page_of(report())
    text = told(page)

    assert "first-train: a new detector is in use" in text
    for part in (
        "Search again with the supernet that there is",
        "hardware changed : the target is line-3",
        "version 4",
        "compared with version 3",
        "34.1 %",
        "30.0 to 38.0 %",
        "2.48 ms",
        "123,456",
        "better by 2.1 points",
        "steel",
        "d41d8cd9.dir",
        "5 ms",
        "95 s",
        "The search of this run:",
    ):
        assert part in text, part
    assert "What went wrong" not in text
    sections = ["result", "decision", "pareto-front", "steps", "asked", "mlflow"]
    assert [section["id"] for section in page.named("section")] == sections
    assert "http://mlflow:5000/#/experiments/1/runs/f00" in [link["href"] for link in page.named("a")]


def test_a_refused_detector_and_a_reused_search_are_said() -> None:
    registration = {"model": "m", "version": 5, "champion": False, "compared_with": 4, "reasons": ["worse"]}
    page = page_of(
        report(registration=registration, decision={"action": "reuse", "reasons": [], "notes": []})
    )

    assert "the detector in use stays" in told(page)
    assert "the architecture stays, and only its weights are trained again" in told(page)


@pytest.mark.parametrize(
    ("status", "reason", "title", "advice"),
    [
        ("FAILED", "retrain: ValueError: the loss diverges", "failed in retrain", "Clone run"),
        ("FAILED", "retrain: it ended without a word: out of memory, …", "failed in retrain", "OOMKilled"),
        ("FAILED", "a task failed before it began; see its log", "failed", "red in Kubeflow"),
        ("KILLED", "terminated in Kubeflow", "terminated", "goes on from its last checkpoint"),
    ],
)
def test_what_went_wrong_comes_first_with_what_to_do(
    status: str, reason: str, title: str, advice: str
) -> None:
    steps = [line("decide", 1), line("retrain", 2, status=status, said=reason, ended_ms=None)]
    page = page_of(report(status=status, reason=reason, steps=steps, registration=None, searched=None))

    assert f"first-train: {title}" in told(page)
    assert page.named("section")[0]["id"] == "what-went-wrong"
    assert reason in told(page)
    assert advice in told(page)


def test_a_run_of_which_nothing_is_known_still_has_a_page() -> None:
    bare = RunReport(
        "first-train", "FAILED", "no node has 64 cpu", unrecorded="MLflow cannot be used (refused)"
    )
    page = page_of(bare)

    assert "no node has 64 cpu" in told(page)
    assert "MLflow cannot be used (refused)" in told(page)
    assert [section["id"] for section in page.named("section")] == ["what-went-wrong", "asked", "mlflow"]


def test_hostile_texts_are_shown_as_text_and_no_script_is_a_link() -> None:
    evil = report(
        status="FAILED",
        reason=EVIL,
        asked={EVIL: EVIL},
        decision={"action": EVIL, "reasons": [{"kind": EVIL, "message": EVIL}], "notes": [EVIL]},
        registration={"model": EVIL, "version": EVIL, "champion": True, "reasons": [EVIL]},
        searched=SearchedFront(population().assign(key=EVIL), EVIL, None, EVIL),
        steps=[line(EVIL, 1, status=EVIL, said=EVIL, url="javascript:alert(1)")],
        places={EVIL: EVIL},
        url="javascript:alert(1)",
    )
    page = page_of(dataclasses.replace(evil, name=EVIL))

    assert page.text.count(EVIL) > 12
    assert not [link for link in page.named("a") if "script" in (link["href"] or "")]


def test_a_large_search_is_thinned_behind_its_front_and_says_so() -> None:
    large = SearchedFront(population(5000), f"{7:012x}", None, "The search of this run:")
    page = page_of(report(searched=large))
    circles = len(page.named("circle")) / 2  # for wide and for narrow screens

    assert MOST_POINTS / 3 < circles < MOST_POINTS + 100
    assert "5000 architectures" in told(page)
    assert "are left out" in told(page)
    assert "are left out" not in told(page_of(report()))


def test_equal_runs_give_equal_pages() -> None:
    assert render_page(report()) == render_page(report())


def test_it_fits_every_screen_and_paper(screens: Screens) -> None:
    screens.check(render_page(report()))
