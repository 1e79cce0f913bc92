"""One image of a batch with its mask, read and described: what deciding about it and storing it needs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from autonad.data.descriptors import DescriptorFile
from autonad.data.faults import Fault
from autonad.data.fingerprints import Fingerprint
from autonad.data.histogram import count_values
from autonad.data.images import IGNORE, encode_png, is_portable
from autonad.data.layouts.decoding import Decoded, decode_record
from autonad.data.layouts.layout import Layout, Record
from autonad.data.sanity.measures import Measures
from autonad.errors import StorageError

_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class Digest:
    """One record, read. After a fault of severity "error" only the first two and `grey` mean something.

    Attributes:
        record: Where it came from.
        faults: Found while reading.
        grey: Whether a mask of one class held more than two values.
        fingerprint: How it is recognised; its labels are empty without a mask.
        size: Height and width, pixels.
        pixels: Pixels of each class of the dataset; all zero without a mask.
        image: The file to keep, where it waits.
        sha256: Of that file.
        mask: The index mask to keep; None without a mask.
        mask_sha256: Of that file; empty without a mask.
        empty: Whether it has a mask and that shows no defect.
        measures: What its image and mask look like, in figures.
    """

    record: Record
    faults: tuple[Fault, ...] = ()
    grey: bool = False
    fingerprint: Fingerprint | None = None
    size: tuple[int, int] = (0, 0)
    pixels: tuple[int, ...] = ()
    image: str = ""
    sha256: str = ""
    mask: str | None = None
    mask_sha256: str = ""
    empty: bool = False
    measures: Measures | None = None

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
        indices: uint8 (256,), index in the dataset of each class index of the layout; 255 stays.
        num_classes: Classes of the dataset, those included that the batch brings.
        made: Folder for files that have to be written anew; None keeps no files.
        unlabelled: Items that have no mask.
        is_staged: The records' files may become the dataset's as they are. If not, all are written anew.
        descriptors: Where descriptors are kept; None keeps them in memory.
    """

    layout: Layout
    indices: np.ndarray
    num_classes: int
    made: Path | None
    unlabelled: frozenset[str] = frozenset()
    is_staged: bool = True
    descriptors: DescriptorFile | None = None

    @classmethod
    def of_layout(cls, layout: Layout, made: Path | None) -> Digester:
        """For a layout of its own, whose classes are the dataset's."""
        indices = class_indices(layout.classes, layout.classes)
        descriptors = None if made is None else DescriptorFile(made)
        return cls(layout, indices, len(layout.classes), made, is_staged=False, descriptors=descriptors)

    @cached_property
    def _renames(self) -> bool:
        count = len(self.layout.classes)
        return self.indices[:count].tolist() != list(range(count))

    def digest(self, record: Record) -> Digest:
        """Read one record; a faulty one carries its fault.

        Raises:
            StorageError: The disk refuses.
        """
        found = decode_record(self.layout, record)
        if found.image is None or found.mask is None:
            return Digest(record, found.faults, found.grey)
        mask = None
        if record.item not in self.unlabelled:
            mask = self.indices[found.mask] if self._renames else found.mask
        counts = np.zeros(256, int) if mask is None else count_values(mask)
        measures = Measures.of(found.image, mask)
        digest = Digest(
            record,
            found.faults,
            found.grey,
            fingerprint=Fingerprint.of(found.image, mask, self.descriptors),
            size=measures.size,
            pixels=tuple(counts[: self.num_classes].tolist()),
            empty=mask is not None and not counts[1:IGNORE].any(),
            measures=measures,
        )
        return digest if self.made is None else self._keep(digest, found, mask, self.made)

    def _keep(self, digest: Digest, found: Decoded, mask: np.ndarray | None, made: Path) -> Digest:
        """The digest with the files to keep: those that came, if a dataset may hold them as they are."""
        assert found.image is not None
        record = found.record
        name = hashlib.sha256(record.item.encode()).hexdigest()[:32]
        image, content = record.image, found.content
        is_kept = found.is_plain and is_portable(content)
        is_staged = self.is_staged and not record.is_embedded
        if not is_kept:
            content, image = encode_png(found.image), made / f"{name}.image.png"
        elif not is_staged:
            image = made / f"{name}.image{_suffix(record, content)}"
        if not (is_kept and is_staged):
            _write(image, content)
        digest = replace(digest, image=str(image), sha256=hashlib.sha256(content).hexdigest())
        if mask is None:
            return digest
        if self.is_staged and found.is_own_mask and mask is found.mask:
            path = record.masks[0][0]
            content = path.read_bytes()
            if _is_index_png(content):
                return replace(digest, mask=str(path), mask_sha256=hashlib.sha256(content).hexdigest())
        path, content = made / f"{name}.mask.png", encode_png(mask)
        _write(path, content)
        return replace(digest, mask=str(path), mask_sha256=hashlib.sha256(content).hexdigest())


def _suffix(record: Record, content: bytes) -> str:
    """The suffix of an image file that is kept as it came."""
    if record.is_embedded:
        return ".png" if content.startswith(_PNG) else ".bmp" if content.startswith(b"BM") else ".jpg"
    return record.image.suffix.lower()


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error.strerror or error}; free some space, then repeat the command (the "
            "dataset is as it was)"
        ) from error


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
