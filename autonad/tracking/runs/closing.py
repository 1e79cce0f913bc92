"""How an execution ended, for whoever orchestrates it: a step that was killed cannot say so itself."""

from __future__ import annotations

from autonad.tracking.connection import CONNECT, MlflowClient, clear_failures, connect, experiment_id
from autonad.tracking.runs.family import STAGE, children, find_parents, parent_of
from autonad.tracking.runs.run import TrackingSettings
from autonad.tracking.runs.track import FAILURE
from autonad.tracking.values import MAX_TAG, text

LOST = "it ended without a word: out of memory, evicted or past its timeout; see the pod's events and log"


def record_failure(settings: TrackingSettings, execution: str, reason: str) -> str:
    """Mark an execution as failed; its parent run is made if no step came that far.

    Args:
        settings: Where runs are logged.
        execution: Name of the execution.
        reason: One line.

    Returns:
        Run id of the parent.

    Raises:
        TrackingError: The server or store cannot be used.
    """
    client = connect(settings)
    with clear_failures(settings, CONNECT):
        parent = parent_of(client, experiment_id(client, settings), execution, {})
        client.set_tag(parent, FAILURE, text(" ".join(reason.split()), MAX_TAG))
        client.set_terminated(parent, "FAILED")
    return parent


def close_execution(settings: TrackingSettings, execution: str, *, succeeded: bool, message: str = "") -> str:
    """Give an execution and all of its steps their last status.

    Steps that still count as running were killed. The reason of a failure is that of the step that failed
    last; a step that failed and was repeated with success is none.

    Args:
        settings: Where runs are logged.
        execution: Name of the execution.
        succeeded: Whether the pipeline did.
        message: What the orchestrator says, where no step gave a reason.

    Returns:
        The reason of the failure; empty for a success.

    Raises:
        TrackingError: The server or store cannot be used.
    """
    client = connect(settings)
    with clear_failures(settings, CONNECT):
        experiment = experiment_id(client, settings)
        reason = _close_steps(client, experiment, execution, succeeded)
        if succeeded:
            for parent in find_parents(client, experiment, execution):
                if FAILURE in parent.data.tags:
                    client.delete_tag(parent.info.run_id, FAILURE)
                client.set_terminated(parent.info.run_id, "FINISHED")
            return ""
    if not reason:
        known = find_parents(client, experiment, execution)
        reason = known[0].data.tags.get(FAILURE, "") if known else ""
    reason = reason or " ".join(message.split()) or "a task failed before it began; see its log"
    record_failure(settings, execution, reason)
    return reason


def _close_steps(client: MlflowClient, experiment: str, execution: str, succeeded: bool) -> str:
    """End what still counts as running; the failure of the last step that has one."""
    reasons = {}
    for parent in find_parents(client, experiment, execution):
        for run in children(client, experiment, parent.info.run_id):
            stage, failure = run.data.tags.get(STAGE, "a step"), run.data.tags.get(FAILURE)
            if run.info.status == "RUNNING":
                failure = LOST
                client.set_tag(run.info.run_id, FAILURE, failure)
                client.set_terminated(run.info.run_id, "FAILED")
            elif run.info.status == "FINISHED":
                failure = None
            reasons[stage] = failure  # oldest first: a later attempt replaces an earlier one
    failed = [f"{stage}: {reason}" for stage, reason in reasons.items() if reason]
    return "" if succeeded or not failed else failed[-1]
