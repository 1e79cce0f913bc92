"""Pipelines on a Kubeflow server: upload, run, schedule, list, wait."""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from urllib3.exceptions import HTTPError

from autonad.errors import PipelineError
from autonad.kubeflow.access import Access
from autonad.kubeflow.package import Package
from autonad.kubeflow.workflow import Workflow, last_error, short
from autonad.reading.bounds import LARGEST_JSON, Unreadable, folded, parse_json
from autonad.reading.shape_checks import Shape, check_shape

OLDEST = (2, 16)  # knows security contexts, which the tasks ask for
ENDED = {"SUCCEEDED", "FAILED", "SKIPPED", "CANCELED", "ERROR"}
SECONDS_BETWEEN_LOOKS = 10.0
_LONGEST_NAME = 100  # characters of what a server calls something
# Two that make the same experiment at the same moment: one of them is told so, and finds it a moment later.
ATTEMPTS, SECONDS_BETWEEN_ATTEMPTS = 5, 1.0


@dataclass(frozen=True)
class RunInfo:
    """A run on the server.

    Attributes:
        run_id: Its id; the execution's name in MLflow.
        name: What it is called.
        state: "RUNNING", "SUCCEEDED", "FAILED" and others.
        created: When it was made, as text.
        error: What the server says about a failure.
        terminated: Whether somebody asked it to end.
        now: What is going on in it, where the server tells.
    """

    run_id: str
    name: str
    state: str
    created: str
    error: str
    terminated: bool
    now: str = ""


