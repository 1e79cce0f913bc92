"""Extending a dataset by a production batch: incremental, leak-free, in one step, safe to repeat.

The batch is laid out in a hidden folder of the dataset, read while it arrives, compared with everything that
the dataset holds, and committed as a whole. An image is the same as another if its pixels are; a repeat
therefore adds nothing, whatever the ledger of known objects says.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from autonad.data.dataset import Dataset
from autonad.data.descriptors import DescriptorFile
from autonad.data.faults import Fault, fault_table, said_once
from autonad.data.fingerprints import FINGERPRINTS, fingerprint_table, fingerprints_of
from autonad.data.ingest.changes import Changes, commit, recover
from autonad.data.ingest.deliveries import Deliveries
from autonad.data.ingest.findings import conflict_severity, looked, reading_findings, summarise
from autonad.data.ingest.ledger import (
    BATCHES,
    INGESTED,
    Batch,
    Ledger,
    free_name,
    listing_digest,
    read_batches,
)
from autonad.data.ingest.listing import Plan, plan
from autonad.data.ingest.merge import Merge
from autonad.data.ingest.own_split import found_split
from autonad.data.ingest.placing import Shown, place_all
from autonad.data.ingest.reading import Advance, Reader
from autonad.data.ingest.settings import IngestSettings, Rules
from autonad.data.ingest.staging import FOLDER, Staging
from autonad.data.layouts.decoding import PECULIAR
from autonad.data.layouts.layout import Layout
from autonad.data.pixels.pixel_reading import READING, Reading
from autonad.data.sanity.judging import judge, judge_splits
from autonad.data.sanity.looked import Expected, Looked
from autonad.errors import DatasetError
from autonad.locks import exclusive
from autonad.storage.source import BatchSource


@dataclass(frozen=True)
class IngestReport:
    """What an ingest did.

    Attributes:
        dataset: The dataset as it is now.
        batch: The new batch with its counts; the one that held this listing already if nothing was new.
        is_new: Whether something was committed.
        fetched: Files that were fetched.
        before: Fingerprint of the dataset before.
        faults: Findings (severity, kind, item, message).
        images: What the new images look like, in figures.
        expected: What they were compared with; None where nothing was committed.
        places: Where they are in the dataset, by item.
        reading: How the batch's pixels were read, in sentences; what is unusual is among the findings.
        joins: Images that show one part.
        quarantined: Items of the batch that are kept in the dataset's quarantine.
    """

    dataset: Dataset
    batch: Batch
    is_new: bool
    fetched: int
    before: str
    faults: pd.DataFrame
    images: tuple[Looked, ...] = ()
    expected: Expected | None = None
    places: Mapping[str, str] = field(default_factory=dict)
    reading: tuple[str, ...] = ()
    joins: tuple[Shown, ...] = ()
    quarantined: int = 0


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
        DatasetError: The request is wrong; the dataset is as it was.
        BusyError: Another process is ingesting into the dataset, or importing it.
        StorageError: The source cannot be reached or the disk refuses; the dataset is as it was, and what
            was fetched is kept for a repeat.
    """
    if name is not None and not re.fullmatch(r"\w[\w.-]{0,63}", name):
        raise DatasetError(
            f"batch name {name!r} is unusable; take letters, digits, '.', '_' and '-', at most 64"
        )
    Dataset.open(root)  # before anything is written next to it
    root = root.resolve()
    with exclusive(root, f"dataset {root}"), ThreadPoolExecutor(settings.workers) as pool:
        recover(root)
        try:
            return _Ingest(root, source, settings, pool, advance).run(name or date.isoformat(), date)
        finally:
            with suppress(OSError):
                (root / FOLDER).rmdir()  # if nothing waits in it for a repeat


