"""Which way up the turned images of a layout are read, told by their masks."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np

from autonad.data.images import IGNORE
from autonad.data.layouts.layout import Layout, Record
from autonad.data.pixels.containers import Opened
from autonad.data.pixels.drawn_on import are_turned, fit
from autonad.data.pixels.image_files import read_image_file
from autonad.data.pixels.image_survey import ImageSurvey
from autonad.data.pixels.labelling import MaskFault, Meaning, label
from autonad.data.pixels.mask_files import read_mask_file
from autonad.data.pixels.pixel_reading import Said
from autonad.errors import DatasetError

_COMPARED = 64  # turned images that are compared with their masks


def meaning_of(layout: Layout) -> Meaning:
    """What numbers in a layout's masks stand for."""
    return Meaning(layout.classes, layout.threshold, layout.colours or {})


def settle_turns(layout: Layout, images: ImageSurvey) -> tuple[bool, list[Said]]:
    """Whether turned images are read as their EXIF says, by their masks; and what is said about it."""
    if not images.turned:
        return layout.reading.images.turned, []
    items = set(images.turned)
    records = (record for record in layout.records if record.item in items and record.mask_places)
    fits = [found for record in islice(records, _COMPARED) if (found := _fits(layout, record)) is not None]
    turned = are_turned(fits)
    count = f"images: {images.num_turned} of {images.images} are turned by their EXIF"
    if turned is None:
        if not fits:
            return layout.reading.images.turned, []
        text = (
            f"{count}; whether masks were drawn on them so cannot be told, so that is assumed: look at some"
        )
    elif turned:
        return True, [Said(f"{count}, and their masks fit them so", is_plain=True)]
    else:
        text = f"{count}, but their masks fit the pixels as stored, so that is how both are read"
    return turned is not False, [Said(text)]


def _fits(layout: Layout, record: Record) -> tuple[float | None, float | None] | None:
    """How well the masks of a turned image fit it as turned and as stored; None if they cannot be read."""
    try:
        opened = Opened.of(record.image.read_bytes(), Path(record.item), "image", layout.max_pixels)
        found = []
        for turned in (True, False):
            pixels = read_image_file(opened, layout.reading.images, turned=turned).pixels
            found.append(fit(pixels, _defect(layout, record, turned)))
            opened = Opened.of(opened.content, opened.name, "image", layout.max_pixels)
    except (DatasetError, OSError, MaskFault):
        return None
    return None if found == [None, None] else (found[0], found[1])


def _defect(layout: Layout, record: Record, turned: bool) -> np.ndarray:
    masks = []
    for path, index in record.masks:
        page = layout.reading.images.page
        file = read_mask_file(path, page=page, turned=turned, max_pixels=layout.max_pixels)
        labels = label(file, layout.reading.masks, meaning_of(layout), index, path.name).indices
        masks.append((labels != 0) & (labels != IGNORE))
    return np.logical_or.reduce(masks)
