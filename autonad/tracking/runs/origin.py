"""Where a run comes from: the execution that it is part of, code, image and orchestrator.

An execution is named by the first that applies:

1. `--execution NAME` or `AUTONAD_EXECUTION`;
2. under `dvc repro`: the invocation. DVC tells a stage its name (`DVC_STAGE`) but not which invocation it is
   part of, so that is found among the ancestors of the process: the first one without `DVC_STAGE` is DVC
   itself, and its process id and start name the invocation;
3. on Kubeflow: `KFP_RUN_ID`, shown under the name of the pipeline run, `AUTONAD_RUN_NAME`.

Kubeflow says itself how an execution ends, so its steps leave the parent's status alone; elsewhere no step
knows whether it is the last one, and the parent follows them.
"""

from __future__ import annotations

import datetime
import hashlib
import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from autonad.data.dvc_user import user_name
from autonad.tracking.tags import (
    DVC_STAGE,
    GIT_SHA,
    IMAGE,
    KFP_RUN,
    KFP_URL,
    SOURCE_COMMIT,
    SOURCE_NAME,
    SOURCE_TYPE,
    USER,
)

STAGE_VARIABLE = "DVC_STAGE"
EXPERIMENT_VARIABLE = "DVC_EXP_NAME"
NAME_VARIABLE = "AUTONAD_RUN_NAME"

# Environment variable → tag. Whoever builds the image or submits the pipeline sets them.
FROM_ENVIRONMENT = {
    "AUTONAD_GIT_SHA": GIT_SHA,
    "AUTONAD_IMAGE": IMAGE,
    "KFP_RUN_ID": KFP_RUN,
    "KFP_RUN_URL": KFP_URL,
    STAGE_VARIABLE: DVC_STAGE,
}


@dataclass(frozen=True)
class Execution:
    """Steps that belong together.

    Attributes:
        name: What they are found by; never changes.
        title: What people call it.
        closed_by_orchestrator: Whether somebody else says how it ends, once, after its last step.
        run_id: Its run in MLflow where the orchestrator has made one, whose status is then left alone; None
            where the steps make it.
    """

    name: str
    title: str
    closed_by_orchestrator: bool = False
    run_id: str | None = None


def origin_tags(environment: Mapping[str, str]) -> dict[str, str]:
    """Tags that say where a run comes from; what is not known is left out."""
    tags = {tag: environment[name] for name, tag in FROM_ENVIRONMENT.items() if environment.get(name)}
    if GIT_SHA not in tags and (sha := git_sha()) is not None:
        tags[GIT_SHA] = sha
    return tags


def interface_tags(stage: str, git_sha: str | None) -> dict[str, str]:
    """What MLflow's user interface shows as a run's source, version and creator."""
    tags = {SOURCE_NAME: f"autonad {stage}", SOURCE_TYPE: "LOCAL"}
    if git_sha is not None:
        tags[SOURCE_COMMIT] = git_sha
    tags[USER] = user_name()
    return tags


def execution_of(environment: Mapping[str, str], name: str | None = None) -> Execution | None:
    """The execution that a step is part of; None for a step that was started by hand.

    Args:
        environment: Where an orchestrator says what it runs.
        name: As a person gave it; counts before all else.
    """
    if not name and environment.get(STAGE_VARIABLE):
        name = dvc_invocation(environment)
        return None if name is None else Execution(name, name)
    run = environment.get("KFP_RUN_ID")
    if name or not run:
        return Execution(name, name) if name else None
    return Execution(
        run,
        environment.get(NAME_VARIABLE) or run,
        closed_by_orchestrator=True,
        run_id=environment.get("MLFLOW_RUN_ID") or None,
    )


def dvc_invocation(environment: Mapping[str, str]) -> str | None:
    """A name of the running `dvc repro`, for example "dvc-20250601-101500-3f2a"; None if DVC is not found."""
    import psutil

    try:
        for process in psutil.Process().parents():
            if STAGE_VARIABLE not in process.environ():
                started = process.create_time()
                unique = (platform.node(), environment.get("DVC_ROOT"), process.pid, started)
                digest = hashlib.sha256(repr(unique).encode()).hexdigest()[:4]
                when = datetime.datetime.fromtimestamp(started, datetime.UTC)
                return f"dvc-{when:%Y%m%d-%H%M%S}-{digest}"
    except (psutil.Error, OSError):
        pass
    return None


def dvc_experiment(environment: Mapping[str, str] = os.environ) -> str | None:
    """Name of the experiment that `dvc exp run` makes; None under `dvc repro` and without DVC."""
    return environment.get(EXPERIMENT_VARIABLE) or None


def git_sha() -> str | None:
    """Commit of the repository around the working folder; None outside of one or without git."""
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()
