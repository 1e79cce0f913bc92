"""The end of an execution that an orchestrator runs: parent and steps get their last status."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from autonad.tracking.connection import CONNECT, MlflowClient, clear_failures, connect, experiment_id
from autonad.tracking.destination import TrackingSettings
from autonad.tracking.runs.origin import Execution
from autonad.tracking.runs.outcome import Attempt, Outcome, decide_outcome
from autonad.tracking.runs.parents import children, find_parents, parent_of
from autonad.tracking.tags import FAILURE, FAULTS, STAGE, VARIANT
from autonad.tracking.values import MAX_TAG, text


@dataclass(frozen=True)
class ClosedExecution:
    """An execution that has its last status.

    Attributes:
        run_id: Of its parent in MLflow.
        title: What people call it.
        steps: Run ids of its steps, oldest first.
        outcome: How it ended.
    """

    run_id: str
    title: str
    steps: tuple[str, ...]
    outcome: Outcome


def close_execution(
    settings: TrackingSettings, execution: Execution, *, state: str, message: str = ""
) -> ClosedExecution:
    """Give an execution and all of its steps their last status; see `outcome` for how it is decided.

    A parent is made if no step came that far. One that the orchestrator made itself keeps its status.

    Args:
        settings: Where runs are logged.
        execution: Whose.
        state: What the orchestrator says that it ended with.
        message: What the orchestrator says about a failure.

    Raises:
        TrackingError: The server or store cannot be used.
    """
    client = connect(settings)
    with clear_failures(settings, CONNECT):
        experiment = experiment_id(client, settings)
        first = parent_of(client, experiment, execution, {})
        # Another parent, made at the same moment by a step that was killed, may have steps of its own.
        parents = find_parents(client, experiment, execution)
        steps = [run for parent in parents for run in children(client, experiment, parent.info.run_id)]
        steps.sort(key=lambda run: (run.info.start_time, run.info.run_id))
        said = next((p.data.tags[FAILURE] for p in parents if p.data.tags.get(FAILURE)), "")
        outcome = decide_outcome(state, [_attempt(run) for run in steps], said=said, message=message)
        for run_id, end in outcome.ends.items():
            client.set_tag(run_id, FAULTS if end.status == "FINISHED" else FAILURE, end.reason)
            client.set_terminated(run_id, end.status)
        for parent in parents:
            _end_parent(client, parent, outcome, keep_status=execution.run_id is not None)
    named = execution.title != execution.name
    title = execution.title if named else str(parents[0].info.run_name)
    return ClosedExecution(first, title, tuple(run.info.run_id for run in steps), outcome)


def _end_parent(client: MlflowClient, parent: Any, outcome: Outcome, *, keep_status: bool) -> None:
    if outcome.reason:
        client.set_tag(parent.info.run_id, FAILURE, text(outcome.reason, MAX_TAG))
    elif FAILURE in parent.data.tags:
        client.delete_tag(parent.info.run_id, FAILURE)
    if not keep_status:
        client.set_terminated(parent.info.run_id, outcome.status)


def _attempt(run: Any) -> Attempt:
    tags = run.data.tags
    return Attempt(
        run.info.run_id,
        tags.get(STAGE, "a step"),
        run.info.status,
        tags.get(FAILURE, ""),
        tags.get(VARIANT, ""),
    )
