"""A step's run on an MLflow server or store."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from autonad.errors import cause_of
from autonad.tracking.checksums import DIGESTS, digests
from autonad.tracking.connection import FAILURES, MlflowClient, Param, RunTag, patient
from autonad.tracking.destination import TrackingSettings
from autonad.tracking.names import check_names
from autonad.tracking.runs.dataset_facts import DatasetFacts
from autonad.tracking.runs.machine_load import MachineLoad
from autonad.tracking.runs.metric_queue import MetricBuffer, MetricSender, Point
from autonad.tracking.runs.parents import Ended, Parent, after_refusal, after_step
from autonad.tracking.runs.unsent import END, TAG, keep, replay, send_points
from autonad.tracking.tags import DIGEST_TAG, FAILURE, HEADLINE, NOTE, RED_FLAGS
from autonad.tracking.values import MAX_TAG, flatten, key, text


class MlflowRun:
    """A `Run` on a server; made by `opening.open_run`."""

    def __init__(
        self,
        client: MlflowClient,
        run_id: str,
        *,
        stage: str,
        parent: Parent | None,
        settings: TrackingSettings,
        warn: Callable[[str], None],
    ) -> None:
        self._client, self._run_id, self._parent, self._warn = client, run_id, parent, warn
        self._stage, self._unsent = stage, settings.unsent
        self._warned = self._has_files = False
        self._last: dict[str, float] = {}
        buffer = MetricBuffer(
            self._send, failures=FAILURES, spill=settings.unsent / f"{run_id}.jsonl", warn=warn
        )
        self._metrics = MetricSender(buffer)
        self._system = None
        if settings.system_seconds is not None:
            self._system = MachineLoad(self._metrics.add, settings.system_seconds)

    @property
    def id(self) -> str | None:
        """MLflow's run id."""
        return self._run_id

    def log(self, metrics: Mapping[str, float | None], step: int = 0) -> None:
        """See `Run.log`."""
        check_names(metrics)
        known = {name: float(value) for name, value in metrics.items() if value is not None}
        self._last |= known
        self._metrics.add(known, step)

    def params(self, values: Mapping[str, Any]) -> None:
        """See `Run.params`."""
        new = {key(name): text(value) for name, value in flatten(values).items()}
        self._try(lambda: self._send_params(new))

    def tag(self, name: str, value: object) -> None:
        """See `Run.tag`."""
        self._tags({name: value})

    def headline(self, line: str, red_flags: Sequence[str] = ()) -> None:
        """See `Run.headline`."""
        note = "\n".join([*(f"- **{flag}**" for flag in red_flags), *([""] if red_flags else []), line])
        self._tags({HEADLINE: line, NOTE: note, **({RED_FLAGS: "\n".join(red_flags)} if red_flags else {})})

    def dataset(self, data: DatasetFacts, context: str) -> None:
        """See `Run.dataset`."""
        given = [data.as_input(context)]
        self._try(lambda: self._client.log_inputs(self._run_id, given))
        if self._parent is not None and self._parent.execution is not None:  # the list of executions shows it
            parent = self._parent.run_id
            self._try(lambda: self._client.log_inputs(parent, given))
        self._tags(data.tags)

    def text(self, content: str, name: str) -> None:
        """See `Run.text`."""
        self._has_files = True
        self._try(lambda: self._client.log_text(self._run_id, content, name))

    def artifact(self, path: Path) -> None:
        """See `Run.artifact`."""
        self._has_files = True
        self._try(lambda: self._client.log_artifact(self._run_id, str(path)))

    def artifacts(self, path: Path, folder: str | None = None) -> None:
        """See `Run.artifacts`."""
        self._has_files = True
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
        """Send what waits, set the run's status, and show on the parent what the step found."""
        if self._system is not None:
            self._system.close()
        self._metrics.close()
        self._tags(tags)
        if not self._try(lambda: self._client.set_terminated(self._run_id, status)):
            self._later({END: status, "at": time.time_ns() // 1_000_000})
        elif self._unsent.is_dir():
            replay(self._client, self._unsent, self._warn, self._run_id)
        parent, ended = self._parent, Ended(self._run_id, self._stage, status, tags.get(FAILURE, ""))
        if parent is not None:
            self._try(lambda: after_step(self._client, parent, ended, self._last))

    @property
    def is_empty(self) -> bool:
        """Whether the step has logged neither figures nor files."""
        return not self._last and not self._has_files

    def discard(self) -> None:
        """Take the run back, and its parent if that has no other step."""
        if self._system is not None:
            self._system.close()
        self._metrics.close()
        client, run_id, parent = self._client, self._run_id, self._parent
        if not self._try(lambda: client.delete_run(run_id)):
            self.end("FAILED", {})
        elif parent is not None:
            self._try(lambda: after_refusal(client, parent))

    def _send(self, points: Sequence[Point]) -> None:
        send_points(self._client, self._run_id, list(points))

    def _tags(self, tags: Mapping[str, object]) -> None:
        """Set tags in one request; what the server does not take is kept."""
        texts = {key(name): text(value, MAX_TAG) for name, value in tags.items()}
        batch = [RunTag(name, value) for name, value in texts.items()]
        if batch and not self._try(lambda: self._client.log_batch(self._run_id, tags=batch)):
            for name, value in texts.items():
                self._later({TAG: name, "value": value})

    def _later(self, line: dict[str, Any]) -> None:
        try:
            keep(self._unsent, self._run_id, line)
        except OSError as error:
            self._warn(f"{self._unsent} cannot be written either ({error.strerror or error})")

    def _send_params(self, new: Mapping[str, str]) -> None:
        # A continued run has parameters already, and MLflow refuses to change one: the first value stays.
        changed = self._add_params(self._run_id, new)
        if changed:
            self._warn(
                f"run {self._run_id} was started with other values of {', '.join(changed)}; it keeps them"
            )
        if self._parent is not None and self._parent.execution is not None:  # so that executions compare
            self._add_params(self._parent.run_id, new)

    def _add_params(self, run_id: str, new: Mapping[str, str]) -> list[str]:
        """Send what a run does not have yet; returns names that it has with another value."""
        old = self._client.get_run(run_id).data.params if new else {}
        fresh = [Param(name, value) for name, value in new.items() if name not in old]
        for start in range(0, len(fresh), 100):  # MLflow's limit per request
            self._client.log_batch(run_id, params=fresh[start : start + 100])
        return sorted(name for name in new.keys() & old.keys() if new[name] != old[name])

    def _try(self, action: Callable[[], object]) -> bool:
        try:
            action()
            return True
        except FAILURES as error:
            if not self._warned:
                self._warned = True
                self._warn(
                    f"the tracking server does not take everything ({cause_of(error)}); the work goes on, "
                    f"and run {self._run_id} will lack some of its files, which are on disk all the same"
                )
            return False
