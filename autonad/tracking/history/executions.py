"""Executions in MLflow: the newest ones, or those that are named, read for a comparison."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from autonad.errors import ConfigError, TrackingError
from autonad.report.compared import Compared
from autonad.tracking.connection import (
    CONNECT,
    FAILURES,
    MlflowClient,
    MlflowException,
    clear_failures,
    connect,
)
from autonad.tracking.destination import TrackingSettings
from autonad.tracking.history.run_reader import RunReader
from autonad.tracking.tags import EXECUTION, PARENT, PARENT_RUN, ROLE, RUN_NAME
from autonad.tracking.values import key


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
        """The newest finished executions, oldest of them first; each once per detector that it made.

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
        """Executions or single runs, in this order; an execution once per detector that it made.

        Args:
            names: Names of executions, or run ids.

        Raises:
            TrackingError: One is not there, or was deleted.
        """
        return self._read([self._find(name) for name in names])

    def _find(self, name: str) -> Any:
        """A run by the execution's name, by what people call it (the newest of that name), or by its id."""
        parents = f"tags.`{ROLE}` = '{PARENT}'"
        quoted = f"'{name}'" if '"' in name else f'"{name}"'
        for query, order in (
            (f"tags.`{EXECUTION}` = '{key(name)}'", "ASC"),
            (f"attributes.run_name = {quoted}", "DESC"),
        ):
            with self._failures():
                found = self._client.search_runs(
                    [self._experiment],
                    f"{query} AND {parents}",
                    order_by=[f"attributes.start_time {order}"],
                    max_results=1,
                )
            if found:
                return found[0]
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
        reader = RunReader(self._client, self._settings, self._warn)
        return [
            one
            for run, name in zip(runs, seen, strict=True)
            for one in reader.read_all(
                run, name if seen.count(name) == 1 else f"{name} {run.info.run_id[:6]}"
            ).values()
        ]

    def _failures(self) -> Any:
        return clear_failures(self._settings, CONNECT)


def running(settings: TrackingSettings, run_ids: Iterable[str]) -> set[str]:
    """Those of some runs whose execution has not ended; one that the server does not know has.

    Args:
        settings: Which server.
        run_ids: Runs of steps.

    Raises:
        ConfigError: Tracking is off.
        TrackingError: The server cannot be used.
    """
    if not settings.enabled:
        raise ConfigError(
            "tracking is off, and it is known there which executions run; leave out tracking.enabled=false"
        )
    client = connect(settings)
    found = set()
    with clear_failures(settings, CONNECT):
        for run_id in run_ids:
            try:
                run = client.get_run(run_id)
                parent = run.data.tags.get(PARENT_RUN)
                statuses = {run.info.status, client.get_run(parent).info.status if parent else ""}
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                continue
            if "RUNNING" in statuses:
                found.add(run_id)
    return found


def _name(run: Any) -> str:
    return str(run.data.tags.get(RUN_NAME) or run.info.run_id)
