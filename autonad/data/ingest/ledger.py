"""What a dataset remembers of ingested batches: which objects it knows, and the batches by name and date.

ingested.parquet   one row per object: key, etag, batch, outcome, image (see `Known`)
batches.json       the batches in order: name, date, source, listing (digest), and counts
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import Field

from autonad.errors import DatasetError, one_line
from autonad.reading.bounds import Unreadable, folded, parse_json, read_bytes
from autonad.reading.shape_checks import Shape, check_shape
from autonad.reading.table_checks import TEXT, read_table
from autonad.storage.source import Entry

INGESTED = "ingested.parquet"
BATCHES = "batches.json"
_COLUMNS = ("key", "etag", "batch", "outcome", "image")

# What became of an object. "image" and "mask" are part of the dataset; "copy" is an image (or its mask) that
# the dataset had already.
IMAGE, MASK, COPY, DEFECT_FREE, FAULTY, CONFLICT = (
    "image",
    "mask",
    "copy",
    "defect-free",
    "faulty",
    "conflict",
)


@dataclass(frozen=True)
class Known:
    """An object that was ingested before, in its latest version; see the module's text.

    Attributes:
        key: Its name among all sources.
        etag: Of its latest version.
        batch: That brought it.
        outcome: What became of it.
        image: Its row in the manifest, or that of its image; in a conflict within a batch, the key of the
            other image; else "".
    """

    key: str
    etag: str
    batch: str
    outcome: str
    image: str


class Ledger:
    """The objects that a dataset knows, by key."""

    def __init__(self, known: Iterable[Known] = ()) -> None:
        self._known = {object.key: object for object in known}

    @classmethod
    def open(cls, root: Path) -> Ledger:
        """Read the ledger of a dataset; empty if nothing was ingested yet.

        Raises:
            DatasetError: The file is damaged.
        """
        path = root / INGESTED
        if not path.is_file():
            return cls()
        try:
            table = read_table(path, dict.fromkeys(_COLUMNS, TEXT))[list(_COLUMNS)]
        except (OSError, ValueError) as error:
            raise DatasetError(
                f"{path} cannot be read: {one_line(error)}; restore it, or delete it: then "
                "every object is read again, and copies are recognised by their content"
            ) from error
        return cls(Known(*(str(value) for value in row)) for row in table.itertuples(index=False))

    def get(self, entry: Entry) -> Known | None:
        """What is known under this key, in whatever version."""
        return self._known.get(entry.identity)

    def has(self, entry: Entry, listed: Collection[str], *, include_defect_free: bool) -> bool:
        """Whether this version was dealt with, once and for all.

        What was left out for lack of defects may be wanted now, and an image is no longer disputed when its
        rival has gone from the source.

        Args:
            entry: The object.
            listed: Keys (identities) of everything that the source holds.
            include_defect_free: Images without defects are wanted.
        """
        known = self.get(entry)
        return (
            known is not None
            and known.etag == entry.etag
            and not (include_defect_free and known.outcome == DEFECT_FREE)
            and not (known.outcome == CONFLICT and known.image and known.image not in listed)
        )

    def extended(self, known: Iterable[Known]) -> Ledger:
        """This ledger with further objects, or newer versions."""
        return Ledger([*self._known.values(), *known])

    def table(self) -> pd.DataFrame:
        """The content of `ingested.parquet`."""
        rows = sorted(self._known.values(), key=lambda known: known.key)
        return pd.DataFrame(
            [[getattr(row, name) for name in _COLUMNS] for row in rows], columns=list(_COLUMNS), dtype=str
        )


class BatchFile(Shape):
    """An entry of `batches.json`."""

    name: str
    date: str
    source: str
    listing: str
    images: int = Field(0, ge=0)
    labelled: int = Field(0, ge=0)
    upgraded: int = Field(0, ge=0)
    relabelled: int = Field(0, ge=0)
    copies: int = Field(0, ge=0)
    defect_free: int = Field(0, ge=0)
    quarantined: int = Field(0, ge=0)
    new_classes: list[str] = Field([])


@dataclass(frozen=True)
class Batch:
    """One ingested batch.

    Attributes:
        name: Its name, the `batch` of its rows in the manifest.
        date: Day of the ingest, YYYY-MM-DD.
        source: Where it came from, without credentials.
        listing: sha256 of names, versions and sizes at the source.
        images: New images.
        labelled: Those of them with a mask.
        upgraded: Images that were unlabelled and got their mask.
        relabelled: Images whose mask was replaced, because it changed at its source.
        copies: Images that the dataset had already.
        defect_free: Images that were left out because they show no defect.
        quarantined: Images and files that were faulty.
        new_classes: Classes that the dataset did not have.
    """

    name: str
    date: str
    source: str
    listing: str
    images: int = 0
    labelled: int = 0
    upgraded: int = 0
    relabelled: int = 0
    copies: int = 0
    defect_free: int = 0
    quarantined: int = 0
    new_classes: tuple[str, ...] = ()

    @property
    def unlabelled(self) -> int:
        """New images without a mask."""
        return self.images - self.labelled

    def to_dict(self) -> dict[str, Any]:
        """As an entry of `batches.json`."""
        return {**self.__dict__, "new_classes": list(self.new_classes), "unlabelled": self.unlabelled}


def read_batches(root: Path) -> list[Batch]:
    """The batches that were ingested into a dataset, oldest first.

    Raises:
        DatasetError: The file is damaged.
    """
    path = root / BATCHES
    if not path.is_file():
        return []
    try:
        entries = parse_json(read_bytes(path))
        if not isinstance(entries, list):
            raise Unreadable(f"it holds {folded(repr(entries), 40)}")
        return [_batch(check_shape(entry, BatchFile)) for entry in entries]
    except (OSError, ValueError, TypeError) as error:
        raise DatasetError(
            f"{path} is no list of batches ({folded(one_line(error))}); restore it, or delete it: the "
            "images stay, and their batches are ordered by name"
        ) from error


def _batch(entry: dict[str, Any]) -> Batch:
    known = {name: value for name, value in entry.items() if name != "unlabelled"}
    return Batch(**{**known, "new_classes": tuple(known.get("new_classes", ()))})


def listing_digest(entries: Sequence[Entry]) -> str:
    """sha256 of a listing, whatever its order."""
    rows = sorted([entry.identity, entry.etag, entry.size] for entry in entries)
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def free_name(wanted: str, taken: Iterable[str]) -> str:
    """The wanted name of a batch, or the first of NAME-2, NAME-3 ... that is not taken."""
    used, name, number = set(taken), wanted, 2
    while name in used:
        name, number = f"{wanted}-{number}", number + 1
    return name
