"""What the last search was: found in MLflow, and brought back from there file by file.

A search run keeps everything that a later search or retraining starts from, in one bundle (`log_search`):

    pin/         manifest.parquet, features.parquet, pin.json
    supernet/    supernet.json, supernet.safetensors, records.parquet
    latency/     table.parquet, target.json, prior.json, prior.png
    search/      architecture.json, inherited.safetensors, population.parquet, search.json, pareto.html

The tag with the bundle's sha256 is set when all of it has arrived, and the run's status when the step has
ended: a search counts if it has both.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonad.errors import ConfigError, StorageError, TrackingError
from autonad.tracking.runs.run import Run, TrackingSettings
from autonad.tracking.values import key

if TYPE_CHECKING:
    from autonad.tracking.connection import MlflowClient

DATASET, HARDWARE_KEY, PIN_KEY = "autonad.dataset", "autonad.hardware_key", "autonad.pin_key"
ARCHITECTURE = "architecture.key"

# Folder → files; those in the second list may be missing.
BUNDLE: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "pin": (("manifest.parquet", "pin.json"), ("features.parquet",)),
    "supernet": (("supernet.json", "supernet.safetensors"), ("records.parquet",)),
    "latency": (("table.parquet", "target.json", "prior.json"), ("prior.png",)),
    "search": (
        ("architecture.json", "inherited.safetensors", "population.parquet", "search.json"),
        ("pareto.html",),
    ),
}


@dataclass(frozen=True)
class FoundSearch:
    """A finished search in MLflow.

    Attributes:
        run_id: Its run.
        dataset: Name of the dataset.
        hardware_key: Of the target that it was for.
        pin_key: Of the images that it was made on; None if it had no pin.
        architecture_key: What it found.
        latency_budget_ms: What it was asked for; None for no limit.
        ended_ms: When it ended, milliseconds since 1970.
        digests: Sha256 of its list of files.
    """

    run_id: str
    dataset: str
    hardware_key: str
    pin_key: str | None
    architecture_key: str
    latency_budget_ms: float | None
    ended_ms: int
    digests: str


def log_search(run: Run, folders: Mapping[str, Path | None]) -> bool:
    """Keep a search in MLflow, whole.

    Args:
        run: The search's run.
        folders: "supernet", "latency", "search" and, where there is one, "pin" → the step's folder.

    Returns:
        Whether everything arrived. If not, the search does not count as a last search; the files stay on
        disk.

    Raises:
        StorageError: A file that belongs to the bundle is missing.
    """
    files: dict[str, Path] = {}
    for folder, place in folders.items():
        if place is None:
            continue
        needed, optional = BUNDLE[folder]
        files |= {f"{folder}/{name}": place / name for name in needed}
        files |= {f"{folder}/{name}": place / name for name in optional if (place / name).is_file()}
    tags = {ARCHITECTURE: _field(files, "search/search.json", "architecture_key")}
    if "pin/pin.json" in files:
        tags[PIN_KEY] = _field(files, "pin/pin.json", "key")
    return run.bundle(files, tags)


def last_search(
    dataset: str, hardware_key: str | None = None, *, settings: TrackingSettings
) -> FoundSearch | None:
    """The newest search of a dataset that was finished and kept whole.

    Args:
        dataset: The dataset's name (`tracking.dataset`, or its folder's).
        hardware_key: Of the target; None for any.
        settings: Where to look.

    Returns:
        The search; None if there is none, or no such experiment.

    Raises:
        ConfigError: Tracking is off.
        TrackingError: The server cannot be used.
    """
    from autonad.tracking.checksums import DIGEST_TAG
    from autonad.tracking.connection import CONNECT, clear_failures, connect

    client = _client(settings, connect)
    query = [
        "attributes.status = 'FINISHED'",
        "tags.`autonad.stage` = 'search'",
        f"tags.`{DATASET}` = '{key(dataset)}'",
        f"tags.`{DIGEST_TAG}` != ''",
    ]
    if hardware_key is not None:
        query.append(f"tags.`{HARDWARE_KEY}` = '{key(hardware_key)}'")
    with clear_failures(settings, CONNECT):
        experiment = client.get_experiment_by_name(settings.experiment)
        if experiment is None or experiment.lifecycle_stage == "deleted":
            return None
        runs = client.search_runs(
            [experiment.experiment_id],
            " AND ".join(query),
            order_by=["attributes.end_time DESC"],
            max_results=1,
        )
    return _found(runs[0]) if runs else None


def load_search(run: FoundSearch | str, output: Path, *, settings: TrackingSettings) -> FoundSearch:
    """Bring a search back from MLflow: folders `pin`, `supernet`, `latency` and `search` in `output`.

    Every file is checked by its sha256 before any of them is put in place; the list of sha256 is guarded by
    a tag.

    Args:
        run: From `last_search`, or a run id.
        output: Folder to write; folders of these names in it are replaced.
        settings: Where the run is.

    Raises:
        ConfigError: Tracking is off.
        TrackingError: A file is missing or was changed (it is named), the run is no finished search, or the
            server cannot be used.
    """
    from autonad.tracking.checksums import DIGESTS, verify
    from autonad.tracking.connection import CONNECT, FAILURES, clear_failures, connect, patient

    client = _client(settings, connect)
    run_id = run if isinstance(run, str) else run.run_id
    with clear_failures(settings, f"{CONNECT}, and make sure that run {run_id} was not deleted"):
        found = _found(client.get_run(run_id))
    what = f"search run {run_id}"
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output, prefix=".fetched-") as temporary:
        folder = Path(temporary)
        names: list[str] = [DIGESTS]
        for name in names:
            try:
                place = (folder / name).parent
                place.mkdir(exist_ok=True)
                with patient():
                    client.download_artifacts(run_id, name, str(place))
            except FAILURES as error:
                with clear_failures(settings, CONNECT):
                    client.get_run(run_id)
                raise TrackingError(
                    f"{what} lacks {name}; restore it from a backup, or search again"
                ) from error
            if name == DIGESTS:
                verify(folder, found.digests, set(), what)
                names += _known(json.loads((folder / DIGESTS).read_text()), what)
        verify(folder, found.digests, set(names[1:]), what)
        for part in BUNDLE:
            if (folder / part).is_dir():
                shutil.rmtree(output / part, ignore_errors=True)
                (folder / part).rename(output / part)
    return found


def _client(settings: TrackingSettings, connect: Any) -> MlflowClient:
    if not settings.enabled:
        raise ConfigError("tracking is off, and the last search is remembered there; switch it on")
    return connect(settings)


def _found(run: Any) -> FoundSearch:
    from autonad.tracking.checksums import DIGEST_TAG

    tags, budget = run.data.tags, run.data.params.get("search.latency_budget_ms", "None")
    if tags.get("autonad.stage") != "search" or run.info.status != "FINISHED" or DIGEST_TAG not in tags:
        raise TrackingError(
            f"run {run.info.run_id} is no search that was finished and kept whole; find one with "
            "`tracking.last_search`, or search again"
        )
    return FoundSearch(
        run_id=run.info.run_id,
        dataset=tags.get(DATASET, ""),
        hardware_key=tags.get(HARDWARE_KEY, ""),
        pin_key=tags.get(PIN_KEY),
        architecture_key=tags.get(ARCHITECTURE, ""),
        latency_budget_ms=None if budget == "None" else float(budget),
        ended_ms=run.info.end_time,
        digests=tags[DIGEST_TAG],
    )


def _known(names: Mapping[str, str], what: str) -> list[str]:
    """Names of a bundle; one that lies outside of its folders is refused."""
    known = {f"{folder}/{name}" for folder, lists in BUNDLE.items() for part in lists for name in part}
    unknown = sorted(set(names) - known)
    if unknown:
        raise TrackingError(f"{what} lists {unknown[0]!r}, which belongs to no search; nothing was fetched")
    return list(names)


def _field(files: Mapping[str, Path], name: str, field: str) -> str:
    from autonad.files import read_json

    path = files.get(name)
    content = read_json(path, f"the search's {name}") if path is not None else {}
    if field not in content:
        raise StorageError(f"{path or name} has no {field!r}; run the step that writes it again")
    return str(content[field])
