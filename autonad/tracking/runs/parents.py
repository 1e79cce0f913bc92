"""The parent of an execution: found or made by its tag, kept up to date by its children.

Two steps that begin at the same moment may both make a parent. The older one stays, by its start and then its
id; whoever made or took the other one notices when it looks again, at the latest at its end, and moves over.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from autonad.tracking.connection import (
    CONNECT,
    Metric,
    MlflowClient,
    RunTag,
    all_pages,
    clear_failures,
    connect,
    experiment_id,
)
from autonad.tracking.destination import TrackingSettings
from autonad.tracking.runs.made_for import label_of, variants_in
from autonad.tracking.runs.origin import Execution
from autonad.tracking.tags import (
    EXECUTION,
    FAILURE,
    HEADLINE,
    NOTE,
    PARENT,
    PARENT_RUN,
    RED_FLAGS,
    ROLE,
    VARIANT,
)
from autonad.tracking.values import MAX_TAG, key, text

MAX_TITLE = 250  # characters of a run's name in MLflow
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


class Parent(NamedTuple):
    """The run that a step belongs to; without an execution it is somebody else's, who fills it."""

    experiment: str
    run_id: str
    execution: Execution | None = None


class Ended(NamedTuple):
    """A step that has just ended: its run, its verb, how, and why it failed ("" if it did not)."""

    run_id: str
    stage: str
    status: str
    reason: str


def find_parents(client: MlflowClient, experiment: str, execution: Execution) -> list[Any]:
    """Parents of an execution, the one that counts first."""
    if execution.run_id is not None:
        return [client.get_run(execution.run_id)]
    query = f"tags.`{EXECUTION}` = '{key(execution.name)}' AND tags.`{ROLE}` = '{PARENT}'"
    runs = client.search_runs([experiment], query, order_by=["attributes.start_time ASC"])
    return sorted(runs, key=lambda run: (run.info.start_time, run.info.run_id))


def parent_of(client: MlflowClient, experiment: str, execution: Execution, tags: dict[str, str]) -> str:
    """Run id of an execution's parent, created or given its present name if need be.

    Args:
        client: The server.
        experiment: Id of the experiment.
        execution: Whose.
        tags: Further tags of a parent that is made.
    """
    name, title = key(execution.name), text(execution.title, MAX_TITLE)
    marks = {EXECUTION: name, ROLE: PARENT}
    for known in find_parents(client, experiment, execution):
        run_id = known.info.run_id
        if execution.run_id is not None:
            if known.data.tags.get(EXECUTION) != name:
                client.log_batch(run_id, tags=[RunTag(mark, value) for mark, value in marks.items()])
        elif title not in (name, known.info.run_name):
            client.update_run(run_id, name=title)
        return run_id
    created = client.create_run(experiment, tags={**tags, **marks}, run_name=title).info.run_id
    return settle(client, experiment, execution, created)


def settle(client: MlflowClient, experiment: str, execution: Execution, parent: str) -> str:
    """The parent that counts; another one that nobody uses is deleted."""
    found = find_parents(client, experiment, execution)
    first = found[0].info.run_id if found else parent
    if first != parent and not children(client, experiment, parent):
        client.delete_run(parent)
    return first


def children(client: MlflowClient, experiment: str, parent: str) -> list[Any]:
    """Steps of an execution, oldest first."""
    query, order = f"tags.`{PARENT_RUN}` = '{parent}'", ["attributes.start_time ASC"]
    return all_pages(client.search_runs, [experiment], query, order_by=order)


