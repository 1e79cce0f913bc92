"""The parent of an execution: found or made by its tag, kept up to date by its children.

Two steps that begin at the same moment may both make a parent. The older one stays, by its start and then its
id; whoever made or took the other one notices when it looks again, at the latest at its end, and moves over.
"""

from __future__ import annotations

import time
from typing import Any

from autonad.tracking.connection import Metric, MlflowClient
from autonad.tracking.values import key

PARENT_RUN = "mlflow.parentRunId"
NOTE = "mlflow.note.content"
ROLE, PARENT = "autonad.role", "parent"
EXECUTION, STAGE, HEADLINE = "autonad.execution", "autonad.stage", "autonad.headline"

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
