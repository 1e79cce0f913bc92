"""Records of a layout, read: image and index mask, or the fault that keeps them apart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from autonad.data.annotations.labelme import embedded_image
from autonad.data.faults import Fault
from autonad.data.images import IGNORE
from autonad.data.layouts.layout import Drawing, Layout, Record
from autonad.data.layouts.turning import meaning_of
from autonad.data.pixels.containers import Header, Opened
from autonad.data.pixels.image_files import DAMAGED_EXIF, STORED, TRANSPARENT, read_image_file
from autonad.data.pixels.labelling import Labels, MaskFault, label
from autonad.data.pixels.mask_files import MaskFile, read_mask_file
from autonad.data.pixels.pixel_options import shown_key
from autonad.errors import DatasetError

SOFT_EDGES = "soft-edges"
# What is said of an image whose file is peculiar; `said_once` says it once of all.
PECULIAR = {
    DAMAGED_EXIF: "damaged EXIF was left out; the pixels are as stored",
    TRANSPARENT: "transparent pixels were laid on black",
    SOFT_EDGES: "soft edges in its mask, between two values that mean something, are ignored",
    STORED: "its EXIF turns it, but its mask fits the pixels as stored; both are kept so",
}


@dataclass(frozen=True)
class Decoded:
    """One record, read. `image` and `mask` are None if `faults` holds an error.

    Attributes:
        record: Where it came from.
        content: Bytes of the image file.
        image: uint8 (H, W, 3).
        mask: uint8 (H, W) of class indices, 255 = ignore.
        grey: Whether a mask of one class held more than two values.
        faults: Found while reading.
        is_plain: Whether the image's file shows these pixels to every reader.
        is_own_mask: Whether the mask is what the samples of its one file are.
    """

    record: Record
    content: bytes = b""
    image: np.ndarray | None = None
    mask: np.ndarray | None = None
    grey: bool = False
    faults: tuple[Fault, ...] = ()
    is_plain: bool = True
    is_own_mask: bool = False

    @property
    def empty(self) -> bool:
        """Whether the mask was read and shows no defect."""
        return self.mask is not None and not ((self.mask != 0) & (self.mask != IGNORE)).any()


def decode_record(layout: Layout, record: Record) -> Decoded:
    """Read one record of a layout, as the layout's pixels are read; a faulty one carries its fault."""
    reading = layout.reading.images
    try:
        content = embedded_image(record.image) if record.is_embedded else record.image.read_bytes()
        opened = Opened.of(content, Path(record.item), "image", layout.max_pixels)
        turned, masks = _masks(layout, record, opened.header)
        image = read_image_file(opened, reading, turned=turned)
    except OSError as error:
        return _faulty(record, "unreadable", f"the image cannot be read: {error.strerror}")
    except DatasetError as error:
        return _faulty(record, "unreadable", str(error))
    found = [Fault("warning", note, record.item, PECULIAR[note]) for note in image.notes]
    result = Decoded(record, opened.content, image.pixels, is_plain=image.is_plain)
    if record.drawing is not None:
        return _drawn(result, record.drawing, found)
    try:
        return _labelled(layout, result, masks, found)
    except MaskFault as fault:
        return _faulty(record, fault.kind, str(fault))


def _masks(layout: Layout, record: Record, header: Header) -> tuple[bool, list[MaskFile]]:
    """Whether the image is turned as its EXIF says, and its masks; a size that fits one way only decides."""
    reading = layout.reading.images
    turned = reading.turned

    def read(turned: bool) -> list[MaskFile]:
        return [
            layout.kept.take(path)
            or read_mask_file(path, page=reading.page, turned=turned, max_pixels=layout.max_pixels)
            for path, _ in record.masks
        ]

    masks = read(turned)
    sizes = {mask.samples.shape[:2] for mask in masks}
    expected, other = header.upright_size, header.size
    if not turned:
        expected, other = other, expected
    if sizes == {other} and other != expected:
        again = read(not turned)
        if {mask.samples.shape[:2] for mask in again} == {other}:
            return not turned, again
    return turned, masks


def _drawn(result: Decoded, drawing: Drawing, found: list[Fault]) -> Decoded:
    assert result.image is not None
    try:
        mask, more = drawing.draw((result.image.shape[0], result.image.shape[1]))
    except DatasetError as error:
        return _faulty(result.record, "annotation", str(error))
    return replace(result, mask=mask, faults=(*found, *more))


def _labelled(layout: Layout, result: Decoded, masks: list[MaskFile], found: list[Fault]) -> Decoded:
    """The record with its masks, understood and laid over each other."""
    assert result.image is not None
    record, shape = result.record, result.image.shape[:2]
    mask, claims, ignored = (np.zeros(shape, dtype=kind) for kind in (np.uint8, np.uint8, bool))
    grey, own = False, False
    for file, (path, index) in zip(masks, record.masks, strict=True):
        size = file.samples.shape[:2]
        if size != shape:
            raise MaskFault(
                "size-mismatch",
                f"the image is {shape[0]} × {shape[1]} pixels, its mask {path.name} {size[0]} × {size[1]}; "
                "give both the same size",
            )
        labels = label(file, layout.reading.masks, meaning_of(layout), index, path.name)
        found += _strange(record, labels, path.name)
        if labels.has_soft_edges:
            found.append(Fault("warning", SOFT_EDGES, record.item, PECULIAR[SOFT_EDGES]))
        grey |= labels.is_grey
        if index is None or len(masks) == 1:
            own = labels.indices is file.samples and file.is_plain
            mask = labels.indices
            continue
        defect = labels.indices == index
        ignored |= labels.indices == IGNORE
        mask[defect] = index
        claims += defect
    overlap = claims > 1
    mask[overlap] = IGNORE
    mask[ignored & (claims == 0)] = IGNORE
    if overlap.any():
        count = int(overlap.sum())
        message = f"{count} pixels belong to several classes; they are ignored (255)"
        found.append(Fault("warning", "overlap", record.item, message))
    return replace(result, mask=mask, grey=grey, faults=tuple(found), is_own_mask=own)


def _strange(record: Record, labels: Labels, name: str) -> list[Fault]:
    if not labels.strange:
        return []
    count = sum(n for _, n in labels.strange)
    values = ", ".join(shown_key(value) for value, _ in labels.strange[:8])
    message = (
        f"{count} pixels of its mask {name} have values of no meaning ({values}); they are ignored (255)"
    )
    return [Fault("warning", "strange-values", record.item, message)]


def _faulty(record: Record, kind: str, message: str) -> Decoded:
    return Decoded(record, faults=(Fault("error", kind, record.item, message),))