def after_step(client: MlflowClient, parent: Parent, ended: Ended, figures: dict[str, float]) -> None:
    """Show on the parent what a step found; its status follows the step unless an orchestrator closes it.

    Args:
        client: The server.
        parent: As the step knew it when it began.
        ended: The step.
        figures: Its metrics.
    """
    experiment, run_id, execution = parent
    if execution is not None:
        counts = settle(client, experiment, execution, run_id)
        if counts != run_id:
            client.set_tag(ended.run_id, PARENT_RUN, counts)
            settle(client, experiment, execution, run_id)
        run_id = counts
    _update(client, experiment, run_id, ended.run_id, figures)
    if execution is None:
        return
    if not execution.closed_by_orchestrator:
        client.set_terminated(run_id, ended.status)
        return
    said = client.get_run(run_id).data.tags.get(FAILURE, "")
    if ended.reason:
        client.set_tag(run_id, FAILURE, text(f"{ended.stage}: {ended.reason}", MAX_TAG))
    elif said.startswith(f"{ended.stage}: "):
        client.delete_tag(run_id, FAILURE)  # an earlier attempt's


def after_refusal(client: MlflowClient, parent: Parent) -> None:
    """A step was taken back: a parent that has no other is deleted, else it is as its last step left it.

    Args:
        client: The server.
        parent: As the step knew it when it began.
    """
    experiment, run_id, execution = parent
    if execution is None or execution.run_id is not None:
        return
    others = children(client, experiment, run_id)
    if not others:
        client.delete_run(run_id)
    elif all(other.info.status != "RUNNING" for other in others):
        client.set_terminated(run_id, others[-1].info.status)


def _update(
    client: MlflowClient, experiment: str, parent: str, ended: str, figures: dict[str, float]
) -> None:
    """The headlines of all steps as the parent's note, with what makes them doubtful, and some figures.

    The figures are those of the step that has just ended; of several detectors the first one's.
    """
    runs = children(client, experiment, parent)
    variants = variants_in(runs)
    # One that ran twice counts as it last ended.
    steps = {label_of(run.data.tags, len(variants) > 1): run for run in runs if HEADLINE in run.data.tags}
    flags = [run.data.tags.get(RED_FLAGS, "").splitlines() for run in steps.values()]
    red = sorted(dict.fromkeys(line for own in flags for line in own), key=_is_warning)
    if steps:
        told = [f"- **{line}**" for line in red]
        told += [f"- **{stage}**: {run.data.tags[HEADLINE]}" for stage, run in steps.items()]
        client.set_tag(parent, NOTE, text("\n".join(told), MAX_TAG))
    if red:
        client.set_tag(parent, RED_FLAGS, text("\n".join(red), MAX_TAG))
    elif RED_FLAGS in client.get_run(parent).data.tags:
        client.delete_tag(parent, RED_FLAGS)  # a step that ran again found none
    own = next((run.data.tags.get(VARIANT) for run in runs if run.info.run_id == ended), None)
    shown = {}
    if own is None or own == variants[0]:
        shown = {name: value for name, value in figures.items() if name in ON_PARENT}
    if any("flags/errors" in run.data.metrics for run in steps.values()):
        warnings = sum(map(_is_warning, red))
        shown |= {"flags/errors": float(len(red) - warnings), "flags/warnings": float(warnings)}
    if shown:
        now = time.time_ns() // 1_000_000
        client.log_batch(parent, metrics=[Metric(name, value, now, 0) for name, value in shown.items()])


def _is_warning(line: str) -> bool:
    return line.startswith("warning: ")


def record_failure(settings: TrackingSettings, execution: Execution, reason: str) -> str:
    """Say why an execution failed; its parent run is made if no step came that far.

    The parent ends as FAILED, unless an orchestrator closes it: it may try the task again.

    Args:
        settings: Where runs are logged.
        execution: Whose.
        reason: One line, such as "search: no finalist keeps the latency budget".

    Returns:
        Run id of the parent.

    Raises:
        TrackingError: The server or store cannot be used.
    """
    client = connect(settings)
    with clear_failures(settings, CONNECT):
        parent = parent_of(client, experiment_id(client, settings), execution, {})
        client.set_tag(parent, FAILURE, text(" ".join(reason.split()), MAX_TAG))
        if not execution.closed_by_orchestrator:
            client.set_terminated(parent, "FAILED")
    return parent
