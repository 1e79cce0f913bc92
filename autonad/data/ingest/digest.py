"""One image of a batch with its mask, read and described: what deciding about it and storing it needs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from autonad.data.faults import Fault
from autonad.data.fingerprints import Fingerprint
from autonad.data.images import IGNORE, encode_png, is_portable
from autonad.data.layouts.layout import Layout, Record, decode_record
from autonad.files import write_bytes_atomic

_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Digest:
    """One record, read. After a fault of severity "error" only the first two and `grey` mean something.

    Attributes:
        record: Where it came from.
        faults: Found while reading.
        grey: Whether a mask of one class held more than two values.
        values: bool (256,), values in its mask's file before they were interpreted; None unless there is one.
        fingerprint: How it is recognised; its labels are empty without a mask.
        size: Height and width, pixels.
        pixels: Pixels of each class of the dataset; all zero without a mask.
        image: The file to keep, in `.ingest/`.
        sha256: Of that file.
        mask: The index mask to keep; None without a mask.
        mask_sha256: Of that file; empty without a mask.
        empty: Whether it has a mask and that shows no defect.
    """

    record: Record
    faults: tuple[Fault, ...] = ()
    grey: bool = False
    values: np.ndarray | None = None
    fingerprint: Fingerprint | None = None
    size: tuple[int, int] = (0, 0)
    pixels: tuple[int, ...] = ()
    image: Path = Path()
    sha256: str = ""
    mask: Path | None = None
    mask_sha256: str = ""
    empty: bool = False

    @property
    def item(self) -> str:
        """Its name in the batch."""
        return self.record.item

    @property
    def error(self) -> Fault | None:
        """Why it cannot be used, if it cannot."""
        return next((fault for fault in self.faults if fault.severity == "error"), None)


@dataclass(frozen=True)
class Digester:
    """Reads records of one layout; safe to be used by several threads.

    Attributes:
        layout: What the masks mean.
        unlabelled: Items that have no mask.
        indices: uint8 (256,), index in the dataset of each class index of the layout; 255 stays.
        num_classes: Classes of the dataset, those included that the batch brings.
        made: Folder for files that have to be encoded anew.
    """

    layout: Layout
    unlabelled: frozenset[str]
    indices: np.ndarray
    num_classes: int
    made: Path

    @cached_property
    def _renames(self) -> bool:
        count = len(self.layout.classes)
        return self.indices[:count].tolist() != list(range(count))

    def digest(self, record: Record) -> Digest:
        """Read one record; a faulty one carries its fault."""
        found = decode_record(self.layout, record)
        if found.image is None or found.mask is None:
            return Digest(record, found.faults, found.grey)
        labelled = record.item not in self.unlabelled
        mask = (self.indices[found.mask] if self._renames else found.mask) if labelled else None
        name = hashlib.sha256(record.item.encode()).hexdigest()[:32]
        image, content = record.image, found.content
        if not is_portable(content):
            content = encode_png(found.image)
            image = self.made / f"{name}.image.png"
            write_bytes_atomic(image, content)
        digest = Digest(
            record,
            found.faults,
            found.grey,
            fingerprint=Fingerprint.of(found.image, mask),
            size=(found.image.shape[0], found.image.shape[1]),
            pixels=(0,) * self.num_classes,
            image=image,
            sha256=hashlib.sha256(content).hexdigest(),
        )
        if mask is None:
            return digest
        counts = np.bincount(mask.ravel(), minlength=256)
        kept, mask_content = self._keep(record, found.mask, mask, name)
        return replace(
            digest,
            values=found.values,
            pixels=tuple(counts[: self.num_classes].tolist()),
            mask=kept,
            mask_sha256=hashlib.sha256(mask_content).hexdigest(),
            empty=not counts[1:IGNORE].any(),
        )

    def _keep(self, record: Record, raw: np.ndarray, mask: np.ndarray, name: str) -> tuple[Path, bytes]:
        """The mask's file and content: the one that came, if it is an index mask of the dataset already."""
        if len(record.masks) == 1 and record.masks[0][1] is None and mask is raw:
            path = record.masks[0][0]
            content = path.read_bytes()
            if _is_index_png(content):
                return path, content
        path, content = self.made / f"{name}.mask.png", encode_png(mask)
        path.write_bytes(content)
        return path, content


def class_indices(layout: tuple[str, ...], dataset: tuple[str, ...]) -> np.ndarray:
    """Index in the dataset of each class index of a layout, uint8 (256,); others, and "ignore", are 255."""
    indices = np.full(256, IGNORE, dtype=np.uint8)
    for index, name in enumerate(layout):
        if name in dataset:
            indices[index] = dataset.index(name)
    return indices


def _is_index_png(content: bytes) -> bool:
    """Whether the bytes are a PNG of 8 bits, grey or with a palette, whose samples are the indices."""
    return content.startswith(_PNG) and content[24] == 8 and content[25] in {0, 3}
