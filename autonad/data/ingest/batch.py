"""Extending a dataset by a production batch: incremental, leak-free, in one step, safe to repeat.

The batch is laid out in a hidden folder of the dataset, read while it arrives, compared with everything that
the dataset holds, and committed as a whole. An image is the same as another if its pixels are; a repeat
therefore adds nothing, whatever the ledger of known objects says.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from autonad.data.dataset import Dataset
from autonad.data.faults import Fault, fault_table
from autonad.data.fingerprints import fingerprints_of
from autonad.data.ingest.arrival import NOT_READ, Plan, plan, read_batch
from autonad.data.ingest.commit import commit, recover
from autonad.data.ingest.digest import Digest, Digester, class_indices
from autonad.data.ingest.ledger import BATCHES, Batch, Ledger, free_name, listing_digest, read_batches
from autonad.data.ingest.lock import exclusive
from autonad.data.ingest.merge import Merge
from autonad.data.ingest.staging import FOLDER, Staging
from autonad.data.layouts.layout import Layout
from autonad.data.layouts.mask_folders import is_index, refuse_binary
from autonad.errors import DatasetError
from autonad.storage.source import BatchSource

Advance = Callable[[int, int, str], None]


@dataclass(frozen=True)
class IngestSettings:
    """How a batch is read and split.

    Attributes:
        format: Layout of the batch, one of `formats.FORMATS`.
        classes: Names of the batch's defect classes, for index masks that mean others than the dataset's.
        groups_csv: Which images show one part; None looks for `groups.csv` in the batch.
        include_defect_free: Keep images whose mask shows no defect.
        threshold: In masks of one class, larger values are defect.
        fractions: Shares of train, val and test that new parts are dealt out towards.
        seed: Of the split.
        max_bytes: Larger files are refused.
        workers: Threads that decode.
    """

    format: str = "masks"
    classes: tuple[str, ...] | None = None
    groups_csv: Path | None = None
    include_defect_free: bool = False
    threshold: int = 127
    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2)
    seed: int = 0
    max_bytes: int = 100 * 2**20
    workers: int = 2


@dataclass(frozen=True)
class IngestReport:
    """What an ingest did.

    Attributes:
        dataset: The dataset as it is now.
        batch: The new batch with its counts; the one that held this listing already if nothing was new.
        is_new: Whether something was committed.
        fetched: Files that were fetched.
        before: Fingerprint of the dataset before.
        faults: Findings (severity, kind, item, message); errors name what went to quarantine.
    """

    dataset: Dataset
    batch: Batch
    is_new: bool
    fetched: int
    before: str
    faults: pd.DataFrame


def ingest_batch(
    root: Path,
    source: BatchSource,
    settings: IngestSettings,
    *,
    name: str | None = None,
    date: datetime.date,
    advance: Advance = lambda done, total, text: None,
) -> IngestReport:
    """Ingest what is new in a source into a dataset.

    Args:
        root: The dataset.
        source: Where the batch is.
        settings: How to read and split it.
        name: Name of the batch; None takes the date. A number is appended if it is taken.
        date: Day of the ingest.
        advance: Told how far the work has come.

    Returns:
        What was done, and everything that was found wrong.

    Raises:
        DatasetError: The request is wrong, or another process is ingesting; the dataset is as it was.
        StorageError: The source cannot be reached or the disk refuses; the dataset is as it was, and what
            was fetched is kept for a repeat.
    """
    if name is not None and not re.fullmatch(r"\w[\w.-]{0,63}", name):
        raise DatasetError(
            f"batch name {name!r} is unusable; take letters, digits, '.', '_' and '-', at most 64"
        )
    Dataset.open(root)  # before anything is written next to it
    root = root.resolve()
    with exclusive(root, root / FOLDER), ThreadPoolExecutor(settings.workers) as pool:
        recover(root)
        return _ingest(root, source, settings, name or date.isoformat(), date, pool, advance)


def _ingest(
    root: Path,
    source: BatchSource,
    settings: IngestSettings,
    wanted: str,
    date: datetime.date,
    pool: ThreadPoolExecutor,
    advance: Advance,
) -> IngestReport:
    dataset, ledger, staging = Dataset.open(root), Ledger.open(root), Staging(root)
    batches = read_batches(root)
    entries = source.entries()
    if not entries:
        raise DatasetError(f"{source.name} holds no files; check the address, or wait for the batch")
    todo = plan(
        source,
        entries,
        dataset,
        ledger,
        staging,
        format=settings.format,
        classes=settings.classes,
        groups_csv=settings.groups_csv,
        include_defect_free=settings.include_defect_free,
        threshold=settings.threshold,
        max_bytes=settings.max_bytes,
    )
    listing = listing_digest(entries)
    batch = Batch("", date.isoformat(), source.name, listing)
    if todo.is_empty:
        staging.clear()
        same = (known for known in batches if known.listing == listing)
        return IngestReport(
            dataset, next(same, batch), False, todo.fetched, dataset.fingerprint, fault_table(todo.faults)
        )
    prints = fingerprints_of(dataset, pool, lambda n, of: advance(n, of, "known images described"))
    digests, classes, fetched = _read(todo, source, dataset, ledger, staging, pool, advance)
    name = free_name(wanted, {*dataset.manifest["batch"], *(known.name for known in batches)})
    merge = Merge(
        dataset,
        dict(zip(dataset.manifest["image"], prints, strict=True)),
        ledger,
        todo,
        classes,
        replace(batch, name=name),
        settings.include_defect_free,
    )
    for entry, fault in todo.refused:
        path = staging.path(entry)
        merge.refuse(entry, fault, path if path in todo.entries else None)
    for digest in digests:
        merge.take(digest)
    changes = merge.finish(settings.fractions, settings.seed)
    faults = [*todo.faults, *merge.faults, *_summary(todo, digests, merge, source.name)]
    fetched += todo.fetched
    if not merge.known:  # no file could be read, which says nothing about the next time
        return IngestReport(dataset, batch, False, fetched, dataset.fingerprint, fault_table(faults))
    changes.documents[BATCHES] = [known.to_dict() for known in (*batches, merge.batch)]
    commit(root, changes)
    staging.clear()
    return IngestReport(
        Dataset.open(root), merge.batch, True, fetched, dataset.fingerprint, fault_table(faults)
    )


def _read(
    todo: Plan,
    source: BatchSource,
    dataset: Dataset,
    ledger: Ledger,
    staging: Staging,
    pool: ThreadPoolExecutor,
    advance: Advance,
) -> tuple[list[Digest], tuple[str, ...], int]:
    """The new records, read; the classes of the dataset with those that the batch brings; files fetched."""

    def digester(layout: Layout, classes: tuple[str, ...]) -> Digester:
        indices = class_indices(layout.classes, classes)
        return Digester(layout, todo.unlabelled, indices, len(classes), staging.made)

    layout = todo.layout
    classes = (*dataset.classes, *(name for name in layout.classes if name not in dataset.classes))
    digests, fetched = read_batch(
        source, todo, dataset, ledger, staging, digester(layout, classes).digest, pool, advance
    )
    arrived = {d.item for d in digests if all(fault.kind != NOT_READ for fault in d.faults)}

    def again(layout: Layout, classes: tuple[str, ...]) -> list[Digest]:
        repeat = digester(layout, classes).digest
        fresh = pool.map(repeat, [record for record in layout.records if record.item in arrived])
        return [*fresh, *(digest for digest in digests if digest.item not in arrived)]

    # What the masks mean is only certain once all of them have been read.
    meant = _interpreted(layout, digests, source.name)
    if meant is not layout:
        digests = again(meant, classes)
    shown = np.zeros(len(classes), dtype=np.int64)
    for digest in digests:
        if digest.pixels:
            shown += digest.pixels
    kept = tuple(
        name for name, n in zip(classes, shown.tolist(), strict=True) if n or name in dataset.classes
    )
    if kept != classes:  # a class that the batch names and does not show is not brought
        digests = again(meant, kept)
    return sorted(digests, key=lambda digest: digest.item), kept, fetched


def _interpreted(layout: Layout, digests: Sequence[Digest], name: str) -> Layout:
    """The layout with masks listed as what they turned out to be."""
    values = [digest.values for digest in digests if digest.values is not None]
    if not layout.assumed or not values:
        return layout
    present = np.any(values, axis=0)
    if len(layout.classes) > 2:
        refuse_binary(present, len(layout.classes), name)
        return layout
    if not is_index(present):
        return layout
    records = [
        replace(record, masks=tuple((path, None) for path, _ in record.masks)) for record in layout.records
    ]
    return replace(layout, records=tuple(records))


def _summary(todo: Plan, digests: Sequence[Digest], merge: Merge, name: str) -> list[Fault]:
    """Findings that concern several images of the batch."""
    faults = []
    grey = sum(digest.grey for digest in digests)
    if grey:
        message = f"{grey} masks hold grey values; values above {todo.layout.threshold} are taken as defect"
        faults.append(Fault("warning", "grey-masks", name, message))
    if merge.batch.defect_free:
        message = (
            f"{merge.batch.defect_free} images without defects are left out; set data.include_defect_free to "
            "keep them"
        )
        faults.append(Fault("warning", "defect-free", name, message))
    if todo.layout.groups is None and merge.batch.images:
        message = (
            "there is no groups.csv; only near-duplicates are kept together, not other views of the same part"
        )
        faults.append(Fault("warning", "no-groups", name, message))
    if merge.batch.new_classes:
        message = (
            f"{', '.join(merge.batch.new_classes)}: the dataset did not have that; models know nothing of it "
            "until a search and a training have seen it (`autonad decide` will call for them)"
        )
        faults.append(Fault("warning", "new-class", name, message))
    return faults
