"""Which file of a batch became what: the new entries of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from autonad.data.ingest.ledger import CONFLICT, IMAGE, MASK, Known, Ledger
from autonad.data.layouts.layout import Record
from autonad.storage.source import Entry


@dataclass
class Deliveries:
    """The files of a batch, before and after.

    Attributes:
        ledger: The objects that the dataset knows.
        entries: The batch's files by the path at which they wait; empty where nobody will deliver again.
        batch: The batch's name.
        known: What became of the files.
    """

    ledger: Ledger
    entries: Mapping[Path, Entry]
    batch: str
    known: list[Known] = field(default_factory=list)
    _annotations: set[Path] = field(default_factory=set)

    def key(self, record: Record) -> str:
        """The key of a record's image; empty where nobody will deliver again."""
        entry = self.entries.get(record.image)
        return "" if entry is None else entry.identity

    def before(self, record: Record) -> Known | None:
        """What an image was under this very key when it came before."""
        entry = self.entries.get(record.image)
        return None if entry is None else self.ledger.get(entry)

    def owns(self, record: Record, image: str) -> bool:
        """Whether an image was delivered under this very key, so that changed masks beside it correct it."""
        known = self.before(record)
        return known is not None and known.outcome == IMAGE and known.image == image

    def remember(self, record: Record, image_outcome: str, mask_outcome: str, image: str) -> None:
        """Note what became of a record, of its masks, and its place or its rival; see `Known`.

        An annotation file that several records share is dealt with once one of them is.
        """
        for path in record.files[1 + len(record.mask_places) :]:
            entry = self.entries.get(path)
            if entry is not None and path != record.image and path not in self._annotations:
                self._annotations.add(path)
                self.remember_file(entry, MASK)
        for path, outcome in (
            (record.image, image_outcome),
            *((mask, mask_outcome) for mask, _ in record.masks),
        ):
            entry = self.entries.get(path)
            if entry is None:
                continue
            before = self.ledger.get(entry)
            is_kept = bool(image) and image_outcome != CONFLICT
            if not is_kept and before is not None and before.outcome == IMAGE and before.etag == entry.etag:
                continue  # the image stays in the dataset; its new mask is of no use
            self.remember_file(entry, outcome, image)

    def remember_file(self, entry: Entry, outcome: str, image: str = "") -> None:
        """Note what became of one file."""
        self.known.append(Known(entry.identity, entry.etag, self.batch, outcome, image))
