"""Pipelines on a Kubeflow server: upload, run, schedule, list, wait."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autonad.errors import PipelineError
from autonad.kubeflow.access import Access
from autonad.kubeflow.package import Package

ENDED = {"SUCCEEDED", "FAILED", "SKIPPED", "CANCELED", "ERROR"}
SECONDS_BETWEEN_LOOKS = 10.0


@dataclass(frozen=True)
class RunInfo:
    """A run on the server.

    Attributes:
        run_id: Its id; the execution's name in MLflow.
        name: What it is called.
        state: "RUNNING", "SUCCEEDED", "FAILED" and others.
        created: When it was made, as text.
        error: What the server says about a failure.
    """

    run_id: str
    name: str
    state: str
    created: str
    error: str


class Kubeflow:
    """A server that is logged in to.

    Args:
        access: How.

    Raises:
        PipelineError: The server cannot be reached, or refuses.
    """

    def __init__(self, access: Access) -> None:
        self._access, self._client = access, access.log_in()

    def upload(self, package: Package, version: str) -> tuple[str, str]:
        """Add a pipeline, or a version of one that is there.

        Returns:
            Ids of pipeline and version.
        """
        with self._access.explained(), _file(package) as path:
            pipeline = self._client.get_pipeline_id(package.name)
            if pipeline is None:
                made = self._client.upload_pipeline(
                    path, pipeline_name=package.name, namespace=self._access.namespace
                )
                pipeline = made.pipeline_id
            added = self._client.upload_pipeline_version(path, version, pipeline_id=pipeline)
            return str(pipeline), str(added.pipeline_version_id)

    def run(self, package: Package, arguments: Mapping[str, Any], *, name: str, experiment: str) -> str:
        """Start a run; returns its id."""
        given = package.arguments(dict(arguments))
        with self._access.explained(), _file(package) as path:
            started = self._client.create_run_from_pipeline_package(
                path,
                arguments=given,
                run_name=name,
                experiment_name=experiment,
                namespace=self._access.namespace,
            )
            return str(started.run_id)

    def schedule(
        self, package: Package, arguments: Mapping[str, Any], *, name: str, experiment: str, cron: str
    ) -> str:
        """Start a run again and again, never two at a time.

        Args:
            package: The pipeline.
            arguments: Values for its parameters.
            name: What the schedule is called.
            experiment: The experiment of its runs.
            cron: When: second, minute, hour, day of the month, month, day of the week.

        Returns:
            Id of the schedule.
        """
        given = package.arguments(dict(arguments))
        if len(cron.split()) not in (5, 6):
            raise PipelineError(
                f"schedule {cron!r} has {len(cron.split())} fields; write five or six: (second,) minute, "
                'hour, day of the month, month, day of the week, such as "0 4 * * 1"'
            )
        # Kubeflow wants seconds first; people write five fields.
        expression = cron if len(cron.split()) == 6 else f"0 {cron}"
        with self._access.explained(), _file(package) as path:
            found = self._client.create_experiment(experiment, namespace=self._access.namespace)
            made = self._client.create_recurring_run(
                found.experiment_id,
                name,
                cron_expression=expression,
                max_concurrency=1,
                no_catchup=True,
                pipeline_package_path=path,
                params=given,
            )
            return str(made.recurring_run_id)

    def runs(self, limit: int = 20) -> list[RunInfo]:
        """Runs on the server, newest first."""
        with self._access.explained():
            answer = self._client.list_runs(
                page_size=limit, sort_by="created_at desc", namespace=self._access.namespace
            )
        return [_info(run) for run in answer.runs or ()]

    def wait(
        self, run_id: str, *, timeout: float, tell: Callable[[str], None] = lambda line: None
    ) -> RunInfo:
        """Wait for a run to end.

        Args:
            run_id: Its id.
            timeout: How long at most, s.
            tell: Told each new state.

        Returns:
            The run, ended with success.

        Raises:
            PipelineError: It failed, was cancelled, or takes longer.
        """
        began, last = time.monotonic(), ""
        while True:
            with self._access.explained():
                found = _info(self._client.get_run(run_id))
            if found.state != last:
                tell(found.state.lower())
                last = found.state
            if found.state in ENDED:
                break
            if time.monotonic() - began > timeout:
                raise PipelineError(
                    f"run {run_id} is still {found.state.lower()} after {timeout:.0f} s; it goes on, wait "
                    "again with a larger --timeout"
                )
            time.sleep(SECONDS_BETWEEN_LOOKS)
        if found.state != "SUCCEEDED":
            raise PipelineError(
                f"run {run_id} ended as {found.state.lower()} {found.error}".rstrip()
                + "; the reason is on its run in MLflow and in the log of the failed task"
            )
        return found


@contextmanager
def _file(package: Package) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pipeline.yaml"
        package.save(path)
        yield str(path)


def _info(run: Any) -> RunInfo:
    error = getattr(run.error, "message", "") if run.error else ""
    return RunInfo(
        str(run.run_id),
        str(run.display_name),
        str(run.state or "PENDING"),
        str(run.created_at or ""),
        error or "",
    )
