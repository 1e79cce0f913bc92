"""The parent of an execution: found or made by its tag, kept up to date by its children, closed at the end.

Two steps that begin at the same moment may both make a parent. The older one stays, by its start and then its
id; whoever made or took the other one notices when it looks again, at the latest at its end, and moves over.

A step that was killed cannot say how it ended: whoever orchestrates the steps does (`close_execution`).
"""

from __future__ import annotations

import time
from typing import Any

from autonad.tracking.connection import CONNECT, Metric, MlflowClient, clear_failures, connect, experiment_id
from autonad.tracking.destination import TrackingSettings
from autonad.tracking.tags import EXECUTION, FAILURE, HEADLINE, NOTE, PARENT, PARENT_RUN, ROLE, STAGE
from autonad.tracking.values import MAX_TAG, key, text

LOST = "it ended without a word: out of memory, evicted or past its timeout; see the pod's events and log"
# Figures of the steps that the parent shows, so that executions can be compared without opening them.
ON_PARENT = (
    "test/miou",
    "test/miou_low",
    "test/miou_high",
    "test/mf1",
    "test/foreground_miou",
    "test/native_miou",
    "latency/p50_ms",
    "latency/p95_ms",
    "model/parameters",
    "model/megabytes",
    "search/hypervolume",
    "register/champion",
    "register/p_better",
    "data/images",
    "data/groups",
)


def find_parents(client: MlflowClient, experiment: str, execution: str) -> list[Any]:
    """Parents of an execution, the one that counts first."""
    query = f"tags.`{EXECUTION}` = '{key(execution)}' AND tags.`{ROLE}` = '{PARENT}'"
    runs = client.search_runs([experiment], query, order_by=["attributes.start_time ASC"])
    return sorted(runs, key=lambda run: (run.info.start_time, run.info.run_id))


def parent_of(client: MlflowClient, experiment: str, execution: str, tags: dict[str, str]) -> str:
    """Run id of an execution's parent, created if need be.

    Args:
        client: The server.
        experiment: Id of the experiment.
        execution: Name of the execution, and of the parent run.
        tags: Further tags of a parent that is made.
    """
    name = key(execution)
    for known in find_parents(client, experiment, execution):
        return known.info.run_id
    created = client.create_run(
        experiment, tags={**tags, EXECUTION: name, ROLE: PARENT}, run_name=name
    ).info.run_id
    return settle(client, experiment, execution, created)


def settle(client: MlflowClient, experiment: str, execution: str, parent: str) -> str:
    """The parent that counts; another one that nobody uses is deleted."""
    found = find_parents(client, experiment, execution)
    first = found[0].info.run_id if found else parent
    if first != parent and not children(client, experiment, parent):
        client.delete_run(parent)
    return first


def children(client: MlflowClient, experiment: str, parent: str) -> list[Any]:
    """Steps of an execution, oldest first."""
    return list(
        client.search_runs(
            [experiment], f"tags.`{PARENT_RUN}` = '{parent}'", order_by=["attributes.start_time ASC"]
        )
    )


def update_parent(client: MlflowClient, experiment: str, parent: str, figures: dict[str, float]) -> None:
    """Show on the parent what its steps found: their headlines as its note, and some figures.

    Args:
        client: The server.
        experiment: Id of the experiment.
        parent: Run id.
        figures: Metrics of the step that has just ended.
    """
    lines = {}
    for run in children(client, experiment, parent):
        if HEADLINE in run.data.tags:  # A step that ran twice shows its last line.
            lines[run.data.tags.get(STAGE, "")] = run.data.tags[HEADLINE]
    if lines:
        note = "\n".join(f"- **{stage}**: {line}" for stage, line in lines.items())
        client.set_tag(parent, NOTE, note)
    shown = {name: value for name, value in figures.items() if name in ON_PARENT}
    if shown:
        now = time.time_ns() // 1_000_000
        client.log_batch(parent, metrics=[Metric(name, value, now, 0) for name, value in shown.items()])


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
