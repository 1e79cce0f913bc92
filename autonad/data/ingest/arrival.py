"""What of a batch is new, and reading it while it arrives."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from pathlib import Path

from autonad.data.dataset import Dataset
from autonad.data.faults import Fault
from autonad.data.images import IMAGE_SUFFIXES
from autonad.data.ingest.digest import Digest
from autonad.data.ingest.ledger import IMAGE, Ledger
from autonad.data.ingest.staging import Staging
from autonad.data.layouts.formats import list_layout
from autonad.data.layouts.layout import Layout, Record, read_groups
from autonad.errors import DatasetError
from autonad.storage.source import BatchSource, Entry, unsafe_key

_TABLES = frozenset({".csv", ".txt"})
_MISSING_MASK = "missing-mask"
NOT_READ = "not-read"  # kind of the fault of a file that did not arrive
Advance = Callable[[int, int, str], None]


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
        return [self.entries[path] for path in (record.image, *(mask for mask, _ in record.masks))]


def plan(
    source: BatchSource,
    entries: Sequence[Entry],
    dataset: Dataset,
    ledger: Ledger,
    staging: Staging,
    *,
    format: str,
    classes: Sequence[str] | None,
    groups_csv: Path | None,
    include_defect_free: bool,
    threshold: int,
    max_bytes: int,
) -> Plan:
    """Find out what is new in a listing; only tables are fetched for that.

    Args:
        source: Where the batch is.
        entries: Its listing.
        dataset: What it is to extend.
        ledger: The objects that the dataset knows.
        staging: Where the batch is laid out.
        format: See `formats.read_layout`, like the next four.
        classes: Names of the defect classes.
        groups_csv: Which images show one part.
        include_defect_free: Images without defects are wanted.
        threshold: In masks of one class, larger values are defect.
        max_bytes: Larger files are refused.

    Raises:
        DatasetError: The batch is not in this layout, or its groups.csv is malformed.
        StorageError: The source cannot be read, or the disk refuses.
    """
    refused: list[tuple[Entry, Fault]] = []
    usable, others = [], 0
    for entry in entries:
        suffix = Path(entry.key).suffix.lower()
        fault = _unsafe(entry.key)
        if fault is None and any(part.startswith(".") for part in entry.key.split("/")):
            continue
        if fault is None and suffix not in IMAGE_SUFFIXES | _TABLES:
            others += 1
            continue
        if fault is None and entry.size > max_bytes:
            fault = Fault(
                "error",
                "too-large",
                entry.key,
                f"it has {entry.size / 2**20:.0f} MiB, at most {max_bytes / 2**20:g} are read; raise "
                "ingest.max_megabytes if it is an image",
            )
        if fault is None:
            usable.append(entry)
        else:
            refused.append((entry, fault))
    placed, unplaceable = staging.lay_out(usable)
    by_key = {entry.key: entry for entry in usable}
    refused += [(by_key[fault.item], fault) for fault in unplaceable]

    tables = [e for e in placed if Path(e.key).suffix.lower() in _TABLES and not staging.has(e)]
    for arrival in source.fetch([(entry, staging.path(entry)) for entry in tables]):
        if arrival.problem is not None:
            raise DatasetError(f"{arrival.entry.identity} cannot be read: {arrival.problem}")
    layout = _list(source, dataset, staging, format, classes, include_defect_free)
    missing = [fault for fault in layout.faults if fault.kind == _MISSING_MASK]
    unlabelled = tuple(Record(staging.batch / fault.item, fault.item, ()) for fault in missing)
    records = (*layout.records, *unlabelled)
    if groups_csv is None and (staging.batch / "groups.csv").is_file():
        groups_csv = staging.batch / "groups.csv"
    groups = None if groups_csv is None else _groups(groups_csv, records)

    found = Plan(
        replace(layout, groups=groups, threshold=threshold),
        {staging.path(entry): entry for entry in placed},
        frozenset(fault.item for fault in missing),
        (),
        (),
        len(tables),
    )

    def is_new(entry: Entry) -> bool:
        return not ledger.has(entry, include_defect_free=include_defect_free)

    new = tuple(record for record in records if any(is_new(entry) for entry in found.files(record)))
    faults = []
    for fault in layout.faults:
        concerned = found.entries.get(staging.batch / fault.item)
        if fault.kind == _MISSING_MASK:
            continue
        if concerned is not None and fault.severity == "error":
            refused.append((concerned, fault))
        else:
            faults.append(fault)
    faults += _unused(found, records, source.name)
    if others:
        message = f"{others} files are neither images nor tables and are left alone"
        faults.append(Fault("warning", "other-files", source.name, message))
    return replace(
        found,
        layout=replace(found.layout, records=new, faults=()),
        refused=tuple((entry, fault) for entry, fault in refused if is_new(entry)),
        faults=tuple(faults),
    )


def read_batch(
    source: BatchSource,
    todo: Plan,
    dataset: Dataset,
    ledger: Ledger,
    staging: Staging,
    digest: Callable[[Record], Digest],
    pool: Executor,
    advance: Advance,
) -> tuple[list[Digest], int]:
    """Fetch the files of a plan and read each record as soon as it is complete.

    Files that have arrived before, and images that the dataset holds, are not fetched again.

    Returns:
        The records, read, in the order of their names; and how many files were fetched.

    Raises:
        StorageError: The source cannot be read, or the disk refuses; what has arrived is kept.
    """
    images = set(dataset.manifest["image"])
    waiting: dict[str, tuple[Record, set[str]]] = {}
    needed: dict[str, list[str]] = {}
    wanted: dict[str, Entry] = {}
    for record in todo.layout.records:
        missing = set()
        for entry in todo.files(record):
            known = ledger.get(entry)
            held = known is not None and known.outcome == IMAGE and known.etag == entry.etag
            if held and known is not None and known.image in images and not staging.has(entry):
                _borrow(dataset.root / known.image, staging.path(entry))
            if not staging.has(entry):
                missing.add(entry.key)
                needed.setdefault(entry.key, []).append(record.item)
                wanted[entry.key] = entry
        waiting[record.item] = (record, missing)
    for entry, fault in todo.refused:
        # Files with safe names go to quarantine, so they have to come, too.
        if staging.path(entry) in todo.entries and fault.kind != "too-large" and not staging.has(entry):
            wanted[entry.key] = entry

    futures: list[Future[Digest]] = [
        pool.submit(digest, record) for record, missing in waiting.values() if not missing
    ]
    failed: dict[str, Digest] = {}
    orders = [(entry, staging.path(entry)) for _, entry in sorted(wanted.items())]
    try:
        for done, arrival in enumerate(source.fetch(_paired(orders, needed, waiting)), start=1):
            key = arrival.entry.key
            for item in needed.get(key, ()):
                record, missing = waiting[item]
                missing.discard(key)
                if arrival.problem is not None:
                    fault = Fault("error", NOT_READ, item, f"{key}: {arrival.problem}")
                    failed[item] = Digest(record, (fault,))
                elif not missing and item not in failed:
                    futures.append(pool.submit(digest, record))
            advance(done, len(orders), "files fetched")
        digests = [future.result() for future in futures]
    except BaseException:
        for future in futures:
            future.cancel()
        raise
    return sorted([*digests, *failed.values()], key=lambda found: found.item), len(orders)


def _unsafe(key: str) -> Fault | None:
    problem = unsafe_key(key)
    if problem is None:
        return None
    shown = key if key.isprintable() else ascii(key)[1:-1]
    return Fault("error", "unsafe-name", shown[:300], f"{problem}; rename it at the source")


def _paired(
    orders: list[tuple[Entry, Path]],
    needed: dict[str, list[str]],
    waiting: dict[str, tuple[Record, set[str]]],
) -> list[tuple[Entry, Path]]:
    """The files in an order in which images and masks come together, so that reading starts at once."""
    rank = {item: number for number, item in enumerate(waiting)}
    last = len(rank)
    return sorted(
        orders, key=lambda order: min((rank[i] for i in needed.get(order[0].key, ())), default=last)
    )


def _borrow(image: Path, place: Path) -> None:
    place.unlink()
    os.symlink(image.resolve(), place)


def _list(
    source: BatchSource,
    dataset: Dataset,
    staging: Staging,
    format: str,
    classes: Sequence[str] | None,
    include_defect_free: bool,
) -> Layout:
    """The layout of the files that were laid out."""
    if format == "masks":
        (staging.batch / "masks").mkdir(exist_ok=True)  # without it, all images are unlabelled
    try:
        return list_layout(
            format,
            staging.batch,
            include_defect_free=include_defect_free,
            classes=classes,
            known=dataset.classes,
        )
    except DatasetError as error:
        raise DatasetError(str(error).replace(str(staging.batch), source.name)) from error


def _unused(found: Plan, records: Iterable[Record], name: str) -> list[Fault]:
    """Masks without an image."""
    used = {path for record in records for path in (record.image, *(mask for mask, _ in record.masks))}
    unused = sorted(
        entry.key
        for path, entry in found.entries.items()
        if path not in used and path.suffix.lower() in IMAGE_SUFFIXES
    )
    faults = []
    if unused:
        message = f"{len(unused)} files belong to no image and wait for one: {', '.join(unused[:3])}"
        faults.append(Fault("warning", "no-image", name, message + (" ..." if len(unused) > 3 else "")))
    return faults


def _groups(path: Path, records: Iterable[Record]) -> dict[str, str]:
    """Stated groups by item; empty where the table does not name an image."""
    known = read_groups(path)
    items = [record.item for record in records]
    if items and not known.keys() & set(items):
        raise DatasetError(
            f"groups file {path.name} names none of the images; write paths relative to the batch, such as "
            f"{items[0]}"
        )
    return {item: known.get(item, "") for item in items}
