"""What every reader of a published layout produces: records that know how to decode themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from autonad.data.faults import Fault
from autonad.data.pixels.kept_masks import KeptMasks
from autonad.data.pixels.pixel_options import PixelOptions
from autonad.data.pixels.pixel_reading import Reading, Said


class Drawing(Protocol):
    """A mask that no image file holds: shapes, or runs of pixels, in an annotation file."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The annotation files that it is read from."""

    def draw(self, size: tuple[int, int]) -> tuple[np.ndarray, list[Fault]]:
        """The mask of an image.

        Args:
            size: Height and width of the image, pixels.

        Returns:
            uint8 (H, W) of class indices, 255 = ignore; and what was found, none of it an error.

        Raises:
            DatasetError: It cannot be drawn; the message names the file, the reason and the remedy.
        """


@dataclass(slots=True, init=False, unsafe_hash=True)
class Record:
    """One image of a layout, not yet read. There is one for every image, so its files are kept as text.

    Attributes:
        image_place: Its file.
        item: The file relative to the source folder, with forward slashes: its name in messages and
            groups.csv.
        mask_places: Mask files, each with the class of its non-zero pixels; or a single index mask, with
            class None. None of them: the layout says that the image is free of defects.
        label: Class that the layout promises the image to show, if it does.
        published_split: The split that the layout suggests, if it does.
        drawing: Its annotation, where that is no mask file; then there are no masks.
        is_embedded: Whether `image` is an annotation file that holds the image itself.
    """

    image_place: str
    item: str
    mask_places: tuple[tuple[str, int | None], ...]
    label: str | None
    published_split: str | None
    drawing: Drawing | None
    is_embedded: bool

    def __init__(
        self,
        image: Path,
        item: str,
        masks: Iterable[tuple[Path, int | None]],
        label: str | None = None,
        published_split: str | None = None,
        drawing: Drawing | None = None,
        is_embedded: bool = False,
    ) -> None:
        self.image_place, self.item, self.label = str(image), item, label
        self.mask_places = tuple((str(path), index) for path, index in masks)
        self.published_split, self.drawing, self.is_embedded = published_split, drawing, is_embedded

    @property
    def image(self) -> Path:
        """Its file."""
        return Path(self.image_place)

    @property
    def masks(self) -> tuple[tuple[Path, int | None], ...]:
        """Its mask files, each with its class; see `mask_places`."""
        return tuple((Path(place), index) for place, index in self.mask_places)

    def with_masks(self, masks: Iterable[tuple[Path, int | None]], drawing: Drawing | None = None) -> Record:
        """The same image with other masks, or with an annotation instead."""
        return Record(
            self.image, self.item, masks, self.label, self.published_split, drawing, self.is_embedded
        )

    def in_split(self, split: str) -> Record:
        """The same image in a split that the source gives it."""
        return Record(self.image, self.item, self.masks, self.label, split, self.drawing, self.is_embedded)

    @property
    def name(self) -> str:
        """File name without suffix in a dataset."""
        return self.item.rsplit(".", 1)[0].replace("/", "-")

    @property
    def files(self) -> tuple[Path, ...]:
        """Its image, then its masks or annotation files."""
        drawn = () if self.drawing is None else self.drawing.files
        return (self.image, *(mask for mask, _ in self.masks), *drawn)


@dataclass(frozen=True)
class Layout:
    """A published layout, listed but not decoded.

    Attributes:
        format: Name of the reader.
        source: Its folder.
        classes: Names by index; 0 is the background.
        records: Its images.
        faults: Found while listing.
        groups: Group by item, if the layout or a groups.csv says so.
        threshold: In masks of one class, larger values are defect.
        colours: Meaning of colours in colour-coded index masks.
        assumed: Whether the masks were listed as index or binary masks without having been read.
        reading: How its pixels are read.
        said: What was decided about that; about masks, it is decided as soon as something is said of them.
        companions: Folders of the layout whose files are of no use here, and known not to be.
        max_pixels: Larger images are refused before they are decoded; None takes the usual limit.
        recognised: By what the format was told, where nobody named it.
        kept: Masks that were decoded already to decide that.
    """

    format: str
    source: Path
    classes: tuple[str, ...]
    records: tuple[Record, ...]
    faults: tuple[Fault, ...] = ()
    groups: Mapping[str, str] | None = None
    threshold: int = 127
    colours: Mapping[tuple[int, int, int], int] | None = None
    assumed: bool = False
    reading: Reading = field(default_factory=Reading)
    said: tuple[Said, ...] = ()
    companions: tuple[str, ...] = ()
    max_pixels: int | None = None
    recognised: str = ""
    kept: KeptMasks = field(default_factory=KeptMasks, repr=False, compare=False)

    @property
    def told(self) -> str:
        """The format and by what it was told; empty where somebody named it."""
        return f"{self.format}: {self.recognised}" if self.recognised else ""


@dataclass(frozen=True)
class Wanted:
    """What is asked of a reader.

    Attributes:
        include_defect_free: List images that the layout declares free of defects where they lie apart.
        classes: Names of the defect classes, for layouts that do not carry them.
        known: Classes that index masks mean where nothing else names them; see `read_masks`.
        pixels: What a user states about pixels.
    """

    include_defect_free: bool = False
    classes: tuple[str, ...] | None = None
    known: tuple[str, ...] | None = None
    pixels: PixelOptions = field(default_factory=PixelOptions)
