"""The start of a run on a server: a new one, a child of its execution's parent, or one that is continued."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from autonad.tracking.connection import CONNECT, OFF, RunTag, clear_failures, experiment_id, open_store
from autonad.tracking.destination import TrackingSettings
from autonad.tracking.runs.made_for import title_of
from autonad.tracking.runs.mlflow_run import MlflowRun
from autonad.tracking.runs.origin import Execution, interface_tags
from autonad.tracking.runs.parents import Parent, parent_of
from autonad.tracking.runs.unsent import replay
from autonad.tracking.tags import (
    GIT_SHA,
    IMAGE,
    KFP_RUN,
    KFP_URL,
    PARENT_RUN,
    SOURCE_COMMIT,
    SOURCE_TYPE,
    USER,
)
from autonad.tracking.values import MAX_TAG, key, text

# Tags of a step that its parent has too.
SHARED = (GIT_SHA, IMAGE, KFP_RUN, KFP_URL, USER, SOURCE_COMMIT, SOURCE_TYPE)


def open_run(
    settings: TrackingSettings,
    *,
    stage: str,
    execution: Execution | None,
    tags: Mapping[str, object],
    parent_id: str | None,
    run_id: str | None,
    warn: Callable[[str], None],
) -> MlflowRun:
    """Start or continue a run; see `autonad.tracking.track`.

    Raises:
        TrackingError: The server or store cannot be used.
    """
    texts = {key(tag): text(value, MAX_TAG) for tag, value in tags.items()}
    parent = None
    with clear_failures(settings, f"{CONNECT}, or go without: {OFF}"):
        client = open_store(settings.uri)
        replay(client, settings.unsent, warn)
        if run_id is not None:
            client.update_run(run_id, status="RUNNING")
            client.log_batch(run_id, tags=[RunTag(tag, value) for tag, value in texts.items()])
        else:
            experiment = experiment_id(client, settings)
            texts |= interface_tags(stage, texts.get(GIT_SHA))
            if parent_id is None and execution is not None:
                own = parent_of(client, experiment, execution, {k: texts[k] for k in SHARED if k in texts})
                if execution.run_id is None:
                    client.update_run(own, status="RUNNING")
                parent = Parent(experiment, own, execution)
            elif parent_id is not None:
                parent = Parent(experiment, parent_id)
            if parent is not None:
                texts[PARENT_RUN] = parent.run_id
            run_id = client.create_run(experiment, tags=texts, run_name=title_of(stage, texts)).info.run_id
    return MlflowRun(client, run_id, stage=stage, parent=parent, settings=settings, warn=warn)
