"""What MLflow knows of an execution, for the page of the run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autonad.appearance.policy import DecisionFile
from autonad.errors import redact
from autonad.files import read_json
from autonad.reading.shape_checks import Shape
from autonad.report.compared import Compared
from autonad.report.detector_table import MadeDetector
from autonad.report.run_page import RunReport, SearchedFront, StepLine
from autonad.tracking.connection import CONNECT, MlflowClient, clear_failures, connect
from autonad.tracking.destination import TrackingSettings
from autonad.tracking.history.run_reader import RunReader, latest, read_population
from autonad.tracking.history.searches import first_budget
from autonad.tracking.identifiers import tag_is
from autonad.tracking.links import run_link
from autonad.tracking.runs.ending import ClosedExecution
from autonad.tracking.runs.made_for import label_of, variants_in
from autonad.tracking.tags import (
    ARCHITECTURE,
    DATASET,
    DIGEST_TAG,
    FAILURE,
    FAULTS,
    HEADLINE,
    PARENT_RUN,
    RED_FLAGS,
    RUN_NAME,
    STAGE,
)

BUDGET = "search.latency_budget_ms"
NO_PLACE = "None"  # how MLflow keeps a parameter that is absent


def read_report(
    settings: TrackingSettings, closed: ClosedExecution, *, asked: Mapping[str, str], ui: str = ""
) -> RunReport:
    """Read everything that the page of a closed execution shows.

    Args:
        settings: Which server and experiment.
        closed: The execution.
        asked: What was entered, by name.
        ui: Where people open MLflow; empty for the server's own address.

    Raises:
        TrackingError: The server cannot be used.
    """
    client = connect(settings)
    with clear_failures(settings, CONNECT):
        return _Reader(client, settings, ui).read(closed, asked)


class _Reader:
    def __init__(self, client: MlflowClient, settings: TrackingSettings, ui: str) -> None:
        self._client, self._settings = client, settings
        self._ui = redact(ui or settings.uri, "").rstrip("/")  # it stands on a page
        # A file that cannot be read leaves out its part of the page, and is no reason to have none.
        self._files = RunReader(client, settings, warn=lambda line: None)

    def read(self, closed: ClosedExecution, asked: Mapping[str, str]) -> RunReport:
        parent = self._client.get_run(closed.run_id)
        steps = [self._client.get_run(run_id) for run_id in closed.steps]
        variants = variants_in(steps)
        last = latest(steps, variants[0] if variants else "")
        decide = last.get("decide")
        runs = self._files.read_all(parent, closed.title, images=False)
        detectors = [self._detector(name, run, latest(steps, name)) for name, run in runs.items()]
        budget = next((r.data.params[p] for r in last.values() for p in _BUDGETS if p in r.data.params), "")
        target = next((r.data.params["target"] for r in last.values() if "target" in r.data.params), "")
        found = {"target": target, "latency budget": "" if budget in ("", NO_PLACE) else f"{budget} ms"}
        experiment = parent.info.experiment_id
        return RunReport(
            name=closed.title,
            status=closed.outcome.status,
            reason=closed.outcome.reason,
            asked={**asked, **{what: value for what, value in found.items() if value}},
            run=detectors[0].run,
            decision=None if decide is None else self._files.file(decide, "decision.json", read_decision),
            registration=detectors[0].registration,
            detectors=detectors if len(detectors) > 1 else (),
            searched=self._searched(last),
            steps=[self._line(run, len(variants) > 1) for run in steps],
            places={
                "experiment": f"{self._settings.experiment} ({experiment})",
                "run": closed.run_id,
                "execution": parent.data.tags.get("autonad.execution", ""),
            },
            url=self._url(parent),
            red_flags=parent.data.tags.get(RED_FLAGS, "").splitlines(),
        )

    def _detector(self, name: str, run: Compared, last: Mapping[str, Any]) -> MadeDetector:
        """What became of one of the detectors."""
        register = last.get("register")
        decided = (
            None if register is None else self._files.file(register, "registration.json", read_registration)
        )
        return MadeDetector(name, run, decided)

    def _searched(self, last: Mapping[str, Any]) -> SearchedFront | None:
        """The search of this run, or the one whose architecture it trained."""
        own = last.get("search")
        run = own if own is not None and DIGEST_TAG in own.data.tags else self._last_search(last)
        table = None if run is None else self._files.file(run, "search/population.parquet", read_population)
        if run is None or table is None or table.empty:
            return None
        budget = run.data.params.get(BUDGET, NO_PLACE)
        return SearchedFront(
            population=table,
            chosen=run.data.tags.get(ARCHITECTURE),
            latency_budget_ms=first_budget(budget),
            origin="The search of this run:"
            if run is own
            else f"The last search, that of {self._owner(run)}:",
        )

    def _last_search(self, last: Mapping[str, Any]) -> Any:
        trained = last.get("retrain")
        if trained is None or ARCHITECTURE not in trained.data.tags:
            return None
        query = f"tags.`{STAGE}` = 'search' AND tags.`{DIGEST_TAG}` != '' AND attributes.status = 'FINISHED'"
        query += f" AND {tag_is(ARCHITECTURE, trained.data.tags[ARCHITECTURE])}"
        if DATASET in trained.data.tags:
            query += f" AND {tag_is(DATASET, trained.data.tags[DATASET])}"
        newest = ["attributes.end_time DESC"]
        runs = self._client.search_runs([trained.info.experiment_id], query, order_by=newest, max_results=1)
        return runs[0] if runs else None

    def _owner(self, run: Any) -> str:
        """The execution of a step, as people call it."""
        parent = run.data.tags.get(PARENT_RUN)
        tags = run.data.tags if parent is None else self._client.get_run(parent).data.tags
        return str(tags.get(RUN_NAME) or run.info.run_id)

    def _line(self, run: Any, several: bool) -> StepLine:
        tags = run.data.tags
        said = tags.get(FAILURE) if run.info.status != "FINISHED" else tags.get(HEADLINE)
        faults = f" ({tags[FAULTS]})" if FAULTS in tags else ""
        return StepLine(
            stage=label_of({STAGE: run.info.run_name, **tags}, several),
            status=run.info.status,
            started_ms=run.info.start_time,
            ended_ms=run.info.end_time,
            said=f"{said or ''}{faults}".strip(),
            url=self._url(run),
        )

    def _url(self, run: Any) -> str:
        if not self._ui.startswith(("http://", "https://")):
            return ""
        return run_link(self._ui, run.info.experiment_id, run.info.run_id)


_BUDGETS = ("latency_budget_ms", BUDGET)


class RegisteredFile(Shape):
    """What is shown of `registration.json`."""

    model: str
    version: int | str | None = None
    champion: bool
    compared_with: int | str | None = None
    reasons: list[str]


def read_decision(path: Path) -> dict[str, Any]:
    """What is shown of a `decision.json`."""
    return read_json(path, "the decision", DecisionFile)


def read_registration(path: Path) -> dict[str, Any]:
    """What is shown of a `registration.json`."""
    return read_json(path, "the registration", RegisteredFile)
