"""What a pipeline does last, however it ended: the execution's status in MLflow, and the page of the run."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from autonad.config import parse_config
from autonad.errors import AutonadError, cause_of, redact
from autonad.files import write_text_atomic
from autonad.kubeflow.tasks import tracking_text
from autonad.reading.bounds import LARGEST_JSON, parse_json
from autonad.steps.step import tracking_settings
from autonad.tracking.runs.outcome import NO_WORD, UNFINISHED, Outcome, decide_outcome

if TYPE_CHECKING:
    from autonad.report.run_page import RunReport
    from autonad.tracking import TrackingSettings
    from autonad.tracking.runs.ending import ClosedExecution

# Where people open MLflow, if that is not the address that tasks use.
ADDRESS = "AUTONAD_MLFLOW_UI"
TIMEOUT = 10  # seconds
NO_RECORD = "there is no record of this run: tracking is off (tracking.enabled)"


@dataclass(frozen=True)
class Closed:
    """A closed execution.

    Attributes:
        text: What was recorded, or why nothing could be, in a line.
        page: The page of the run as HTML; whole by itself.
        status: How it ended: FINISHED, FAILED or KILLED.
    """

    text: str
    page: str
    status: str

    def save(self, path: Path) -> None:
        """Write the page."""
        write_text_atomic(path, self.page)


def close(
    settings: str,
    *,
    uri: str,
    experiment: str,
    state: str,
    message: str | None,
    name: str = "",
    asked: Mapping[str, object] | None = None,
    checkpoints: str = "",
) -> Closed:
    """Give the execution its last status in MLflow, and make the page of the run; it never fails.

    Args:
        settings: The pipeline's settings as YAML.
        uri: MLflow, as the pipeline was given it; empty for that of the settings.
        experiment: Likewise.
        state: What Kubeflow says the pipeline ended with; see `autonad.tracking.runs.outcome`.
        message: What Kubeflow says about a failure.
        name: What people call the run; empty takes `AUTONAD_RUN_NAME`, then the run's id.
        asked: What was entered in the form, for the page.
        checkpoints: Where copies of checkpoints are; those of a finished execution are removed.
    """
    from autonad.report.run_page import RunReport, render_page
    from autonad.tracking.runs.ending import close_execution
    from autonad.tracking.runs.origin import execution_of

    execution = execution_of(os.environ)
    title = name or (execution.title if execution is not None else "This run")
    state = settled_state(state, os.environ)
    told = decide_outcome(state, (), message=message or "")
    entered = {what: redact(str(value), "") for what, value in (asked or {}).items() if value}
    page = RunReport(title, told.status, told.reason, asked=entered, unrecorded=NO_RECORD)
    try:
        config = parse_config(tracking_text(settings, uri, experiment), source="the pipeline's parameters")
        tracking = tracking_settings(config)
        page = replace(page, places={"server": redact(tracking.uri), "experiment": tracking.experiment})
        if not tracking.enabled or execution is None:
            text = "nothing to close: tracking is off, or there is no execution"
            if told.status == "FINISHED" and execution is not None:
                text += _without_copies(checkpoints, {execution.name})
            page = replace(page, reason=_known(told, "tracking is off; the log of the red task says why"))
            return Closed(text, render_page(page), told.status)
        ended = close_execution(tracking, replace(execution, title=title), state=state, message=message or "")
    except AutonadError as error:
        text = f"the parent run cannot be closed: {error}"
        page = replace(page, reason=_known(told, str(error)), unrecorded=str(error))
        return Closed(text, render_page(page), told.status)
    outcome = ended.outcome
    words = {"FINISHED": "is finished", "FAILED": "failed", "KILLED": "was ended"}[outcome.status]
    text = f"{ended.title} {words}" + (f": {outcome.reason}" if outcome.reason else "")
    if outcome.status == "FINISHED":
        text += _without_copies(checkpoints, set(ended.steps))
    page = replace(page, name=ended.title, status=outcome.status, reason=outcome.reason)
    return Closed(text, _page(tracking, ended, page), outcome.status)


def _known(told: Outcome, otherwise: str) -> str:
    """Why a run failed, as far as Kubeflow says; without a record no step can be named."""
    return otherwise if told.reason == NO_WORD else told.reason


def settled_state(state: str, environment: Mapping[str, str]) -> str:
    """Kubeflow's word about a run, after asking its API what an unfinished one is about.

    A run that a person terminated and one whose pod was lost for good are both handed over as RUNNING; only
    the API knows which was asked to end. Where it is not in the task's namespace, the word stays as it is.

    Args:
        state: As it was handed over.
        environment: Where Kubernetes says which services there are, and `KFP_RUN_ID`.
    """
    host, run = environment.get("ML_PIPELINE_SERVICE_HOST"), environment.get("KFP_RUN_ID")
    if state.upper() != UNFINISHED or not host or not run:
        return state
    port = environment.get("ML_PIPELINE_SERVICE_PORT", "8888")
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}/apis/v2beta1/runs/{run}"
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT) as answer:  # nosec B310 # always http://
            found = parse_json(answer.read(LARGEST_JSON)).get("state")
    except (OSError, ValueError, AttributeError):
        return state
    # While the last task runs, the run itself counts as running unless somebody asked it to end.
    return "FAILED" if found == UNFINISHED else str(found or state)


def _page(settings: TrackingSettings, ended: ClosedExecution, bare: RunReport) -> str:
    """The page with all that MLflow knows, or without it and with the reason."""
    from autonad.report.run_page import render_page
    from autonad.tracking.history.run_report import read_report

    try:
        ui = os.environ.get(ADDRESS, "")
        return render_page(read_report(settings, ended, asked=bare.asked, ui=ui))
    except Exception as error:
        # The execution is closed already; what one of its files holds must not undo that.
        return render_page(replace(bare, unrecorded=f"not all of it could be read: {cause_of(error)}"))


def _without_copies(checkpoints: str, owners: set[str]) -> str:
    """Remove the copies of checkpoints that the execution's steps left, and say so."""
    from autonad.storage.checkpoint_copies import CheckpointCopies

    if not checkpoints:
        return ""
    try:
        copies = CheckpointCopies(checkpoints)
        left = [copy for copy in copies.all() if copy.owner in owners]
        for copy in left:
            copies.remove(copy)
    except AutonadError as error:
        return f"; copies of its checkpoints may be left in {checkpoints} ({error})"
    return f"; {len(left)} copies of its checkpoints were removed" if left else ""
