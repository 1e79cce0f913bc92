"""Run a compiled pipeline on this machine, through kfp.local: the same YAML that a cluster runs."""

from __future__ import annotations

import logging
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from kfp import components, local
from kfp.local.config import LocalExecutionConfig

from autonad.errors import PipelineError
from autonad.files import make_folder
from autonad.kubeflow.package import Package

LOG = "log.txt"
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class LocalRun:
    """A pipeline that ran here.

    Attributes:
        folder: That of the execution, whose name may have been used before.
        tasks: What this run left in it: a folder per task with its outputs; None if no task wrote anything.
    """

    folder: Path
    tasks: Path | None

    @property
    def summary(self) -> str | None:
        """What the registration says of the outcome; None if the pipeline has none."""
        found = sorted(self.tasks.glob("deliver*/summary")) if self.tasks is not None else []
        return found[0].read_text() if found else None


def run_local(
    package: Package,
    arguments: Mapping[str, Any],
    *,
    folder: Path,
    execution: str,
    image: str | None = None,
    retries: int = 0,
) -> LocalRun:
    """Run all tasks of a pipeline, one after another.

    Args:
        package: The pipeline.
        arguments: Values for its parameters; the others keep their defaults.
        folder: Folder for the tasks' outputs; what other executions left in it stays.
        execution: Names the execution in MLflow; takes the place of a cluster's run id.
        image: Run each task in a container of this image, through the Docker API; None runs them as processes
            of this Python.
        retries: Attempts after the first one of a task that trains. A cluster loses pods; here a task that
            fails would mostly fail again.

    Raises:
        PipelineError: A task failed; it is named. Or there is no container engine.
    """
    place = folder / execution
    runner: Any
    if image is None:
        runner = local.SubprocessRunner(use_venv=False)
    else:
        _check_engine(image)
        # The containers write into this user's folder, and reach servers of this machine.
        variables = {"KFP_RUN_ID": execution, "AUTONAD_IMAGE": image}
        runner = local.DockerRunner(
            network_mode="host", user=f"{os.getuid()}:{os.getgid()}", environment=variables
        )
        package = package.with_image(image)
    package = package.with_retries(retries).with_run_name(execution)
    make_folder(place)
    log, before = place / LOG, set(place.iterdir())
    with tempfile.TemporaryDirectory() as temporary, log.open("a") as file, _prepared(execution, file):
        path = Path(temporary) / "pipeline.yaml"
        package.save(path)
        local.init(
            runner,
            pipeline_root=str(place),
            workspace_root=str(Path(temporary) / "workspace"),
            enable_caching=False,
        )
        pipeline = components.load_component_from_file(str(path))
        try:
            pipeline(**package.arguments(dict(arguments)))
        except RuntimeError as error:
            raise PipelineError(
                f"{_failed_task(str(error))}; its reason is above, and on run {execution} in MLflow; "
                f"its whole output is in {log}. Mend it and repeat the command"
            ) from error
        except KeyboardInterrupt:
            _close_interrupted(package.defaults | dict(arguments), execution)
            raise
        finally:
            LocalExecutionConfig.instance = None
    new = sorted(path for path in set(place.iterdir()) - before if path.is_dir())
    return LocalRun(place, new[-1] if new else None)


def _close_interrupted(given: Mapping[str, Any], execution: str) -> None:
    """End the execution in MLflow, which the pipeline's last task does on a cluster."""
    from autonad.kubeflow.closing import close

    words = {"uri": given["mlflow_uri"], "experiment": given["experiment"], "name": execution}
    close(given["settings"], state="CANCELED", message="interrupted", **words)


@contextmanager
def _prepared(execution: str, log: TextIO) -> Iterator[None]:
    """The run's id in the environment of the tasks, and output as people want it."""
    before = os.environ.get("KFP_RUN_ID")
    os.environ["KFP_RUN_ID"] = execution
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    try:
        # It warns of all that only a cluster can do, and of an image that is not called python.
        with warnings.catch_warnings(), redirect_stdout(_Output(log, sys.stdout)):
            warnings.simplefilter("ignore")
            yield
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers
        if before is None:
            del os.environ["KFP_RUN_ID"]
        else:
            os.environ["KFP_RUN_ID"] = before


class _Output:
    """Everything into a log; to the terminal what tasks say, without what kfp says about itself."""

    def __init__(self, log: TextIO, terminal: TextIO) -> None:
        self._log, self._terminal = log, terminal
        self._line, self._silent = "", False

    def write(self, text: str) -> int:
        self._log.write(_COLOURS.sub("", text))
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            self._show(_COLOURS.sub("", line))
        return len(text)

    def flush(self) -> None:
        self._log.flush()
        self._terminal.flush()

    def isatty(self) -> bool:
        return False

    def _show(self, line: str) -> None:
        """One line of kfp's: its own messages begin with the time, those of tasks are indented."""
        if re.match(r"\d\d:\d\d:\d\d\.\d+ - ", line):
            self._silent = line.endswith(" outputs:")
            if started := re.search(r"Executing task '([^']+)'", line):
                print(f"── {started[1]}", file=self._terminal, flush=True)
        elif "[KFP Executor" in line:
            self._silent = "Got executor_input" in line
        elif not self._silent and line.startswith("    ") and line.strip():
            print(line[1:], file=self._terminal, flush=True)
        # The executor's input follows as JSON; its last line is a brace without further indentation.
        elif line == "    }":
            self._silent = False


def _failed_task(message: str) -> str:
    """From kfp's chain of tasks and folders to the innermost task."""
    plain = _COLOURS.sub("", message)
    match = re.search(r"Inner task failed: '([^']+)'", plain)
    return f"task {match[1]} failed" if match else plain


def _check_engine(image: str) -> None:
    import docker

    try:
        client = docker.from_env()
        client.ping()
        client.images.get(image)
    except docker.errors.ImageNotFound as error:
        raise PipelineError(
            f"there is no image {image} here; build it with `make image`, or pull it"
        ) from error
    except (docker.errors.DockerException, OSError) as error:
        raise PipelineError(
            "no container engine answers; start Docker, or `podman system service`, and set DOCKER_HOST to "
            "its socket"
        ) from error
