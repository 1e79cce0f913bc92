"""The life of a run: whose it is, what it is tagged with, how it ends.

Two promises. A step does not start with a tracking server that does not answer: one clear line instead. And
a server that vanishes later never costs a training: one warning, and metrics are kept in a file until it is
back.

Whose run it is, first match: a child of `AUTONAD_PARENT_RUN_ID` (whose status is not touched), a child of the
execution's parent (see `origin` for what an execution is), a run of its own. `MLFLOW_RUN_ID` comes before all
of them, and that run is continued; on Kubeflow (`KFP_RUN_ID`) all tasks see the same one, so it is the
execution's parent there, and its status is not touched. Otherwise the parent of an execution is found by its
tag, and created by the first step that asks. It is running while a child runs. Afterwards it takes over the
child's status, since under `dvc repro` no step knows whether it is the last one; on Kubeflow it stays as it
is until the pipeline's last task closes it (`ending.close_execution`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from autonad.errors import ArchitectureError, CheckpointError, ConfigError, DatasetError, cause_of
from autonad.tracking.destination import TrackingSettings
from autonad.tracking.runs.origin import execution_of, origin_tags
from autonad.tracking.runs.run import NullRun, Run
from autonad.tracking.tags import EXECUTION, FAILURE, STAGE

# The request is wrong; the others say that something did not work out.
REFUSALS = (ConfigError, ArchitectureError, DatasetError, CheckpointError)


@contextmanager
def track(
    settings: TrackingSettings,
    *,
    stage: str,
    execution: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, object] | None = None,
    warn: Callable[[str], None] = lambda message: None,
    environment: Mapping[str, str] = os.environ,
) -> Iterator[Run]:
    """Log a step.

    The run ends as FINISHED, FAILED with the reason in the tag `autonad.failure`, or KILLED when it is
    interrupted. A request that is refused before
    anything was logged leaves no run, but on Kubeflow, whose page of the run has each attempt.

    Args:
        settings: Where to.
        stage: The step's verb; names the run.
        execution: Names one pipeline execution; its steps share a parent run.
        params: The configuration that the step uses.
        tags: Further tags; deciding keys are hexadecimal.
        warn: Told once when the server vanishes.
        environment: Where an orchestrator injects `MLFLOW_RUN_ID` or `AUTONAD_PARENT_RUN_ID`, and says what
            it runs; see `origin`.

    Raises:
        TrackingError: The server or store cannot be used at the start.
    """
    if not settings.enabled:
        yield NullRun()
        return
    from autonad.tracking.runs.opening import open_run

    belongs = execution_of(environment, execution)
    own = {} if belongs is None else {EXECUTION: belongs.name}
    continued = None if belongs is not None and belongs.run_id else environment.get("MLFLOW_RUN_ID")
    run = open_run(
        settings,
        stage=stage,
        execution=belongs,
        tags={STAGE: stage, **own, **origin_tags(environment), **(tags or {})},
        parent_id=environment.get("AUTONAD_PARENT_RUN_ID") or None,
        run_id=continued or None,
        warn=warn,
    )
    try:
        run.params(params or {})
        yield run
    except KeyboardInterrupt:
        run.end("KILLED", {FAILURE: "interrupted"})
        raise
    except REFUSALS as error:
        if run.is_empty and not (belongs is not None and belongs.closed_by_orchestrator) and not continued:
            run.discard()
        else:
            run.end("FAILED", _failure(error))
        raise
    except BaseException as error:
        run.end("FAILED", _failure(error))
        raise
    run.end("FINISHED", {})


def _failure(error: BaseException) -> dict[str, str]:
    return {FAILURE: f"{type(error).__name__}: {cause_of(error)}"}
