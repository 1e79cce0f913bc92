"""Runs on an MLflow server or store. The only module that imports mlflow."""

from __future__ import annotations

import os
import re
import sqlite3
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from autonad.errors import TrackingError
from autonad.tracking.buffer import MetricBuffer, Point
from autonad.tracking.names import check_names
from autonad.tracking.run import TrackingSettings
from autonad.tracking.values import MAX_TAG, flatten, key, one_line, redact, text

# Set where the user has not: no telemetry, no chatter, and an answer within seconds.
for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}.items():
    os.environ.setdefault(_name, _value)

from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import Metric, Param, RunTag  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402
from sqlalchemy.exc import SQLAlchemyError  # noqa: E402

# requests' exceptions are OSErrors.
FAILURES: tuple[type[Exception], ...] = (MlflowException, SQLAlchemyError, OSError)
PARENT_RUN = "mlflow.parentRunId"
# Without it the user interface shows an experiment as one of language models, with traces and no runs.
KIND = "mlflow.experimentKind"
ROLE, PARENT = "autonad.role", "parent"
EXECUTION = "autonad.execution"


class MlflowRun:
    """A `Run` on a server; made by `open_run`."""

    def __init__(
        self,
        client: MlflowClient,
        run_id: str,
        *,
        parent_id: str | None,
        unsent: Path,
        warn: Callable[[str], None],
    ) -> None:
        self._client, self._run_id, self._parent_id, self._warn = client, run_id, parent_id, warn
        self._warned = False
        self._metrics = MetricBuffer(
            self._send, failures=FAILURES, spill=unsent / f"{run_id}.jsonl", warn=warn
        )

    @property
    def id(self) -> str | None:
        """MLflow's run id."""
        return self._run_id

    def log(self, metrics: Mapping[str, float | None], step: int = 0) -> None:
        """See `Run.log`."""
        check_names(metrics)
        self._metrics.add({name: value for name, value in metrics.items() if value is not None}, step)

    def params(self, values: Mapping[str, Any]) -> None:
        """See `Run.params`."""
        new = {key(name): text(value) for name, value in flatten(values).items()}
        self._try(lambda: self._send_params(new))

    def tag(self, name: str, value: object) -> None:
        """See `Run.tag`."""
        self._try(lambda: self._client.set_tag(self._run_id, key(name), text(value, MAX_TAG)))

    def artifact(self, path: Path, folder: str | None = None) -> None:
        """See `Run.artifact`."""
        self._try(lambda: self._client.log_artifact(self._run_id, str(path), folder))

    def artifacts(self, path: Path, folder: str | None = None) -> None:
        """See `Run.artifacts`."""
        self._try(lambda: self._client.log_artifacts(self._run_id, str(path), folder))

    def end(self, status: str, tags: Mapping[str, str]) -> None:
        """Send what waits, and set the status of the run and of the parent that it keeps."""
        self._metrics.flush(final=True)
        for name, value in tags.items():
            self.tag(name, value)
        for run_id in (self._run_id, self._parent_id):
            if run_id is not None:
                self._try(lambda run_id=run_id: self._client.set_terminated(run_id, status))  # type: ignore[misc]

    def _send(self, points: Sequence[Point]) -> None:
        for start in range(0, len(points), 1000):  # MLflow's limit per request
            metrics = [Metric(p.name, p.value, p.timestamp_ms, p.step) for p in points[start : start + 1000]]
            self._client.log_batch(self._run_id, metrics=metrics)

    def _send_params(self, new: Mapping[str, str]) -> None:
        # A continued run has parameters already, and MLflow refuses to change one: the first value stays.
        old = self._client.get_run(self._run_id).data.params if new else {}
        changed = sorted(name for name in new.keys() & old.keys() if new[name] != old[name])
        if changed:
            self._warn(
                f"run {self._run_id} was started with other values of {', '.join(changed)}; it keeps them"
            )
        fresh = [Param(name, value) for name, value in new.items() if name not in old]
        for start in range(0, len(fresh), 100):  # MLflow's limit per request
            self._client.log_batch(self._run_id, params=fresh[start : start + 100])

    def _try(self, action: Callable[[], object]) -> None:
        try:
            action()
        except FAILURES as error:
            if not self._warned:
                self._warned = True
                self._warn(
                    f"the tracking server does not take everything ({one_line(error)}); the work goes on, "
                    f"and run {self._run_id} will lack some of its tags or files"
                )


