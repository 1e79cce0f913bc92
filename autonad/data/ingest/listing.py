"""What of a batch is new: its listing against the ledger, before anything but tables is fetched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autonad.console import shown
from autonad.data.dataset import Dataset
from autonad.data.faults import Fault
from autonad.data.foreign_pictures import why_unread
from autonad.data.images import IMAGE_SUFFIXES
from autonad.data.ingest.ledger import Ledger
from autonad.data.ingest.settings import IngestSettings
from autonad.data.ingest.staging import Staging
from autonad.data.layouts.accounting import ANNOTATIONS, unread
from autonad.data.layouts.formats import list_layout
from autonad.data.layouts.groups_table import GROUPS, stated_groups
from autonad.data.layouts.layout import Layout, Record
from autonad.data.layouts.tree import suffix_of, too_large
from autonad.errors import DatasetError
from autonad.storage.source import BatchSource, Entry, unsafe_key

_MISSING_MASK = "missing-mask"
Refused = tuple[Entry, Fault]


@dataclass(frozen=True)
class Plan:
    """What is to be done about a batch.

    Attributes:
        layout: The batch; its records are those with something new.
        entries: Files by the path at which they wait.
        unlabelled: Items without a mask.
        refused: New files that cannot be used, each with its fault.
        faults: Further findings.
        fetched: Files that were fetched to find this out.
    """

    layout: Layout
    entries: dict[Path, Entry]
    unlabelled: frozenset[str]
    refused: tuple[tuple[Entry, Fault], ...]
    faults: tuple[Fault, ...]
    fetched: int

    @property
    def is_empty(self) -> bool:
        """Whether nothing is new."""
        return not self.layout.records and not self.refused

    def files(self, record: Record) -> list[Entry]:
        """The image of a record and its masks."""
        return [self.entries[path] for path in record.files]


def plan(
    source: BatchSource,
    entries: Sequence[Entry],
    dataset: Dataset,
    ledger: Ledger,
    staging: Staging,
    settings: IngestSettings,
) -> Plan:
    """Find out what is new in a listing; only tables are fetched for that.

    Args:
        source: Where the batch is.
        entries: Its listing.
        dataset: What it is to extend.
        ledger: The objects that the dataset knows.
        staging: Where the batch is laid out.
        settings: How to read it.

    Raises:
        DatasetError: The batch is not in this layout, or its groups.csv is malformed.
        StorageError: The source cannot be read, or the disk refuses.
    """
    usable, refused, others = _sort_out(entries, settings.max_bytes)
    placed, unplaceable = staging.lay_out(usable)
    by_key = {entry.key: entry for entry in usable}
    refused += [(by_key[fault.item], fault) for fault in unplaceable]
    fetched = _fetch_tables(source, placed, staging)
    layout = _list(source, dataset, staging, settings)
    entry_at = {staging.path(entry): entry for entry in placed}
    by_item = {entry.key: entry for entry in placed}

    missing = [fault for fault in layout.faults if fault.kind == _MISSING_MASK and fault.item in by_item]
    unlabelled = tuple(
        Record.of(staging.path(entry), entry.key, ()) for entry in (by_item[fault.item] for fault in missing)
    )
    records = (*layout.records, *unlabelled)
    more, faults = _file_faults(layout, by_item)
    refused += more
    apart = tuple(f"{folder}/" for folder in layout.companions)
    faults += _unused(entry_at, records, apart, source.name)
    faults += unread((key for key in others if not key.startswith(apart)), source.name)

    listed = {entry.identity for entry in entries}

    def is_new(entry: Entry) -> bool:
        return not ledger.has(entry, listed, include_defect_free=settings.include_defect_free)

    new = tuple(record for record in records if any(is_new(entry_at[path]) for path in record.files))
    own = staging.batch / GROUPS
    table = settings.groups_csv or (own if own.is_file() else None)
    groups, found = stated_groups(replace(layout, source=staging.batch, records=records), table)
    faults += found
    return Plan(
        replace(
            layout,
            records=new,
            faults=(),
            groups=groups if groups is not None else layout.groups,
            threshold=settings.threshold,
        ),
        entry_at,
        frozenset(record.item for record in unlabelled),
        tuple((entry, fault) for entry, fault in refused if is_new(entry)),
        tuple(faults),
        fetched,
    )


def _sort_out(entries: Sequence[Entry], max_bytes: int) -> tuple[list[Entry], list[Refused], list[str]]:
    """Files that may be images or annotations, refused ones, and the names of those that are neither."""
    usable, refused, others = list[Entry](), list[Refused](), list[str]()
    for entry in entries:
        fault = _unsafe(entry.key)
        if fault is None and any(part.startswith(".") for part in entry.key.split("/")):
            continue
        suffix = suffix_of(entry.key)
        if fault is None and entry.problem is not None:
            fault = Fault("error", "unreadable", entry.key, entry.problem)
        elif fault is None and (why := why_unread(suffix)) is not None:
            fault = Fault("error", "unread-format", entry.key, why)
        elif fault is None and suffix not in IMAGE_SUFFIXES | ANNOTATIONS:
            others.append(entry.key)
            continue
        elif fault is None and entry.size > max_bytes:
            fault = too_large(entry.key, entry.size, max_bytes)
        if fault is None:
            usable.append(entry)
        else:
            refused.append((entry, fault))
    return usable, refused, others


def _unsafe(key: str) -> Fault | None:
    problem = unsafe_key(key)
    if problem is None:
        return None
    return Fault("error", "unsafe-name", shown(key)[:300], f"{problem}; rename it at the source")


def _fetch_tables(source: BatchSource, placed: Sequence[Entry], staging: Staging) -> int:
    """Fetch the annotation files that have not arrived yet; how many these were."""
    tables = [e for e in placed if suffix_of(e.key) in ANNOTATIONS and not staging.has(e)]
    for arrival in source.fetch([(entry, staging.path(entry)) for entry in tables]):
        if arrival.problem is not None:
            raise DatasetError(f"{arrival.entry.identity} cannot be read: {arrival.problem}")
    return len(tables)


def _list(source: BatchSource, dataset: Dataset, staging: Staging, settings: IngestSettings) -> Layout:
    """The layout of the files that were laid out."""
    try:
        return list_layout(
            settings.format,
            staging.batch,
            include_defect_free=settings.include_defect_free,
            classes=settings.classes,
            known=dataset.classes,
            pixels=settings.pixels,
        )
    except DatasetError as error:
        raise DatasetError(str(error).replace(str(staging.batch), source.name)) from error


def _file_faults(layout: Layout, by_item: dict[str, Entry]) -> tuple[list[Refused], list[Fault]]:
    """Faults of a listing: those that make a file useless, and the others; a missing mask is none."""
    refused, faults = [], []
    for fault in layout.faults:
        concerned = by_item.get(fault.item)
        if fault.kind == _MISSING_MASK and concerned is not None:
            continue
        if concerned is not None and fault.severity == "error":
            refused.append((concerned, fault))
        else:
            faults.append(fault)
    return refused, faults


def _unused(
    entry_at: dict[Path, Entry], records: Iterable[Record], apart: tuple[str, ...], name: str
) -> list[Fault]:
    """Masks without an image; what begins with one of `apart` is known to be of no use."""
    used = {path for record in records for path in record.files}
    unused = sorted(
        entry.key
        for path, entry in entry_at.items()
        if path not in used and suffix_of(entry.key) in IMAGE_SUFFIXES and not entry.key.startswith(apart)
    )
    faults = []
    if unused:
        message = f"{len(unused)} files belong to no image and wait for one: {', '.join(unused[:3])}"
        faults.append(Fault("warning", "no-image", name, message + (" ..." if len(unused) > 3 else "")))
    return faults
