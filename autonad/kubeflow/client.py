"""Pipelines on a Kubeflow server: upload, run, schedule, list, wait."""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kfp_server_api
from kfp.client import Client, ServiceAccountTokenVolumeCredentials
from urllib3.exceptions import HTTPError

from autonad.errors import PipelineError, one_line, redact
from autonad.kubeflow.package import Package

ENDED = {"SUCCEEDED", "FAILED", "SKIPPED", "CANCELED", "ERROR"}
SECONDS_BETWEEN_LOOKS = 10.0


@dataclass(frozen=True)
class Access:
    """How to reach a server.

    Attributes:
        host: Its address; None uses the cluster that this runs in, or the one of the kubeconfig.
        namespace: Namespace of the user's profile, on a server with several users; None on one without.
        token: A token to present.
        cookies: A session cookie, such as Dex or OIDC sets after login ("authservice_session=…").
        in_cluster: Present the pod's service account token, made for Kubeflow Pipelines.
        ca_cert: File of the certificate authority, where the server's is a private one.
    """

    host: str | None = None
    namespace: str | None = None
    token: str | None = None
    cookies: str | None = None
    in_cluster: bool = False
    ca_cert: str | None = None


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


class _Client(Client):
    """The client, which asks a server that does not answer once, not five times with tracebacks."""

    def get_kfp_healthz(self, sleep_duration: int = 5) -> Any:
        return self._healthz_api.healthz_service_get_healthz()


class Kubeflow:
    """A server that is logged in to.

    Args:
        access: How.

    Raises:
        PipelineError: The server cannot be reached, or refuses.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        # The host is redacted: it may carry a password.
        credentials = ServiceAccountTokenVolumeCredentials() if access.in_cluster else None
        with self._explained():
            self._client = _Client(
                host=access.host,
                namespace=access.namespace or "kubeflow",
                existing_token=access.token,
                cookies=access.cookies,
                credentials=credentials,
                ssl_ca_cert=access.ca_cert,
            )

    def upload(self, package: Package, version: str) -> tuple[str, str]:
        """Add a pipeline, or a version of one that is there.

        Returns:
            Ids of pipeline and version.
        """
        with self._explained(), _file(package) as path:
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
        with self._explained(), _file(package) as path:
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
        with self._explained(), _file(package) as path:
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
        with self._explained():
            answer = self._client.list_runs(
                page_size=limit, sort_by="created_at desc", namespace=self._access.namespace
            )
        return [_info(run) for run in answer.runs or ()]

    def wait(
        self,
        run_id: str,
        *,
        timeout: float,
        tell: Callable[[str], None] = lambda line: None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> RunInfo:
        """Wait for a run to end.

        Args:
            run_id: Its id.
            timeout: How long at most, s.
            tell: Told each new state.
            sleep: Waits.
            clock: Seconds.

        Returns:
            The run, ended with success.

        Raises:
            PipelineError: It failed, was cancelled, or takes longer.
        """
        began, last = clock(), ""
        while True:
            with self._explained():
                found = _info(self._client.get_run(run_id))
            if found.state != last:
                tell(found.state.lower())
                last = found.state
            if found.state in ENDED:
                break
            if clock() - began > timeout:
                raise PipelineError(
                    f"run {run_id} is still {found.state.lower()} after {timeout:.0f} s; it goes on, wait "
                    "again with a larger --timeout"
                )
            sleep(SECONDS_BETWEEN_LOOKS)
        if found.state != "SUCCEEDED":
            raise PipelineError(
                f"run {run_id} ended as {found.state.lower()} {found.error}".rstrip()
                + "; the reason is on its run in MLflow and in the log of the failed task"
            )
        return found

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what the client raises into one clear line."""
        place = _shown(self._access.host)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except kfp_server_api.ApiException as error:
            if error.status in (401, 403):
                raise PipelineError(
                    f"Kubeflow at {place} refuses the login ({error.status}): the token or cookie is wrong "
                    "or has expired, or the namespace is not yours; log in again and set KFP_TOKEN or "
                    "KFP_COOKIES"
                ) from error
            if error.status == 404:
                raise PipelineError(
                    f"Kubeflow at {place} knows nothing of that ({_reason(error)}); check the id, and that "
                    "the address is the one of the pipelines' API, often https://HOST/pipeline"
                ) from error
            raise PipelineError(
                f"Kubeflow at {place} answers {error.status}: {_reason(error)}; correct the request, or ask "
                "its operator"
            ) from error
        except (HTTPError, OSError) as error:
            raise PipelineError(
                f"Kubeflow at {place} cannot be reached ({type(error).__name__}); check --host, the network "
                "and the port forwarding"
            ) from error
        except ValueError as error:
            raise PipelineError(f"Kubeflow at {place}: {one_line(error)}") from error


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


def _reason(error: Any) -> str:
    import json

    try:
        body = json.loads(error.body)
        return " ".join(str(body.get("error_message") or body.get("message") or body.get("error")).split())
    except (TypeError, ValueError, AttributeError):
        return str(error.reason)


def _shown(host: str | None) -> str:
    return redact(host, "") if host else "this cluster"