def open_run(
    settings: TrackingSettings,
    *,
    name: str,
    execution: str | None,
    tags: Mapping[str, object],
    parent_id: str | None,
    run_id: str | None,
    warn: Callable[[str], None],
) -> MlflowRun:
    """Start or continue a run; see `autonad.tracking.track`.

    Raises:
        TrackingError: The server or store cannot be used.
    """
    _check_sqlite(settings.uri)
    texts = {key(tag): text(value, MAX_TAG) for tag, value in tags.items()}
    own_parent = None
    try:
        client = _connect(settings.uri)
        if run_id is not None:
            client.update_run(run_id, status="RUNNING")
            client.log_batch(run_id, tags=[RunTag(tag, value) for tag, value in texts.items()])
        else:
            experiment = _experiment(client, settings)
            if parent_id is None and execution is not None:
                parent_id = own_parent = _parent(client, experiment, execution)
                client.update_run(own_parent, status="RUNNING")
            if parent_id is not None:
                texts[PARENT_RUN] = parent_id
            run_id = client.create_run(experiment, tags=texts, run_name=name).info.run_id
    except FAILURES as error:
        raise TrackingError(
            f"MLflow at {redact(settings.uri)} cannot be used ({one_line(error)}); start the server, correct "
            "tracking.uri, or go without: --set tracking.enabled=false"
        ) from error
    return MlflowRun(client, run_id, parent_id=own_parent, unsent=settings.unsent, warn=warn)


def _connect(uri: str) -> MlflowClient:
    """A client whose store is open."""
    # Opening a store makes MLflow load its tables, and its libraries complain about one another.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
        return client


def _experiment(client: MlflowClient, settings: TrackingSettings) -> str:
    """Id of the experiment, created if need be."""
    found = client.get_experiment_by_name(settings.experiment)
    if found is not None:
        return found.experiment_id
    # Beside the database; MLflow's default depends on the working folder of whoever creates the experiment.
    path = _sqlite_path(settings.uri)
    location = None if path is None else (path.parent / "mlruns" / key(settings.experiment)).as_uri()
    try:
        return client.create_experiment(
            settings.experiment, artifact_location=location, tags={KIND: "custom_model_development"}
        )
    except MlflowException:
        found = client.get_experiment_by_name(settings.experiment)
        if found is None:
            raise
        return found.experiment_id  # another step was quicker


def _parent(client: MlflowClient, experiment: str, execution: str) -> str:
    """Run id of an execution's parent, created if need be; of two created at once the older one stays."""
    name = key(execution)
    query = f"tags.`{EXECUTION}` = '{name}' AND tags.`{ROLE}` = '{PARENT}'"

    def find() -> list[str]:
        runs = client.search_runs([experiment], query, order_by=["attributes.start_time ASC"])
        runs = sorted(runs, key=lambda run: (run.info.start_time, run.info.run_id))
        return [run.info.run_id for run in runs]

    for known in find():
        return known
    created = client.create_run(experiment, tags={EXECUTION: name, ROLE: PARENT}, run_name=name).info.run_id
    first = (find() or [created])[0]
    if first != created:
        client.delete_run(created)
    return first


def _sqlite_path(uri: str) -> Path | None:
    match = re.fullmatch(r"sqlite:///([^?]+)(\?.*)?", uri)
    return Path(match[1]).resolve() if match and match[1] != ":memory:" else None


def _check_sqlite(uri: str) -> None:
    """Find out now that a database file cannot be used: MLflow would try for minutes."""
    path = _sqlite_path(uri)
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=10)
        try:
            connection.executescript("BEGIN IMMEDIATE; ROLLBACK")
        finally:
            connection.close()
    except (OSError, sqlite3.Error) as error:
        raise TrackingError(
            f"the tracking database {path} cannot be used ({one_line(error)}); choose a writable place in "
            "tracking.uri, move a damaged file away, or go without: --set tracking.enabled=false"
        ) from error
