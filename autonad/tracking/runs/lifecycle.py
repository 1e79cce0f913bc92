"""The life of a run: whose it is, what it is tagged with, how it ends.

Two promises. A step does not start with a tracking server that does not answer: one clear line instead. And
a server that vanishes later never costs a training: one warning, and metrics are kept in a file until it is
back.

Whose run it is, first match: `MLFLOW_RUN_ID` (injected by an orchestrator, whose run is continued), a child
of `AUTONAD_PARENT_RUN_ID` (whose status is not touched), a child of the execution's parent (see `origin` for
what an execution is), a run of its own. The parent of an execution is found by its tag, and created by the
first step that asks. It is running while a child runs and takes over the child's status afterwards: under
`dvc repro` no step knows whether it is the last one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from autonad.errors import FaultyItems, cause_of
from autonad.tracking.destination import TrackingSettings
from autonad.tracking.runs.origin import execution_name, origin_tags
from autonad.tracking.runs.run import NullRun, Run
from autonad.tracking.tags import EXECUTION, FAILURE, FAULTS, STAGE


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

    The run ends as FINISHED (also when some items were faulty: tag `autonad.faults`), FAILED with the
    reason in the tag `autonad.failure`, or KILLED when it is interrupted.

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

    execution = execution or execution_name(environment)
    run = open_run(
        settings,
        name=stage,
        execution=execution,
        tags={STAGE: stage, **_given(EXECUTION, execution), **origin_tags(environment), **(tags or {})},
        parent_id=environment.get("AUTONAD_PARENT_RUN_ID") or None,
        run_id=environment.get("MLFLOW_RUN_ID") or None,
        warn=warn,
    )
    try:
        run.params(params or {})
        yield run
    except FaultyItems as faults:
        run.end("FINISHED", {FAULTS: cause_of(faults)})
        raise
    except KeyboardInterrupt:
        run.end("KILLED", {FAILURE: "interrupted"})
        raise
    except BaseException as error:
        run.end("FAILED", {FAILURE: f"{type(error).__name__}: {cause_of(error)}"})
        raise
    run.end("FINISHED", {})


def _given(name: str, value: str | None) -> dict[str, str]:
    return {} if value is None else {name: value}
