"""The page of a pipeline run: what was asked, decided and found, what went wrong, where it is kept."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from autonad.console import duration
from autonad.report.compared import FIGURES, Compared
from autonad.report.detector_table import MadeDetector, detectors_table, figures_of
from autonad.report.front import Population, describe, front_drawings, thinned
from autonad.report.kit import Card, Table, render
from autonad.report.next_steps import HEADLINES
from autonad.report.units import ABSENT, milliseconds, percent, points, whole

if TYPE_CHECKING:
    import pandas as pd

STATES = {"FINISHED": "done", "FAILED": "failed", "KILLED": "ended", "RUNNING": "running"}
_HEADLINE_METRICS = ("test/miou", "register/champion", "model/parameters", "latency/p50_ms")
AGAIN = "Then start the run again; “Clone run” in Kubeflow keeps what was entered."
RESUMES = (
    "Training goes on from its last checkpoint if the run was given a place for checkpoints and is started "
    "again with the same one; without one it starts over."
)
MEMORY = (
    "Look for OOMKilled or Evicted among the events of the task's pod (“Events” in Kubeflow, or kubectl "
    "describe pod), and give the task more memory."
)
LOOK = "Open the task that is red in Kubeflow's graph: its log and events say why."
CORRECT = "The line above says what is to be corrected; the task's log in Kubeflow has the rest."


@dataclass(frozen=True)
class StepLine:
    """One attempt of a step.

    Attributes:
        stage: Its verb.
        status: FINISHED, FAILED, KILLED or RUNNING.
        started_ms: When it began, milliseconds since 1970.
        ended_ms: When it ended; None while it is not known.
        said: What it found, or why it failed.
        url: Where MLflow shows it; empty if nobody can open that.
    """

    stage: str
    status: str
    started_ms: int
    ended_ms: int | None = None
    said: str = ""
    url: str = ""


@dataclass(frozen=True)
class SearchedFront:
    """The search whose architecture was trained.

    Attributes:
        population: `AskTell.table()`.
        chosen: Key of the architecture that was returned.
        latency_budget_ms: What it had to keep; None for no limit.
        origin: Of which run it was, as a sentence.
    """

    population: pd.DataFrame
    chosen: str | None
    latency_budget_ms: float | None
    origin: str


@dataclass(frozen=True)
class RunReport:
    """What a page of a run shows.

    Attributes:
        name: What people call the run.
        status: FINISHED, FAILED or KILLED.
        reason: Why, unless it finished.
        asked: What was entered, and what was found out about it, by name.
        run: What its steps logged; None if MLflow could not be read.
        unrecorded: Why not.
        decision: Content of `decision.json`; None without one.
        registration: Content of `registration.json`; None without one.
        detectors: All of them, where the run made one for each of several budgets; `run` and `registration`
            are those of the first.
        searched: None if no search was found.
        steps: In the order in which they began.
        places: Names of where it is kept, and where.
        url: Where MLflow shows the run; empty if nobody can open that.
        red_flags: What makes its results worthless or doubtful, a line each.
    """

    name: str
    status: str
    reason: str = ""
    asked: Mapping[str, str] = field(default_factory=dict)
    run: Compared | None = None
    unrecorded: str = ""
    decision: Mapping[str, Any] | None = None
    registration: Mapping[str, Any] | None = None
    detectors: Sequence[MadeDetector] = ()
    searched: SearchedFront | None = None
    steps: Sequence[StepLine] = ()
    places: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    red_flags: Sequence[str] = ()


def render_page(report: RunReport) -> str:
    """The page as text; equal content gives equal text."""
    facts = {**report.asked, **_data(report)}
    told = " · ".join(facts[name] for name in ("dataset", "target") if facts.get(name))
    started = "" if report.run is None else report.run.started
    return render(
        "run.html",
        title=f"{report.name}: {_outcome(report)}",
        subtitle=" · ".join(part for part in (told, started) if part),
        trouble=_trouble(report),
        red_flags=report.red_flags,
        cards=_cards(report),
        registration=None if report.detectors else report.registration,
        detectors=detectors_table(report.detectors) if report.detectors else None,
        figures=_figures(report),
        decision=_decision(report.decision),
        front=None if report.searched is None else _front(report.searched),
        steps=[_line(step) for step in report.steps],
        asked=_facts(facts, "As entered, and what became of it"),
        unrecorded=report.unrecorded,
        places=_facts(report.places, "Where everything that the steps logged is kept"),
        url=_openable(report.url),
    )


def _outcome(report: RunReport) -> str:
    if report.status == "KILLED":
        return "terminated"
    if report.status != "FINISHED":
        stage = report.reason.partition(": ")[0]
        known = {step.stage for step in report.steps if step.status != "FINISHED"}
        return f"failed in {stage}" if stage in known else "failed"
    if report.detectors:
        used = sum(one.in_use for one in report.detectors)
        return f"{used} of {len(report.detectors)} new detectors in use"
    if report.registration is None:
        return "finished"
    return "a new detector is in use" if report.registration["champion"] else "the detector in use stays"


def _trouble(report: RunReport) -> dict[str, Any] | None:
    """Why there is no detector, and what to do next; None if nothing went wrong."""
    if report.status == "FINISHED":
        return None
    reason = report.reason or "the reason is not known"
    if report.status == "KILLED":
        return {"heading": "It was terminated", "reason": reason, "advice": [RESUMES]}
    advice = [CORRECT, AGAIN]
    if "out of memory" in reason:
        advice = [MEMORY, AGAIN, RESUMES]
    elif "before it began" in reason:
        advice = [LOOK, AGAIN]
    return {"heading": "What went wrong", "reason": reason, "advice": advice}


def _cards(report: RunReport) -> list[Card]:
    run, registration, cards = report.run, report.registration, []
    if report.detectors:
        made = [one for one in report.detectors if one.registration is not None]
        note = f"{sum(one.in_use for one in made)} in use"
        return [Card("Registered", f"{len(made)} of {len(report.detectors)} detectors", note)]
    if registration is not None:
        version, note = registration.get("version"), str(registration["model"])
        cards.append(Card("Detector", ABSENT if version is None else f"version {version}", note))
        rival = registration.get("compared_with")
        note = "there was none before" if rival is None else f"compared with version {rival}"
        cards.append(Card("In use", "yes" if registration["champion"] else "no", note))
    if run is None:
        return cards
    miou = run.value("test/miou", ("evaluate",))
    if miou is not None:
        low, high = (run.value(f"test/miou_{end}", ("evaluate",)) for end in ("low", "high"))
        between = f"{points({'low': low, 'high': high})} %" if low is not None and high is not None else ""
        cards.append(Card("Test mIoU", percent(miou), between or "one part only, so no interval"))
    latency = run.value("latency/p50_ms", ("register", "search"))
    if latency is not None:
        target = run.params.get("search", {}).get("target") or report.asked.get("target") or "the target"
        cards.append(Card("Latency", milliseconds(latency), f"median on {target}"))
    parameters = run.value("model/parameters", ("retrain", "search"))
    if parameters is not None:
        key = run.architecture.key if run.architecture else ""
        note = f"architecture {key}" if key else "of the network"
        cards.append(Card("Parameters", whole(parameters), note))
    return cards


def _figures(report: RunReport) -> Table:
    """The figures of a comparison that are not headlines already."""
    run, rows = report.run, []
    if report.detectors:
        return figures_of(report.detectors)
    for one in FIGURES:
        text = ABSENT if run is None or one.metric in _HEADLINE_METRICS else one.cell(run)
        if text != ABSENT:
            rows.append((one.label, text))
    return Table(("Figure", "Value"), rows, "What was measured")


def _decision(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if found is None:
        return None
    action = str(found.get("action", ""))
    return {
        "heading": HEADLINES.get(action, action),
        "reasons": [
            {"kind": str(reason.get("kind", "")).replace("_", " "), "message": reason.get("message", "")}
            for reason in found.get("reasons", ())
        ],
        "notes": found.get("notes", ()),
    }


def _front(searched: SearchedFront) -> dict[str, Any]:
    population = Population(searched.population, searched.chosen)
    drawn, left_out = thinned(population)
    return {
        "drawing": front_drawings([drawn], latency_budget_ms=searched.latency_budget_ms),
        "summary": describe([population]),
        "origin": searched.origin,
        "left_out": left_out,
    }


def _line(step: StepLine) -> dict[str, str]:
    began = datetime.datetime.fromtimestamp(step.started_ms / 1000, datetime.UTC)
    took = ABSENT if step.ended_ms is None else duration((step.ended_ms - step.started_ms) / 1000)
    return {
        "stage": step.stage,
        "state": STATES.get(step.status, step.status.lower()),
        "began": f"{began:%H:%M:%S}",
        "took": took,
        "said": step.said or ABSENT,
        "url": _openable(step.url),
    }


def _data(report: RunReport) -> dict[str, str]:
    return {} if report.run is None else dict(report.run.data)


def _facts(values: Mapping[str, str], caption: str) -> Table:
    return Table(("", ""), [(name, value) for name, value in values.items() if value], caption, "facts")


def _openable(url: str) -> str:
    """An address that a link may have: anything else, such as a script, is none."""
    return url if url.startswith(("http://", "https://")) else ""
