"""A step's run on an MLflow server or store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from autonad.tracking.buffer import MetricBuffer, Point
from autonad.tracking.connection import (
    CONNECT,
    FAILURES,
    OFF,
    Metric,
    MlflowClient,
    Param,
    RunTag,
    check_sqlite,
    clear_failures,
    experiment_id,
    open_store,
    patient,
)
from autonad.tracking.digests import DIGEST_TAG, DIGESTS, digests
from autonad.tracking.names import check_names
from autonad.tracking.run import TrackingSettings
from autonad.tracking.values import MAX_TAG, flatten, key, one_line, text

PARENT_RUN = "mlflow.parentRunId"
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

    def bundle(self, files: Mapping[str, Path], tags: Mapping[str, str]) -> bool:
        """See `Run.bundle`."""
        listing, digest = digests(dict(files))
        texts = {key(name): text(value, MAX_TAG) for name, value in {**tags, DIGEST_TAG: digest}.items()}

        def send() -> None:
            with patient():
                for name, path in files.items():
                    folder = PurePosixPath(name).parent.as_posix()
                    self._client.log_artifact(self._run_id, str(path), None if folder == "." else folder)
                self._client.log_text(self._run_id, listing, DIGESTS)
            self._client.log_batch(self._run_id, tags=[RunTag(name, value) for name, value in texts.items()])

        return self._try(send)

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

    def _try(self, action: Callable[[], object]) -> bool:
        try:
            action()
            return True
        except FAILURES as error:
            if not self._warned:
                self._warned = True
                self._warn(
                    f"the tracking server does not take everything ({one_line(error)}); the work goes on, "
                    f"and run {self._run_id} will lack some of its tags or files"
                )
            return False


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
    check_sqlite(settings.uri)
    texts = {key(tag): text(value, MAX_TAG) for tag, value in tags.items()}
    own_parent = None
    with clear_failures(settings, f"{CONNECT}, or go without: {OFF}"):
        client = open_store(settings.uri)
        if run_id is not None:
            client.update_run(run_id, status="RUNNING")
            client.log_batch(run_id, tags=[RunTag(tag, value) for tag, value in texts.items()])
        else:
            experiment = experiment_id(client, settings)
            if parent_id is None and execution is not None:
                parent_id = own_parent = _parent(client, experiment, execution)
                client.update_run(own_parent, status="RUNNING")
            if parent_id is not None:
                texts[PARENT_RUN] = parent_id
            run_id = client.create_run(experiment, tags=texts, run_name=name).info.run_id
    return MlflowRun(client, run_id, parent_id=own_parent, unsent=settings.unsent, warn=warn)


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
