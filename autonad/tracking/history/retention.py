"""What may go: files of old searches and of challengers that nobody uses, never those of a champion.

What is kept whatever its age:

- every version that has an alias, `champion` and `previous` among them;
- the runs of the execution that registered such a version, every search that found its architecture, and the
  runs of the executions of these searches;
- of every dataset and target the newest finished searches, of every model the newest challengers.

Runs themselves stay with their metrics, parameters and small files, so that they can be compared; a version
that goes is deleted, and why it was refused stays with the run that registered it.
"""

from __future__ import annotations

import datetime
import time
from dataclasses import dataclass
from typing import Any

from autonad.errors import ConfigError, TrackingError
from autonad.tracking.connection import CONNECT, MlflowClient, all_pages, clear_failures, connect, patient
from autonad.tracking.destination import TrackingSettings
from autonad.tracking.history.leftovers import HEAVY, Artifacts, Leftover
from autonad.tracking.history.searches import architectures_of
from autonad.tracking.registry.registry import Registry
from autonad.tracking.tags import (
    ARCHITECTURE,
    COLLECTED,
    DATASET,
    DIGEST_TAG,
    HARDWARE_KEY,
    PARENT_RUN,
    PENDING,
    STAGE,
)

DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True)
class Rule:
    """What is kept beside the champions' lineage.

    Attributes:
        searches: Newest finished searches per dataset and target.
        challengers: Newest versions per registered model, beside those with an alias.
        min_age_days: Nothing younger goes.
    """

    searches: int
    challengers: int
    min_age_days: float


class Retention:
    """Finds and removes leftovers of one experiment and of the registry.

    Args:
        settings: Which server and experiment.

    Raises:
        ConfigError: Tracking is off.
        TrackingError: The server cannot be used.
    """

    def __init__(self, settings: TrackingSettings) -> None:
        if not settings.enabled:
            raise ConfigError("tracking is off, and what may go is there; leave out tracking.enabled=false")
        self._settings = settings
        self._client: MlflowClient = connect(settings)
        self._registry, self._artifacts = Registry(settings), Artifacts(settings)

    def plan(self, rule: Rule) -> list[Leftover]:
        """What may go, oldest first.

        Args:
            rule: What is kept.

        Raises:
            TrackingError: It is not known which version is a model's champion: somebody removed the alias.
        """
        before = time.time_ns() // 1_000_000 - rule.min_age_days * DAY_MS
        names = self._registry.models()
        for name in names:
            self._registry.champion(name)  # must be known, before anything is called a leftover
        with self._failures(), patient():
            versions = {name: self._versions(name) for name in names}
            used = {name: self._used(name) for name in names}
            kept = [v for name in names for v in versions[name] if str(v.version) in used[name]]
            found = self._old_runs(kept, rule, before)
            sources = {version.source for version in kept}
            why = f"not in use, and not among the newest {rule.challengers} of its model"
            for name in names:
                others = [v for v in versions[name] if str(v.version) not in used[name]]
                found += [
                    (v.creation_timestamp, self._artifacts.of_version(v, why))
                    for v in others[rule.challengers :]
                    if v.creation_timestamp < before and v.source not in sources
                ]
        return [leftover for _, leftover in sorted(found, key=lambda pair: pair[0])]

    def remove(self, leftover: Leftover) -> bool:
        """Remove it; what was begun and interrupted is planned again.

        Returns:
            Whether it went; a version that was given an alias meanwhile stays.

        Raises:
            TrackingError: The server refuses.
        """
        with self._failures(), patient():
            if leftover.kind == "version":
                if leftover.version in self._used(leftover.name):
                    return False
                self._artifacts.delete(leftover)
                model_id = self._client.get_model_version(leftover.name, leftover.version).model_id
                if model_id:
                    self._client.delete_logged_model(model_id)
                self._client.delete_model_version(leftover.name, leftover.version)
                return True
            # First it no longer counts as a search, then its files go: nobody ever finds half a search.
            self._client.set_tag(leftover.name, COLLECTED, PENDING)
            if DIGEST_TAG in self._client.get_run(leftover.name).data.tags:
                self._client.delete_tag(leftover.name, DIGEST_TAG)
            self._artifacts.delete(leftover)
            today = datetime.datetime.now(datetime.UTC).date().isoformat()
            self._client.set_tag(leftover.name, COLLECTED, today)
            return True

    def _old_runs(self, kept: list[Any], rule: Rule, before: float) -> list[tuple[int, Leftover]]:
        runs = [run for stage in HEAVY for run in self._runs(f"tags.`{STAGE}` = '{stage}'")]
        lineage = self._lineage(kept, runs)
        seen: dict[tuple[str, ...], int] = {}
        found = []
        for run in runs:  # newest first
            tags, stage = run.data.tags, run.data.tags[STAGE]
            begun = tags.get(COLLECTED)
            whole = run.info.status == "FINISHED" and (stage != "search" or DIGEST_TAG in tags)
            rank = 0
            if whole and begun is None:
                group = (stage, tags.get(DATASET, ""), tags.get(HARDWARE_KEY, ""))
                rank = seen[group] = seen.get(group, 0) + 1
            if begun is None:
                if run.info.run_id in lineage or run.info.status == "RUNNING":
                    continue
                if rank and rank <= rule.searches:
                    continue
                if (run.info.end_time or run.info.start_time) >= before:
                    continue
            elif begun != PENDING:
                continue
            why = "its removal was interrupted" if begun else _why(stage, rank)
            leftover = self._artifacts.of_run(run, stage, why)
            if leftover.paths:
                found.append((run.info.start_time, leftover))
        return found

    def _lineage(self, versions: list[Any], runs: list[Any]) -> set[str]:
        """Ids of the runs that versions in use came from."""
        keys = {version.tags.get(ARCHITECTURE) for version in versions} - {None}
        origins = {version.run_id for version in versions if version.run_id}
        parents = {self._parent(run_id) for run_id in origins}
        searches = [run for run in runs if keys & architectures_of(run.data.tags)]
        parents |= {run.data.tags.get(PARENT_RUN) for run in searches}
        ids = origins | {run.info.run_id for run in searches}
        return ids | {r.info.run_id for r in runs if r.data.tags.get(PARENT_RUN) in parents - {None}}

    def _parent(self, run_id: str) -> str | None:
        return self._client.get_run(run_id).data.tags.get(PARENT_RUN)

    def _runs(self, query: str) -> list[Any]:
        """All runs of the experiment that match, newest first."""
        experiment = self._client.get_experiment_by_name(self._settings.experiment)
        if experiment is None or experiment.lifecycle_stage == "deleted":
            raise TrackingError(
                f"experiment {self._settings.experiment!r} is not in MLflow, or was deleted there; name "
                "another in tracking.experiment"
            )
        newest_first = ["attributes.start_time DESC"]
        return all_pages(self._client.search_runs, [experiment.experiment_id], query, order_by=newest_first)

    def _versions(self, name: str) -> list[Any]:
        """All versions of a model, newest first."""
        found = all_pages(self._client.search_model_versions, f"name = '{name}'")
        return sorted(found, key=lambda version: -int(version.version))

    def _used(self, name: str) -> set[str]:
        """Versions that have an alias."""
        return {str(number) for number in self._client.get_registered_model(name).aliases.values()}

    def _failures(self) -> Any:
        return clear_failures(self._settings, f"{CONNECT}, then repeat the command")


def _why(stage: str, rank: int) -> str:
    if not rank:
        return "it did not finish, or was not kept whole"
    what = "searches" if stage == "search" else "supernets"
    return f"number {rank} of the {what} of its dataset and target, counted from the newest"
