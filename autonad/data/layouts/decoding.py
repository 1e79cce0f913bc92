"""Records of a layout, read: image and index mask, or the fault that keeps them apart."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autonad.data.annotations.labelme import embedded_image
from autonad.data.faults import Fault
from autonad.data.histogram import count_values
from autonad.data.images import IGNORE, decode_image, read_mask
from autonad.data.layouts.layout import Drawing, Layout, Record
from autonad.errors import DatasetError


@dataclass(frozen=True)
class Decoded:
    """One record, read. `image` and `mask` are None if `faults` holds an error.

    Attributes:
        record: Where it came from.
        content: Bytes of the image file.
        image: uint8 (H, W, 3).
        mask: uint8 (H, W) of class indices, 255 = ignore.
        grey: Whether a mask of one class held more than two values.
        values: bool (256,), the values in the mask's file; None unless it is a single grey one.
        faults: Found while reading.
    """

    record: Record
    content: bytes = b""
    image: np.ndarray | None = None
    mask: np.ndarray | None = None
    grey: bool = False
    values: np.ndarray | None = None
    faults: tuple[Fault, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether the mask was read and shows no defect."""
        return self.mask is not None and not ((self.mask != 0) & (self.mask != IGNORE)).any()


def decode_record(layout: Layout, record: Record) -> Decoded:
    """Read one record of a layout; a faulty one carries its fault."""
    try:
        content = embedded_image(record.image) if record.is_embedded else record.image.read_bytes()
        image = decode_image(content, Path(record.item))
    except OSError as error:
        return _faulty(record, "unreadable", f"the image cannot be read: {error.strerror}")
    except DatasetError as error:
        return _faulty(record, "unreadable", str(error))
    if record.drawing is not None:
        return _drawn(record, record.drawing, content, image)
    try:
        mask, grey, overlap, values = _labels(layout, record, (image.shape[0], image.shape[1]))
    except _MaskFault as fault:
        return _faulty(record, fault.kind, str(fault))
    found = []
    if overlap:
        found.append(
            Fault(
                "warning",
                "overlap",
                record.item,
                f"{overlap} pixels belong to several classes; they are ignored (255)",
            )
        )
    return Decoded(record, content, image, mask, grey, values, tuple(found))


def _drawn(record: Record, drawing: Drawing, content: bytes, image: np.ndarray) -> Decoded:
    try:
        mask, found = drawing.draw((image.shape[0], image.shape[1]))
    except DatasetError as error:
        return _faulty(record, "annotation", str(error))
    return Decoded(record, content, image, mask, faults=tuple(found))


def _labels(
    layout: Layout, record: Record, shape: tuple[int, int]
) -> tuple[np.ndarray, bool, int, np.ndarray | None]:
    """Index mask, whether a one-class mask was grey, pixels claimed by several classes, the file's values."""
    result = np.zeros(shape, dtype=np.uint8)
    claims = np.zeros(shape, dtype=np.uint8)
    grey, values = False, None
    for path, index in record.masks:
        try:
            mask = read_mask(path)
        except DatasetError as error:
            raise _MaskFault("unreadable", str(error)) from error
        if mask.shape[:2] != shape:
            raise _MaskFault(
                "size-mismatch",
                f"the image is {shape[0]} × {shape[1]} pixels, its mask {path.name} {mask.shape[0]} × "
                f"{mask.shape[1]}; give both the same size",
            )
        if index is None:
            mask = _indices(layout, path, mask)
            values = _values(mask)
            first = len(layout.classes)
            unknown = [first + int(v) for v in np.flatnonzero(values[first:IGNORE])]
            if unknown:
                raise _MaskFault(
                    "unknown-value",
                    f"mask {path.name} holds the values {unknown[:8]}; the classes "
                    f"{', '.join(layout.classes)} have the indices 0 to {len(layout.classes) - 1}, and 255 "
                    "is ignored",
                )
            return mask, False, 0, values
        if mask.ndim == 3:
            raise _MaskFault(
                "colour-mask", f"mask {path.name} is a colour image; save it as grey values 0 and 255"
            )
        # A one-bit or 0/1 mask has no value above the threshold, and means every non-zero pixel.
        defect = mask > (layout.threshold if mask.max(initial=0) > 1 else 0)
        values = _values(mask)
        grey |= int(values.sum()) > 2
        result[defect] = index
        claims += defect
    overlap = claims > 1
    result[overlap] = IGNORE
    return result, grey, int(overlap.sum()), values if len(record.masks) == 1 else None


def _values(mask: np.ndarray) -> np.ndarray:
    return count_values(mask) > 0


def _indices(layout: Layout, path: Path, mask: np.ndarray) -> np.ndarray:
    if mask.ndim == 2:
        return mask
    known = layout.colours or {}
    packed = mask.astype(np.uint32) @ np.array([65536, 256, 1], dtype=np.uint32)
    result = np.zeros(mask.shape[:2], dtype=np.uint8)
    for value in np.unique(packed):
        colour = (int(value) >> 16, int(value) >> 8 & 255, int(value) & 255)
        if colour not in known:
            raise _MaskFault(
                "unknown-value",
                f"mask {path.name} holds the colour {colour}, which stands for no class; "
                "save one class index per pixel",
            )
        result[packed == value] = known[colour]
    return result


class _MaskFault(Exception):
    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def _faulty(record: Record, kind: str, message: str) -> Decoded:
    return Decoded(record, faults=(Fault("error", kind, record.item, message),))
