"""Executions as MLflow remembers them: their steps' figures, parameters, data, code and small files."""

from __future__ import annotations

import datetime
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonad.errors import AutonadError, ConfigError, TrackingError
from autonad.report.compared import Compared
from autonad.space import Architecture
from autonad.tracking.connection import CONNECT, FAILURES, MlflowClient, clear_failures, connect, patient
from autonad.tracking.runs.family import EXECUTION, HEADLINE, PARENT, ROLE, STAGE, children
from autonad.tracking.runs.run import TrackingSettings
from autonad.tracking.values import key, one_line

if TYPE_CHECKING:
    import pandas as pd

# Who keeps a file, and where; the first step that did counts.
ARCHITECTURE = (("retrain", "architecture.json"), ("search", "search/architecture.json"))
POPULATION = (("search", "search/population.parquet"),)
IMAGES = (("evaluate", "per_image.parquet"),)
UNREADABLE: tuple[type[Exception], ...] = (*FAILURES, ValueError, AutonadError)


class Executions:
    """The executions of one experiment.

    Args:
        settings: Which server and experiment.
        warn: Told of a file that cannot be used; the comparison goes on without it.

    Raises:
        ConfigError: Tracking is off.
        TrackingError: The server cannot be used, or there is no such experiment.
    """

    def __init__(
        self, settings: TrackingSettings, warn: Callable[[str], None] = lambda message: None
    ) -> None:
        if not settings.enabled:
            raise ConfigError(
                "tracking is off, and runs are remembered there; leave out tracking.enabled=false"
            )
        self._settings, self._warn = settings, warn
        self._client: MlflowClient = connect(settings)
        with self._failures():
            found = self._client.get_experiment_by_name(settings.experiment)
        if found is None or found.lifecycle_stage == "deleted":
            what = "is not there" if found is None else "was deleted in MLflow"
            raise TrackingError(
                f"experiment {settings.experiment!r} {what}; name one that is in tracking.experiment"
            )
        self._experiment: str = found.experiment_id

    def newest(self, count: int) -> list[Compared]:
        """The newest finished executions, oldest of them first.

        Args:
            count: How many.

        Raises:
            TrackingError: There are fewer.
        """
        query = f"tags.`{ROLE}` = '{PARENT}' AND attributes.status = 'FINISHED'"
        with self._failures():
            runs = self._client.search_runs(
                [self._experiment], query, order_by=["attributes.start_time DESC"], max_results=count
            )
        if len(runs) < count:
            raise TrackingError(
                f"experiment {self._settings.experiment!r} holds {len(runs)} finished executions, {count} "
                "are asked for; steps belong to one if they are given the same --execution, and single runs "
                "can be named"
            )
        return self._read(list(runs)[::-1])

    def named(self, names: Sequence[str]) -> list[Compared]:
        """Executions or single runs, in this order.

        Args:
            names: Names of executions, or run ids.

        Raises:
            TrackingError: One is not there, or was deleted.
        """
        return self._read([self._find(name) for name in names])

    def _find(self, name: str) -> Any:
        query = f"tags.`{EXECUTION}` = '{key(name)}' AND tags.`{ROLE}` = '{PARENT}'"
        with self._failures():
            parents = self._client.search_runs(
                [self._experiment], query, order_by=["attributes.start_time ASC"], max_results=1
            )
        if parents:
            return parents[0]
        try:
            found = self._client.get_run(name)
        except FAILURES as error:
            with self._failures():
                self._client.search_experiments(max_results=1)
            raise TrackingError(
                f"experiment {self._settings.experiment!r} holds no execution and no run {name!r}; give the "
                "name of an execution or a run id, as MLflow shows them"
            ) from error
        if found.info.lifecycle_stage == "deleted":
            raise TrackingError(f"run {name} was deleted in MLflow; bring it back there, or name another")
        return found

    def _read(self, runs: Sequence[Any]) -> list[Compared]:
        seen = [_name(run) for run in runs]
        return [
            self._compared(run, name if seen.count(name) == 1 else f"{name} {run.info.run_id[:6]}")
            for run, name in zip(runs, seen, strict=True)
        ]

    def _compared(self, run: Any, name: str) -> Compared:
        with self._failures():
            steps = _latest(children(self._client, self._experiment, run.info.run_id) or [run])
        tags = run.data.tags | {k: v for step in steps.values() for k, v in step.data.tags.items()}
        started = datetime.datetime.fromtimestamp(run.info.start_time / 1000, datetime.UTC)
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            return Compared(
                name=name,
                run_id=run.info.run_id,
                started=f"{started:%Y-%m-%d %H:%M} UTC",
                status=run.info.status,
                said={
                    stage: step.data.tags[HEADLINE]
                    for stage, step in steps.items()
                    if HEADLINE in step.data.tags
                },
                metrics={stage: dict(step.data.metrics) for stage, step in steps.items()},
                params={stage: dict(step.data.params) for stage, step in steps.items()},
                data=_data(steps, tags),
                code=_code(tags),
                architecture=self._load(steps, ARCHITECTURE, folder, _architecture),
                population=self._load(steps, POPULATION, folder, _table),
                images=self._load(steps, IMAGES, folder, _table),
            )

    def _load(
        self,
        steps: dict[str, Any],
        places: Sequence[tuple[str, str]],
        folder: Path,
        read: Callable[[Path], Any],
    ) -> Any:
        """The first of some files that is there, read; None where there is none."""
        for stage, name in places:
            if stage not in steps:
                continue
            run_id = steps[stage].info.run_id
            with self._failures():
                parent = name.rpartition("/")[0]
                names = {file.path for file in self._client.list_artifacts(run_id, parent or None)}
            if name not in names:
                continue
            try:
                with patient():
                    path = self._client.download_artifacts(run_id, name, str(folder))
                return read(Path(path))
            except UNREADABLE as error:
                self._warn(f"{name} of run {run_id} cannot be used and is left out ({one_line(error)})")
        return None

    def _failures(self) -> Any:
        return clear_failures(self._settings, CONNECT)


