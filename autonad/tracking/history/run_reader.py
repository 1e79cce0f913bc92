"""What one execution was: its steps' figures, parameters, data, code and small files."""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonad.errors import AutonadError, cause_of
from autonad.reading.bounds import Unreadable, parse_json, read_bytes
from autonad.reading.shape_checks import Shape, check_shape
from autonad.report.compared import Compared
from autonad.space import Architecture
from autonad.tracking.connection import CONNECT, FAILURES, MlflowClient, clear_failures, patient
from autonad.tracking.destination import TrackingSettings
from autonad.tracking.runs.made_for import variants_in
from autonad.tracking.runs.parents import children
from autonad.tracking.tags import GIT_SHA, HARDWARE_KEY, HEADLINE, IMAGE, KFP_URL, PIN_KEY, STAGE, VARIANT

if TYPE_CHECKING:
    import pandas as pd

# Who keeps a file, and where; the first step that did counts.
ARCHITECTURE = (("retrain", "architecture.json"), ("search", "search/architecture.json"))
POPULATION = (("search", "search/population.parquet"),)
IMAGES = (("evaluate", "per_image.parquet"),)
OF_FIRST = ("val/", "latency/", "model/")
UNREADABLE: tuple[type[Exception], ...] = (*FAILURES, ValueError, AutonadError)


class RunReader:
    """Reads runs with everything that a comparison shows.

    Args:
        client: The server.
        settings: Which one it is, for messages.
        warn: Told of a file that cannot be used; the comparison goes on without it.
    """

    def __init__(self, client: MlflowClient, settings: TrackingSettings, warn: Callable[[str], None]) -> None:
        self._client, self._settings, self._warn = client, settings, warn

    def read_all(self, run: Any, name: str, *, images: bool = True) -> dict[str, Compared]:
        """An execution once for each detector that it made, by what that is for; see `read`."""
        variants = variants_in(self._steps(run)) or [""]
        names = {one: f"{name} {one}" if len(variants) > 1 else name for one in variants}
        return {one: self.read(run, names[one], images=images, variant=one) for one in variants}

    def read(self, run: Any, name: str, *, images: bool = True, variant: str = "") -> Compared:
        """An execution by its parent run, or a single run.

        Args:
            run: As the client gives it.
            name: What it is called in the comparison.
            images: Whether the table of its test images is read too.
            variant: Of several detectors the one that is meant; empty for the last.
        """
        found = self._steps(run)
        steps = latest(found, variant)
        shown = {stage: dict(step.data.metrics) for stage, step in steps.items()}
        if "search" in shown and variant not in ("", *variants_in(found)[:1]):
            # The search logs these of the first network that it returned.
            shown["search"] = {n: v for n, v in shown["search"].items() if not n.startswith(OF_FIRST)}
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
                metrics=shown,
                params={stage: dict(step.data.params) for stage, step in steps.items()},
                data=_data(steps, tags),
                code=_code(tags),
                architecture=self._load(steps, ARCHITECTURE, folder, _architecture),
                population=self._load(steps, POPULATION, folder, read_population),
                images=self._load(steps, IMAGES, folder, _images) if images else None,
            )

    def file(self, run: Any, name: str, read: Callable[[Path], Any]) -> Any:
        """One of a run's files, read; None if it is not there or cannot be used.

        Args:
            run: As the client gives it.
            name: Among its artifacts.
            read: From the local copy to a value.
        """
        with tempfile.TemporaryDirectory() as temporary:
            return self._load({"": run}, (("", name),), Path(temporary), read)

    def _steps(self, run: Any) -> list[Any]:
        """Runs of an execution's steps; a single run is its own."""
        with self._failures():
            return children(self._client, run.info.experiment_id, run.info.run_id) or [run]

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
                self._warn(f"{name} of run {run_id} cannot be used and is left out ({cause_of(error)})")
        return None

    def _failures(self) -> Any:
        return clear_failures(self._settings, CONNECT)


def latest(steps: Sequence[Any], variant: str = "") -> dict[str, Any]:
    """Stage → its last run, one that finished before one that did not.

    Args:
        steps: Runs.
        variant: Leave out those of other detectors; empty takes all.
    """
    chosen: dict[str, Any] = {}
    for step in sorted(steps, key=lambda run: (run.info.status == "FINISHED", run.info.start_time)):
        stage = step.data.tags.get(STAGE)
        if stage is not None and (not variant or step.data.tags.get(VARIANT, variant) == variant):
            chosen[stage] = step
    return dict(sorted(chosen.items(), key=lambda item: item[1].info.start_time))


def _data(steps: dict[str, Any], tags: dict[str, str]) -> dict[str, str]:
    """What the last step that used a dataset says about it, and what the search was for."""
    facts = {}
    for step in steps.values():
        for given in step.inputs.dataset_inputs if step.inputs else ():
            source, profile = _told(given.dataset.source), _told(given.dataset.profile)
            classes = [str(name) for name in profile.get("classes") or ()]
            facts = {
                "dataset": given.dataset.name,
                "fingerprint": str(source.get("fingerprint", "")),
                "DVC md5": source.get("dvc_md5"),
                "images": str(profile.get("images", "")),
                "parts": str(profile.get("groups", "")),
                "classes": f"{len(classes)} ({', '.join(classes)})" if classes else None,
            }
    facts |= {"pin": tags.get(PIN_KEY), "hardware key": tags.get(HARDWARE_KEY)}
    return {name: value for name, value in facts.items() if value}


def _told(text: str | None) -> dict[str, Any]:
    """What a server keeps as JSON; nothing where it was changed into something else."""
    try:
        return check_shape(parse_json(text or "{}"), Shape)
    except Unreadable:
        return {}


def _code(tags: dict[str, str]) -> dict[str, str]:
    known = {"commit": GIT_SHA, "image": IMAGE, "pipeline run": KFP_URL}
    return {what: tags[tag] for what, tag in known.items() if tag in tags}


def _architecture(path: Path) -> Architecture:
    return Architecture.from_json(read_bytes(path).decode())


def read_population(path: Path) -> pd.DataFrame:
    """A search's `population.parquet`."""
    from autonad.reading.table_checks import read_table
    from autonad.search.population import POPULATION

    return read_table(path, POPULATION)


def _images(path: Path) -> pd.DataFrame:
    """An evaluation's `per_image.parquet`."""
    from autonad.evaluation.result import PER_IMAGE
    from autonad.reading.table_checks import read_table

    return read_table(path, PER_IMAGE, others=True)
