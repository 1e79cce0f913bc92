"""Around the step in a pod: its configuration, its console, one clear line when it fails."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import yaml

from autonad.config import Config, parse_config
from autonad.config.context import Context
from autonad.console import open_console, with_paths
from autonad.errors import AutonadError
from autonad.steps.prepare import CONFIG, TARGET
from autonad.steps.step import tell_execution
from autonad.tracking.runs.origin import NAME_VARIABLE


@contextmanager
def task(stage: str, request: Path | str) -> Iterator[Context]:
    """Run a step as a task of a pipeline.

    A user's mistake becomes one line and an exit code. The parent run in MLflow, if the task is part of an
    execution, is told the reason of any failure. Kubernetes asks a task to end with SIGTERM, which is to the
    step what Ctrl-C is.

    Args:
        stage: The step's verb.
        request: Folder that the first task wrote the configuration to; or the configuration as YAML.
    """
    config = Config()
    _end_on_sigterm()
    try:
        text = request if isinstance(request, str) else (request / CONFIG).read_text()
        config = parse_config(text, source="the pipeline's parameters")
        with open_console() as screen:
            yield Context(config, console=screen)
    except AutonadError as error:
        tell_execution(Context(config), f"{stage}: {error}")
        print(f"error: {with_paths(str(error))}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print(f"error: {stage} was asked to end", file=sys.stderr)
        sys.exit(128 + signal.SIGTERM)
    except Exception as error:
        tell_execution(Context(config), f"{stage}: {type(error).__name__}: {error}")
        raise


@contextmanager
def first_task(stage: str, entered: Mapping[str, Any], run_name: str) -> Iterator[Context]:
    """Run the first task, which knows only what was entered: where runs are logged, what the run is called.

    Args:
        stage: The step's verb.
        entered: The form.
        run_name: What people call the pipeline's run.
    """
    os.environ[NAME_VARIABLE] = run_name
    with task(
        stage, tracking_text(entered["settings"], entered["mlflow_uri"], entered["experiment"])
    ) as context:
        yield context


def target_of(request: Any) -> Path:
    """File of the target, among what the first task wrote."""
    return Path(request.path) / TARGET


def num_classes_of(request: Any) -> int:
    """Classes of the dataset, background included, as the first task found them."""
    from autonad.data.dataset import read_about

    return len(read_about(Path(request.path))["classes"])


def if_filled(artifact: Any) -> Path | None:
    """The folder of an artifact; None if it is empty, because a component's inputs are never optional."""
    path = Path(artifact.path)
    return path if path.is_dir() and any(path.iterdir()) else None


def paths(artifacts: Mapping[str, Any]) -> dict[str, Path]:
    """Where artifacts lie."""
    return {name: Path(artifact.path) for name, artifact in artifacts.items()}


def _end_on_sigterm() -> None:
    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, end)


def tracking_text(settings: str, uri: str, experiment: str) -> str:
    """Settings for a task that runs before they were checked: where runs are logged, and nothing else."""
    known = Config().tracking
    with suppress(AutonadError):
        known = parse_config(settings, source="settings").tracking
    entered = {"uri": uri or known.uri, "experiment": experiment or known.experiment}
    return yaml.safe_dump({"tracking": {**entered, "enabled": known.enabled}})