@dataclass(frozen=True)
class _Ingest:
    """One ingest, while the dataset is locked."""

    root: Path
    source: BatchSource
    settings: IngestSettings
    pool: ThreadPoolExecutor
    advance: Advance

    def run(self, wanted: str, date: datetime.date) -> IngestReport:
        """List, read, decide, place, commit."""
        dataset, ledger, staging = Dataset.open(self.root), Ledger.open(self.root), Staging(self.root)
        batches = read_batches(self.root)
        entries = self.source.entries()
        if not entries:
            raise DatasetError(f"{self.source.name} holds no files; check the address, or wait for the batch")
        todo = plan(self.source, entries, dataset, ledger, staging, self.settings)
        batch = Batch("", date.isoformat(), self.source.name, listing_digest(entries))
        if todo.is_empty:
            staging.clear()
            same = next((known for known in batches if known.listing == batch.listing), batch)
            faults = fault_table(todo.faults)
            return IngestReport(dataset, same, False, todo.fetched, dataset.fingerprint, faults)
        name = free_name(wanted, {*dataset.manifest["batch"], *(known.name for known in batches)})
        merge, grey, fetched, layout = self._decide(dataset, ledger, staging, todo, replace(batch, name=name))
        stated = todo.layout.groups or {}
        placement = place_all(merge, stated, self.settings)
        own = found_split(todo.layout.records, asked=self.settings.parts.split)
        shown = tuple(looked(digest, merge.rows[image].group) for image, digest in merge.new.items())
        expected = Expected.of(batch.source, self.settings.wish, dataset)
        doubts = judge(shown, expected)
        is_own, before = self.settings.parts.split == "own", dataset.manifest
        shares = None if is_own else self.settings.fractions
        doubts += judge_splits(placement.changes.manifest, merge.classes, shares, before, own=is_own)
        decided = reading_findings(layout.said, batch.source)
        read = said_once([*todo.faults, *own, *merge.faults, *placement.faults], PECULIAR, batch.source)
        faults = fault_table([*read, *decided, *_summary(todo, grey, merge), *doubts])
        if not merge.deliveries.known:  # no file could be read, which says nothing about the next time
            return IngestReport(dataset, batch, False, fetched, dataset.fingerprint, faults)
        done = replace(merge.batch, new_classes=_new_classes(merge))
        about = {**_reading_of(dataset, layout), **({"split": "own"} if is_own else {})}
        changes = replace(placement.changes, about=about)
        commit(self.root, _with_companions(changes, merge, [*batches, done]))
        staging.clear()
        places = {digest.item: image for image, digest in merge.new.items()}
        after = Dataset.open(self.root)
        plain = tuple(one.text for one in layout.said if one.is_plain)
        return IngestReport(
            after,
            done,
            True,
            fetched,
            dataset.fingerprint,
            faults,
            shown,
            expected,
            places,
            plain,
            placement.joins,
            changes.num_kept_apart,
        )

    def _decide(
        self, dataset: Dataset, ledger: Ledger, staging: Staging, todo: Plan, batch: Batch
    ) -> tuple[Merge, int, int, Layout]:
        """What becomes of each file; how many masks were grey, files were fetched; how pixels are read."""

        def described(done: int, total: int) -> None:
            self.advance(done, total, "known images described")

        kept = DescriptorFile(staging.folder)
        prints = fingerprints_of(dataset, self.pool, described, kept)
        pixels = self.settings.pixels
        reader = Reader(self.source, todo, dataset, ledger, staging, self.pool, self.advance, pixels, kept)
        digests, classes, fetched, layout = reader.read()
        merge = Merge(
            dataset,
            dict(zip(dataset.manifest["image"], prints, strict=True)),
            classes,
            Rules(
                self.settings.include_defect_free,
                conflict=conflict_severity(todo.layout.format),
                prefix=batch.name,
            ),
            Deliveries(ledger, todo.entries, batch.name),
            batch,
        )
        for entry, fault in todo.refused:
            path = staging.path(entry)
            merge.refuse(entry, fault, path if path in todo.entries else None)
        for digest in digests:
            merge.take(digest)
        return merge, sum(digest.grey for digest in digests), fetched + todo.fetched, layout


def _reading_of(dataset: Dataset, layout: Layout) -> dict[str, Any]:
    """What classes.json learns of reading pixels: the whole of it, or the depths that are new."""
    known = Reading.from_dict(dataset.about.get(READING))
    images = layout.reading.images
    if known is not None:
        new = replace(known.images, integers=images.integers, floats=images.floats)
        if new == known.images:
            return {}
        return {READING: replace(known, images=new).to_dict()}
    return {READING: layout.reading.to_dict()}


def _with_companions(changes: Changes, merge: Merge, batches: list[Batch]) -> Changes:
    """Changes with what belongs to an extended manifest: fingerprints, ledger, batches, classes."""
    deliveries = merge.deliveries
    return replace(
        changes,
        classes=merge.classes if _new_classes(merge) else None,
        tables={
            FINGERPRINTS: fingerprint_table(changes.manifest, merge.fingerprints),
            INGESTED: deliveries.ledger.extended(deliveries.known).table(),
        },
        documents={BATCHES: [batch.to_dict() for batch in batches]},
    )


def _new_classes(merge: Merge) -> tuple[str, ...]:
    return merge.classes[merge.dataset.num_classes :]


def _summary(todo: Plan, grey: int, merge: Merge) -> list[Fault]:
    """Findings that concern several images of the batch."""
    name, new_classes = merge.batch.source, _new_classes(merge)
    faults = summarise(
        todo.layout, name, grey=grey, images=merge.batch.images, defect_free=merge.batch.defect_free
    )
    if new_classes:
        message = (
            f"{', '.join(new_classes)}: the dataset did not have that; models know nothing of it until a "
            "search and a training have seen it (`autonad decide` will call for them)"
        )
        faults.append(Fault("warning", "new-class", name, message))
    return faults
