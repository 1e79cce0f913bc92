"""Extending a dataset in one step: whole before, whole after, whatever happens in between.

Replacing manifest.parquet is that step. Before it, new files are linked under names that no row uses yet;
after it, the companions of the manifest (classes, batches, ledger, fingerprints) follow. A journal says what
was under way, so that the next ingest completes what the manifest already promises or takes back what it
does not. No file of a dataset is ever written in place: it may be a link into a cache.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from autonad.data.dataset import CLASSES, MANIFEST, NEXT_CLASSES, read_about
from autonad.data.ingest.quarantine import QUARANTINE
from autonad.data.ingest.staging import FOLDER, linked
from autonad.errors import DatasetError, StorageError
from autonad.files import cell, read_json, remove_leftovers, sha256_file, write_atomic, write_json
from autonad.reading.bounds import folded
from autonad.reading.shape_checks import Shape
from autonad.storage.source import unsafe_key

REASONS = "reasons.csv"
_JOURNAL = "journal.json"
_NEXT = "commit"
_PLACES = ("images", "masks", QUARANTINE)


class JournalFile(Shape):
    """The journal; see the module's text."""

    manifest: str
    added: dict[str, str]
    retired: dict[str, str]


@dataclass
class Changes:
    """What an ingest does to a dataset.

    Attributes:
        manifest: The next manifest.
        classes: The next classes, background first; None leaves them.
        about: Further entries of classes.json.
        tables: Further parquet files by name.
        documents: Further JSON files by name.
        added: Files to add: place in the dataset → where they wait.
        retired: Files that the manifest no longer uses: place in the dataset → new place in quarantine/.
        reasons: New rows of quarantine/reasons.csv: file, item, reason.
    """

    manifest: pd.DataFrame
    classes: tuple[str, ...] | None = None
    about: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    documents: dict[str, Any] = field(default_factory=dict)
    added: Mapping[str, str | Path] = field(default_factory=dict)
    retired: dict[str, str] = field(default_factory=dict)
    reasons: list[dict[str, str]] = field(default_factory=list)

    @property
    def num_kept_apart(self) -> int:
        """Faulty items whose files go to quarantine; masks that were only replaced do not count."""
        replaced = {Path(place).name for place in self.retired.values()}
        return len({row["item"] for row in self.reasons if row["file"] and row["file"] not in replaced})


def commit(root: Path, changes: Changes) -> None:
    """Carry out changes.

    Raises:
        StorageError: The disk refuses; the dataset is as it was.
    """
    try:
        _prepare(root, changes)
        journal = read_json(root / FOLDER / _JOURNAL, "the journal of the ingest")
        _link(root, journal["added"])
        if changes.classes is not None:
            about = read_about(root)
            write_json(root / CLASSES, {**about, NEXT_CLASSES: list(changes.classes)})
        os.sync()  # what the manifest names is on the disk before the manifest is
        os.replace(root / FOLDER / _NEXT / MANIFEST, root / MANIFEST)
        _complete(root, journal)
    except OSError as error:
        raise StorageError(
            f"cannot write dataset {root}: {error.strerror or error}; free some space, then repeat the "
            "command (the dataset is whole, and what was downloaded is kept)"
        ) from error


def recover(root: Path) -> None:
    """Complete or take back what an interrupted ingest left half done.

    Raises:
        StorageError: The disk refuses.
    """
    folder = root / FOLDER
    for place in (root, folder, *(root / name for name in _PLACES)):
        remove_leftovers(place)
    if not (folder / _JOURNAL).is_file():
        shutil.rmtree(folder / _NEXT, ignore_errors=True)
        return
    journal = read_json(folder / _JOURNAL, "the journal of an interrupted ingest", JournalFile)
    try:
        if sha256_file(root / MANIFEST) == journal["manifest"]:
            _complete(root, journal)
        else:
            _take_back(root, journal)
    except OSError as error:
        raise StorageError(
            f"cannot write dataset {root}: {error.strerror or error}; free some space, then repeat the "
            "command"
        ) from error


def _prepare(root: Path, changes: Changes) -> None:
    """Write what will be put in place, then the journal."""
    following = root / FOLDER / _NEXT
    shutil.rmtree(following, ignore_errors=True)
    following.mkdir()
    changes.manifest.to_parquet(following / MANIFEST, index=False)
    for name, table in changes.tables.items():
        table.to_parquet(following / name, index=False)
    for name, document in changes.documents.items():
        write_json(following / name, document)
    if changes.classes is not None or changes.about:
        about = read_about(root)
        classes = about["classes"] if changes.classes is None else list(changes.classes)
        write_json(following / CLASSES, {**about, **changes.about, "classes": classes})
    if changes.reasons:
        _reasons(root, changes.reasons).map(cell).to_csv(following / REASONS, index=False)
    journal = {
        "manifest": sha256_file(following / MANIFEST),
        "added": {place: Path(path).relative_to(root).as_posix() for place, path in changes.added.items()},
        "retired": changes.retired,
    }
    write_json(root / FOLDER / _JOURNAL, journal)


def _reasons(root: Path, added: list[dict[str, str]]) -> pd.DataFrame:
    table = pd.DataFrame(added, columns=["file", "item", "reason"])
    path = root / QUARANTINE / REASONS
    if path.is_file():
        try:
            known = pd.read_csv(path, dtype=str, keep_default_na=False)
        except (OSError, ValueError) as error:
            raise DatasetError(
                f"{path} cannot be read ({folded(str(error))}); move it away, and the next one begins anew"
            ) from error
        table = pd.concat([known, table], ignore_index=True)
    return table


def _link(root: Path, added: Mapping[str, str]) -> None:
    """Put new files under their names; a link costs no space, and the waiting file stays for a repeat."""
    for name in _PLACES:
        (root / name).mkdir(exist_ok=True)
    for place, waiting in added.items():
        target, source = root / _inside(place), root / _inside(waiting)
        with suppress(FileExistsError):
            if not linked(source, target):
                write_atomic(target, partial(shutil.copyfile, source))


def _complete(root: Path, journal: Mapping[str, Any]) -> None:
    """Everything that follows the manifest; each step may be repeated."""
    following = root / FOLDER / _NEXT
    waiting = {p: w for p, w in journal["added"].items() if (root / _inside(w)).is_file()}
    _link(root, waiting)
    for place, retired in journal["retired"].items():
        with suppress(FileNotFoundError):
            os.replace(root / _inside(place), root / _inside(retired))
    (following / MANIFEST).unlink(missing_ok=True)
    for path in sorted(following.iterdir()) if following.is_dir() else ():
        os.replace(path, root / QUARANTINE / REASONS if path.name == REASONS else root / path.name)
    shutil.rmtree(following, ignore_errors=True)
    (root / FOLDER / _JOURNAL).unlink()


def _take_back(root: Path, journal: Mapping[str, Any]) -> None:
    """Remove what was added before the manifest was replaced; the files still wait in `.ingest/`."""
    for place in journal["added"]:
        (root / _inside(place)).unlink(missing_ok=True)
    about = read_about(root)
    if NEXT_CLASSES in about:
        write_json(root / CLASSES, {name: value for name, value in about.items() if name != NEXT_CLASSES})
    shutil.rmtree(root / FOLDER / _NEXT, ignore_errors=True)
    (root / FOLDER / _JOURNAL).unlink()


def _inside(place: str) -> str:
    """A place of the journal, which must lie within the dataset."""
    if unsafe_key(place) is not None:
        raise StorageError(
            f"the journal of an interrupted ingest names {place!r}; delete its folder {FOLDER}"
        )
    return place
