"""Around the step in a pod: its configuration, its console, one clear line when it fails."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from autonad.config import Config, parse_config
from autonad.config.context import Context
from autonad.console import open_console
from autonad.errors import AutonadError, FaultyItems
from autonad.steps.step import tracking_settings


@contextmanager
def task(stage: str, settings: str) -> Iterator[Context]:
    """Run a step as a task of a pipeline.

    A user's mistake becomes one line and an exit code. The parent run in MLflow, if the task is part of an
    execution, is told the reason of any failure.

    Args:
        stage: The step's verb.
        settings: The configuration as YAML.
    """
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    config = Config()
    try:
        config = parse_config(settings, source="the pipeline's parameters")
        with open_console() as screen:
            yield Context(config, console=screen)
    except FaultyItems as faults:
        print(f"note: {faults}", file=sys.stderr)
    except AutonadError as error:
        _tell_parent(config, stage, str(error))
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except Exception as error:
        _tell_parent(config, stage, f"{type(error).__name__}: {error}")
        raise


@contextmanager
def as_file(text: str) -> Iterator[Path]:
    """A text, such as a target's, as a file for a step that reads one."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "target.json"
        path.write_text(text)
        yield path


def copied(source: Any, output: Any) -> Path:
    """An input folder's files in an output folder, which the step may then change."""
    shutil.copytree(source.path, output.path, dirs_exist_ok=True)
    return Path(output.path)


def tracking_text(settings: str, uri: str, experiment: str) -> str:
    """Settings for a task that runs before they were checked: where runs are logged, and nothing else."""
    known = Config().tracking
    with suppress(AutonadError):
        known = parse_config(settings, source="settings").tracking
    entered = {"uri": uri or known.uri, "experiment": experiment or known.experiment}
    return yaml.safe_dump({"tracking": {**entered, "enabled": known.enabled}})


def _tell_parent(config: Config, stage: str, reason: str) -> None:
    from autonad.tracking.runs.origin import execution_of
    from autonad.tracking.runs.parents import record_failure

    execution = execution_of(os.environ)
    if execution is None or not config.tracking.enabled:
        return
    with suppress(AutonadError):  # The failure itself is what the user must see.
        record_failure(tracking_settings(config), execution, f"{stage}: {reason}")
