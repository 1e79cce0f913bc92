"""Bring the last search back from MLflow, so that a pipeline can start from it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from autonad.config import Config
from autonad.config.context import Context
from autonad.errors import TrackingError
from autonad.steps.step import tracking_settings

FOLDERS = ("pin", "supernet", "latency", "search")


@dataclass(frozen=True)
class LoadedSearch:
    """What was found.

    Attributes:
        run_id: Run of the search; None if there is none to start from.
        pin_key: Key of the images that it was run on.
        champion: Version of the detector in use; None without one.
    """

    run_id: str | None
    pin_key: str | None
    champion: int | None


def load_search(
    context: Context,
    *,
    dataset: str,
    target: Path,
    pin: Path,
    supernet: Path,
    latency: Path,
    search: Path,
    champion: Path,
) -> LoadedSearch:
    """Write the folders of the last search, and the detector in use.

    Of the searches of a dataset the newest counts, unless an older one was for this very target and on the
    same images: then nothing has to be searched again. Without any the folders hold only `found.json`.

    Args:
        context: Section `tracking` decides where to look.
        dataset: The dataset's name.
        target: Target file.
        pin: Pin folder to write.
        supernet: Supernet folder to write.
        latency: Latency folder to write.
        search: Search folder to write.
        champion: Folder to write the ONNX file of the detector in use to.

    Raises:
        ConfigError: Tracking is off.
        TrackingError: A file is missing or was changed, or the server cannot be used.
    """
    config, console = context.config, context.console
    from autonad.appearance.pin import BROUGHT
    from autonad.files import write_json
    from autonad.latency.target import Target
    from autonad.tracking.history.search_files import load_search as fetch
    from autonad.tracking.history.searches import last_search

    settings = tracking_settings(config)
    device = Target.load(target)
    newest = last_search(dataset, settings=settings)
    same = last_search(dataset, device.hardware_key, settings=settings)
    found = same if same is not None and newest is not None and same.pin_key == newest.pin_key else newest
    if found is not None and found.pin_key is None:
        console.report(f"search run {found.run_id} has no pin, so nothing can be compared with it")
        found = None
    places = dict(zip(FOLDERS, (pin, supernet, latency, search), strict=True))
    for place in (*places.values(), champion):
        place.mkdir(parents=True, exist_ok=True)
    if found is not None:
        with tempfile.TemporaryDirectory(dir=search.parent, prefix=".search-") as temporary:
            fetch(found, Path(temporary), settings=settings)
            for name, place in places.items():
                for file in (Path(temporary) / name).iterdir():
                    file.rename(place / file.name)
    version = _fetch_champion(config, dataset, device.name, champion)
    for place in (*places.values(), champion):
        write_json(place / BROUGHT, {"run_id": found and found.run_id, "champion": version})
    console.report("there is no search yet" if found is None else f"the last search is run {found.run_id}")
    if found is None:
        return LoadedSearch(None, None, version)
    return LoadedSearch(found.run_id, found.pin_key, version)


def _fetch_champion(config: Config, dataset: str, target: str, folder: Path) -> int | None:
    from autonad.deploy import MODEL
    from autonad.tracking.registry.model_versions import model_name
    from autonad.tracking.registry.registry import Registry

    registry = Registry(tracking_settings(config))
    version = registry.champion(model_name(dataset, target, config.search.budgets_ms[0]))
    if version is not None:
        registry.fetch(version, (MODEL,), folder)
    return version.number if version is not None else None


def require_search(search: Path) -> None:
    """Make sure that there is a search to retrain.

    Raises:
        TrackingError: There is none.
    """
    if not (search / "architecture.json").is_file():
        raise TrackingError(
            "MLflow holds no search of this dataset; run the whole pipeline once, or correct the experiment "
            "and the dataset's name"
        )
