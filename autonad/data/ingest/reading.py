"""Fetching what is new in a batch and reading it while it arrives."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from autonad.data.dataset import Dataset
from autonad.data.descriptors import DescriptorFile
from autonad.data.faults import Fault
from autonad.data.ingest.digest import Digest, Digester, class_indices
from autonad.data.ingest.ledger import IMAGE, Ledger
from autonad.data.ingest.listing import Plan
from autonad.data.ingest.merge import NOT_READ
from autonad.data.ingest.ordering import Bounded, in_order
from autonad.data.ingest.staging import Staging
from autonad.data.layouts.interpreting import settle
from autonad.data.layouts.layout import Layout, Record
from autonad.data.pixels.pixel_options import PixelOptions
from autonad.data.pixels.pixel_reading import READING, Reading
from autonad.storage.source import BatchSource, Entry

Advance = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Reader:
    """Reads the new records of a batch.

    Attributes:
        source: Where the batch is.
        todo: What is new in it.
        dataset: What it is to extend.
        ledger: The objects that the dataset knows.
        staging: Where the batch is laid out.
        pool: Where images are decoded.
        advance: Told how many of how many files have come.
        pixels: What a user states about pixels.
        descriptors: Where descriptors are kept.
    """

    source: BatchSource
    todo: Plan
    dataset: Dataset
    ledger: Ledger
    staging: Staging
    pool: Executor
    advance: Advance
    pixels: PixelOptions
    descriptors: DescriptorFile

    def read(self) -> tuple[list[Digest], tuple[str, ...], int, Layout]:
        """Fetch and read what is new.

        Files that have arrived before, and images that the dataset holds, are not fetched again.

        Returns:
            The records, read, in the order of their names; the classes of the dataset with those that the
            batch brings; how many files were fetched; the layout with how its pixels are read.

        Raises:
            DatasetError: The masks cannot tell their classes.
            StorageError: The source cannot be read, or the disk refuses; what has arrived is kept.
        """
        before = Reading.from_dict(self.dataset.about.get(READING)) or Reading()
        layout, known = replace(self.todo.layout, reading=before), self.dataset.classes
        classes = (*known, *(name for name in layout.classes if name not in known))
        digests, fetched = self._fetch(self._digester(layout, classes))
        # What the pixels mean is only certain once all of them have come.
        meant = self._settled(layout, digests)
        if (meant.reading, _meanings(meant)) != (layout.reading, _meanings(layout)):
            digests = self._again(digests, meant, classes)
        shown = np.zeros(len(classes), dtype=np.int64)
        for digest in digests:
            if digest.pixels:
                shown += digest.pixels
        kept = tuple(name for name, n in zip(classes, shown.tolist(), strict=True) if n or name in known)
        if kept != classes:  # a class that the batch names and does not show is not brought
            digests = self._again(digests, meant, kept)
        return sorted(digests, key=lambda digest: digest.item), kept, fetched, meant

    def _settled(self, layout: Layout, digests: Sequence[Digest]) -> Layout:
        """The layout with what the files that have arrived tell about reading them."""
        items = {d.item for d in digests if any(fault.kind == NOT_READ for fault in d.faults)}
        records = tuple(record for record in layout.records if record.item not in items)
        arrived = replace(layout, records=records, source=Path(self.source.name))
        settled = settle(arrived, self.pixels, layout.reading)
        absent = tuple(record for record in layout.records if record.item in items)
        return replace(settled, records=(*settled.records, *absent), source=layout.source)

    def _digester(self, layout: Layout, classes: tuple[str, ...]) -> Digester:
        indices = class_indices(layout.classes, classes)
        return Digester(
            layout,
            indices,
            len(classes),
            self.staging.made,
            self.todo.unlabelled,
            descriptors=self.descriptors,
        )

    def _again(self, digests: Sequence[Digest], layout: Layout, classes: tuple[str, ...]) -> list[Digest]:
        """Read once more what has arrived."""
        absent = [d for d in digests if any(fault.kind == NOT_READ for fault in d.faults)]
        items = {digest.item for digest in absent}
        records = [record for record in layout.records if record.item not in items]
        return [*in_order(self.pool, self._digester(layout, classes).digest, records), *absent]

    def _fetch(self, digester: Digester) -> tuple[list[Digest], int]:
        """Fetch what is missing, and read each record as soon as it is complete."""
        waiting = [self._waiting(record) for record in self.todo.layout.records]
        orders = self._orders(waiting)
        needed: dict[str, list[_Waiting]] = {}
        for one in waiting:
            for key in one.missing:
                needed.setdefault(key, []).append(one)
        failed: dict[str, Digest] = {}
        reading = Bounded(self.pool, digester.digest)
        try:
            for one in waiting:
                if not one.missing:
                    reading.add(one.record)
            for done, arrival in enumerate(self.source.fetch(orders), start=1):
                for one in needed.get(arrival.entry.key, ()):
                    one.missing.discard(arrival.entry.key)
                    if arrival.problem is not None:
                        message = f"{arrival.entry.key}: {arrival.problem}"
                        fault = Fault("error", NOT_READ, one.record.item, message)
                        failed[one.record.item] = Digest(one.record, (fault,))
                    elif not one.missing and one.record.item not in failed:
                        reading.add(one.record)
                self.advance(done, len(orders), "files fetched")
            digests = reading.results()
        except BaseException:
            reading.cancel()
            raise
        return sorted([*digests, *failed.values()], key=lambda found: found.item), len(orders)

    def _waiting(self, record: Record) -> _Waiting:
        """A record with what has to be fetched for it; an image that the dataset holds is linked."""
        missing = set()
        for entry in self.todo.files(record):
            known = self.ledger.get(entry)
            is_held = known is not None and known.outcome == IMAGE and known.etag == entry.etag
            if is_held and known is not None and known.image in self._images and not self.staging.has(entry):
                _borrow(self.dataset.root / known.image, self.staging.path(entry))
            if not self.staging.has(entry):
                missing.add(entry.key)
        return _Waiting(record, missing)

    @cached_property
    def _images(self) -> frozenset[str]:
        return frozenset(self.dataset.manifest["image"])

    def _orders(self, waiting: Sequence[_Waiting]) -> list[tuple[Entry, Path]]:
        """The files to fetch, so that images and masks come together and reading starts at once."""
        wanted: dict[str, Entry] = {}
        rank: dict[str, int] = {}
        for number, one in enumerate(waiting):
            for entry in self.todo.files(one.record):
                if entry.key in one.missing:
                    wanted[entry.key] = entry
                    rank.setdefault(entry.key, number)
        for entry, fault in self.todo.refused:
            # Files with safe names go to quarantine, so they have to come, too.
            is_placed = self.staging.path(entry) in self.todo.entries
            if is_placed and fault.kind != "too-large" and not self.staging.has(entry):
                wanted[entry.key] = entry
        order = sorted(wanted.values(), key=lambda entry: (rank.get(entry.key, len(waiting)), entry.key))
        return [(entry, self.staging.path(entry)) for entry in order]


@dataclass
class _Waiting:
    """A record and the keys of its files that have not arrived."""

    record: Record
    missing: set[str]


def _borrow(image: Path, place: Path) -> None:
    place.unlink()
    os.symlink(image.resolve(), place)


def _meanings(layout: Layout) -> dict[str, tuple[int | None, ...]]:
    """Which class each mask of a layout shows, by item."""
    return {record.item: tuple(index for _, index in record.mask_places) for record in layout.records}