class Kubeflow:
    """A server that is logged in to.

    Args:
        access: How.

    Raises:
        PipelineError: The server cannot be reached, refuses, or is too old.
    """

    def __init__(self, access: Access) -> None:
        self._access, self._client = access, access.log_in()
        self._check_version()

    def upload(self, package: Package, version: str) -> tuple[str, str]:
        """Add a pipeline, or a version of one that is there.

        Returns:
            Ids of pipeline and version.
        """
        with self._access.explained(), _file(package) as path:
            pipeline = self._pipeline(package.name)
            if pipeline is None:
                pipeline = self._client.upload_pipeline(
                    path,
                    pipeline_name=package.name,
                    description=package.summary,
                    namespace=self._access.namespace,
                ).pipeline_id
            added = self._client.upload_pipeline_version(
                path, version, pipeline_id=pipeline, description=package.description
            )
            return str(pipeline), str(added.pipeline_version_id)

    def run(self, package: Package, arguments: Mapping[str, Any], *, name: str, experiment: str) -> str:
        """Start a run; returns its id."""
        given = package.arguments(dict(arguments))
        with self._access.explained(), _file(package) as path:
            started = self._client.run_pipeline(
                self._experiment(experiment), name, pipeline_package_path=path, params=given
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
            made = self._client.create_recurring_run(
                self._experiment(experiment),
                name,
                cron_expression=expression,
                max_concurrency=1,
                no_catchup=True,
                pipeline_package_path=path,
                params=given,
            )
            return str(made.recurring_run_id)

    def runs(self, limit: int = 20) -> list[RunInfo]:
        """Runs on the server, newest first; of those that go on what they do or wait for."""
        with self._access.explained():
            answer = self._client.list_runs(
                page_size=limit, sort_by="created_at desc", namespace=self._access.namespace
            )
            found = [_info(run) for run in answer.runs or ()]
        return [
            one if one.state in ENDED else replace(one, now=self.workflow(one.run_id).now) for one in found
        ]

    def workflow(self, run_id: str) -> Workflow:
        """A run's pods; empty where the server does not tell."""
        answer = self._ask(f"/apis/v1beta1/runs/{run_id}")
        try:
            return Workflow.of(str(parse_json(answer)["pipeline_runtime"]["workflow_manifest"]))
        except (ValueError, KeyError, TypeError):
            return Workflow()

    def caution(self, run_id: str) -> str:
        """What is to be known of the cluster that has taken a run; empty if there is nothing."""
        for _ in range(ATTEMPTS):
            found = self.workflow(run_id)
            if found.known:
                break
            time.sleep(SECONDS_BETWEEN_ATTEMPTS)
        if not found.known or found.retry_policy in ("OnError", "Always"):
            return ""
        return (
            "this cluster's workflow controller has no retryPolicy OnError or Always in its "
            "workflowDefaults, so a task whose pod is lost is not repeated, and one that ends with a mistake "
            "is; docs/kubeflow.md says where to set it"
        )

    def reason(self, run_id: str) -> str:
        """Why a run failed: which task, and the last error in its log; as much of it as the server tells."""
        for pod in self.workflow(run_id).failed:
            query = {
                "podname": pod.name,
                "runid": run_id,
                "podnamespace": self._access.namespace or "kubeflow",
            }
            said = last_error(self._ask(f"/k8s/pod/logs?{urlencode(query)}")) or short(pod.message)
            return f"{pod.task}: {said}"
        return ""

    def wait(
        self, run_id: str, *, timeout: float, tell: Callable[[str], None] = lambda line: None
    ) -> RunInfo:
        """Wait for a run to end.

        Args:
            run_id: Its id.
            timeout: How long at most, s.
            tell: Told each new state, and what is going on.

        Returns:
            The run, ended with success.

        Raises:
            PipelineError: It failed and why, was terminated, or takes longer.
        """
        began, last = time.monotonic(), ""
        while True:
            with self._access.explained():
                found = _info(self._client.get_run(run_id))
            ended = found.state in ENDED
            now = "" if ended else self.workflow(run_id).now
            said = found.state.lower() + (f": {now}" if now else "")
            if said != last:
                tell(said)
                last = said
            if ended:
                break
            if time.monotonic() - began > timeout:
                raise PipelineError(
                    f"after {timeout:.0f} s run {run_id} is still {said}; it goes on: wait again with a "
                    "larger --timeout, or terminate it in the interface"
                )
            time.sleep(SECONDS_BETWEEN_LOOKS)
        if found.terminated:
            raise PipelineError(
                f"run {run_id} was terminated; start it again, it goes on from its checkpoints"
            )
        if found.state != "SUCCEEDED":
            reason = self.reason(run_id) or found.error
            raise PipelineError(
                f"run {run_id} ended as {found.state.lower()}"
                + (f": {reason}" if reason else "; the page of its task close-run says why")
            )
        return found

    def _check_version(self) -> None:
        """Make sure that the server understands the pipelines; one that hides its version is believed.

        Raises:
            PipelineError: It is too old.
        """
        try:
            told = check_shape(parse_json(self._ask("/apis/v1beta1/healthz")), Shape)
        except Unreadable:
            return
        version = folded(str(told.get("tag_name") or told.get("apiServerTagName") or ""), _LONGEST_NAME)
        found = re.match(r"v?(\d{1,9})\.(\d{1,9})", version)
        if found and (int(found[1]), int(found[2])) < OLDEST:
            raise PipelineError(
                f"this is Kubeflow Pipelines {version}, and the pipelines need {OLDEST[0]}.{OLDEST[1]} or "
                "newer (docs/kubeflow.md says for what); upgrade it, or use `autonad pipeline run --local`"
            )

    def _experiment(self, name: str) -> str:
        """Id of an experiment, made if need be."""
        import kfp_server_api

        for attempt in range(ATTEMPTS):
            try:
                found = self._client.create_experiment(name, namespace=self._access.namespace)
                return str(found.experiment_id)
            except kfp_server_api.ApiException as error:
                if error.status != 409 or attempt == ATTEMPTS - 1:
                    raise
                time.sleep(SECONDS_BETWEEN_ATTEMPTS)
        raise AssertionError("the last attempt returns or raises")

    def _pipeline(self, name: str) -> str | None:
        """Id of a pipeline of this name, in the user's namespace where there are several."""
        wanted = {"predicates": [{"operation": "EQUALS", "key": "name", "stringValue": name}]}
        answer = self._client.list_pipelines(
            namespace=self._access.namespace, filter=json.dumps(wanted), page_size=10
        )
        found = [one.pipeline_id for one in answer.pipelines or () if name in (one.display_name, one.name)]
        return str(found[0]) if found else None

    def _ask(self, path: str) -> str:
        """A plain question to the server; empty if it has no answer."""
        import kfp_server_api

        api = self._client._run_api.api_client
        try:
            answer = api.call_api(
                path,
                "GET",
                header_params={"Accept": "*/*"},
                auth_settings=["Bearer"],
                _preload_content=False,
                _return_http_data_only=True,
            )
            return bytes(answer.read(LARGEST_JSON)).decode(errors="replace")
        except (kfp_server_api.ApiException, HTTPError, OSError, ValueError):
            return ""


@contextmanager
def _file(package: Package) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pipeline.yaml"
        package.save(path)
        yield str(path)


def _info(run: Any) -> RunInfo:
    """What is said of a run; names and messages of a server as lines that can be printed."""
    error = getattr(run.error, "message", "") if run.error else ""
    states = {str(one.state) for one in run.state_history or ()}
    return RunInfo(
        folded(str(run.run_id), _LONGEST_NAME),
        folded(str(run.display_name), _LONGEST_NAME),
        folded(str(run.state or "PENDING"), _LONGEST_NAME),
        folded(str(run.created_at or ""), _LONGEST_NAME),
        folded(str(error or "")),
        bool(states & {"CANCELING", "CANCELED"}),
    )