def _latest(steps: Sequence[Any]) -> dict[str, Any]:
    """Stage → its last run, one that finished before one that did not."""
    chosen: dict[str, Any] = {}
    for step in sorted(steps, key=lambda run: (run.info.status == "FINISHED", run.info.start_time)):
        stage = step.data.tags.get(STAGE)
        if stage is not None:
            chosen[stage] = step
    return dict(sorted(chosen.items(), key=lambda item: item[1].info.start_time))


def _name(run: Any) -> str:
    return str(run.data.tags.get("mlflow.runName") or run.info.run_id)


def _data(steps: dict[str, Any], tags: dict[str, str]) -> dict[str, str]:
    """What the last step that used a dataset says about it, and what the search was for."""
    facts = {}
    for step in steps.values():
        for given in step.inputs.dataset_inputs if step.inputs else ():
            source, profile = json.loads(given.dataset.source), json.loads(given.dataset.profile or "{}")
            classes = profile.get("classes", [])
            facts = {
                "dataset": given.dataset.name,
                "fingerprint": str(source.get("fingerprint", "")),
                "DVC md5": source.get("dvc_md5"),
                "images": str(profile.get("images", "")),
                "parts": str(profile.get("groups", "")),
                "classes": f"{len(classes)} ({', '.join(classes)})" if classes else None,
            }
    facts |= {"pin": tags.get("autonad.pin_key"), "hardware key": tags.get("autonad.hardware_key")}
    return {name: value for name, value in facts.items() if value}


def _code(tags: dict[str, str]) -> dict[str, str]:
    known = {"commit": "git.sha", "image": "autonad.image", "pipeline run": "kfp.run_url"}
    return {what: tags[tag] for what, tag in known.items() if tag in tags}


def _architecture(path: Path) -> Architecture:
    return Architecture.from_json(path.read_text())


def _table(path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(path)
