"""The files of a search in MLflow: sent as one bundle, and brought back file by file.

A search run keeps everything that a later search or retraining starts from:

    pin/         manifest.parquet, features.parquet, pin.json
    supernet/    supernet.json, supernet.safetensors, records.parquet
    latency/     table.parquet, target.json, prior.json, prior.png
    search/      architecture.json, inherited.safetensors, population.parquet, search.json, pareto.html
    search/variants/NAME/  the same, of each network of a search for several budgets or targets

The tag with the bundle's sha256 is set when all of it has arrived.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from autonad.errors import StorageError, TrackingError
from autonad.files import read_json
from autonad.tracking.checksums import DIGESTS, verify
from autonad.tracking.destination import TrackingSettings
from autonad.tracking.history.searches import FoundSearch, found_search, open_history
from autonad.tracking.runs.run import Run
from autonad.tracking.tags import ARCHITECTURE, ARCHITECTURES, PIN_KEY

_VARIANT = re.compile(r"(?<=^search/)variants/(?!\.+/)[\w.-]+/")
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
        for part in (".", *_variants(place)) if folder == "search" else (".",):
            prefix = folder if part == "." else f"{folder}/{part}"
            files |= {f"{prefix}/{name}": place / part / name for name in needed}
            found = [name for name in optional if (place / part / name).is_file()]
            files |= {f"{prefix}/{name}": place / part / name for name in found}
    tags = {ARCHITECTURE: _field(files, "search/search.json", "architecture_key")}
    described = [name for name in files if _VARIANT.sub("", name) == "search/search.json" != name]
    others = [_field(files, name, "architecture_key") for name in described]
    if others:
        tags[ARCHITECTURES] = " ".join(dict.fromkeys(others))
    if "pin/pin.json" in files:
        tags[PIN_KEY] = _field(files, "pin/pin.json", "key")
    return run.bundle(files, tags)


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
    from autonad.tracking.connection import CONNECT, FAILURES, clear_failures, patient

    client = open_history(settings)
    run_id = run if isinstance(run, str) else run.run_id
    with clear_failures(settings, f"{CONNECT}, and make sure that run {run_id} was not deleted"):
        found = found_search(client.get_run(run_id))
    what = f"search run {run_id}"
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output, prefix=".fetched-") as temporary:
        folder = Path(temporary)
        names: list[str] = [DIGESTS]
        for name in names:
            try:
                place = (folder / name).parent
                place.mkdir(parents=True, exist_ok=True)
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
                names += _known(read_json(folder / DIGESTS, f"{DIGESTS} of {what}"), what)
        verify(folder, found.digests, set(names[1:]), what)
        for part in BUNDLE:
            if (folder / part).is_dir():
                shutil.rmtree(output / part, ignore_errors=True)
                (folder / part).rename(output / part)
    return found


def _known(names: Mapping[str, str], what: str) -> list[str]:
    """Names of a bundle; one that lies outside of its folders is refused."""
    known = {f"{folder}/{name}" for folder, lists in BUNDLE.items() for part in lists for name in part}
    own = {name: _VARIANT.sub("", name) for name in names}  # a variant's files are those of a search
    unknown = sorted(name for name in names if own[name] not in known)
    if unknown:
        raise TrackingError(f"{what} lists {unknown[0]!r}, which belongs to no search; nothing was fetched")
    return list(names)


def _variants(search: Path) -> list[str]:
    """Folders of the networks of a search for several budgets or targets."""
    listed = read_json(search / "search.json", "the search").get("variants", [])
    return [one["folder"] for one in listed if one.get("folder", ".") != "."]


def _field(files: Mapping[str, Path], name: str, field: str) -> str:
    path = files.get(name)
    content = read_json(path, f"the search's {name}") if path is not None else {}
    if field not in content:
        raise StorageError(f"{path or name} has no {field!r}; run the step that writes it again")
    return str(content[field])
