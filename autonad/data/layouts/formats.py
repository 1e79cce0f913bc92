"""The layouts that can be read, by name: their records and groups, without decoding images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from autonad.data.layouts.groups_table import stated_groups
from autonad.data.layouts.interpreting import settle
from autonad.data.layouts.layout import Layout
from autonad.data.layouts.mask_folders import read_masks
from autonad.data.layouts.published import read_msd, read_mt, read_neu, read_neu_seg, read_voc
from autonad.data.layouts.published_split import with_published_split
from autonad.data.pixels.pixel_options import PixelOptions
from autonad.errors import DatasetError

PUBLISHED = ("neu", "mt", "msd", "neu-seg")
_OWN = ("voc", "masks")
FORMATS = (*PUBLISHED, *_OWN)


def read_layout(
    format: str,
    source: Path,
    *,
    groups_csv: Path | None = None,
    include_defect_free: bool = False,
    threshold: int = 127,
    classes: Sequence[str] | None = None,
    pixels: PixelOptions | None = None,
) -> Layout:
    """List a published layout, and decide how its pixels are read; most images are not decoded for that.

    Args:
        format: One of `FORMATS`.
        source: Its folder.
        groups_csv: Table `image,group`; `source/groups.csv` if it exists and none is given.
        include_defect_free: List images that the layout declares free of defects (magnetic tiles).
        threshold: In masks of one class, larger values are defect.
        classes: Names of the defect classes, for the formats `voc` and `masks`.
        pixels: What a user states about pixels.

    Raises:
        DatasetError: The format is unknown, a folder is missing, the layout is empty or groups.csv is
            malformed.
    """
    if not 0 <= threshold <= 254:
        raise DatasetError(f"the mask threshold is {threshold}; it must lie between 0 and 254")
    pixels = pixels or PixelOptions()
    layout = list_layout(
        format, source, include_defect_free=include_defect_free, classes=classes, pixels=pixels
    )
    if not layout.records:
        named = f" ({layout.faults[0].item}: {layout.faults[0].message})" if layout.faults else ""
        raise DatasetError(f"{source} holds no usable image with a mask in the layout {format!r}{named}")
    groups, faults = stated_groups(layout, groups_csv)
    layout = replace(layout, faults=(*layout.faults, *faults), groups=groups, threshold=threshold)
    return settle(layout, pixels)


def list_layout(
    format: str,
    source: Path,
    *,
    include_defect_free: bool,
    classes: Sequence[str] | None,
    known: Sequence[str] | None = None,
    pixels: PixelOptions | None = None,
) -> Layout:
    """List the records of a layout, of which there may be none, without groups.

    Args:
        format: One of `FORMATS`.
        source: Its folder.
        include_defect_free: See `read_layout`.
        classes: See `read_layout`.
        known: See `read_masks`; of no effect in other formats.
        pixels: What a user states about pixels; its mask values may name the classes.

    Raises:
        DatasetError: The format is unknown, or a folder is missing.
    """
    if format not in FORMATS:
        raise DatasetError(f"format {format!r} is unknown; use one of {', '.join(FORMATS)}")
    if classes is not None and format not in _OWN:
        raise DatasetError(f"format {format!r} has classes of its own; leave them out")
    if not source.is_dir():
        raise DatasetError(f"source folder {source} does not exist; check the path")
    readers = {"neu": read_neu, "mt": read_mt, "msd": read_msd, "neu-seg": read_neu_seg}
    if format == "voc":
        layout = read_voc(source, classes=classes)
    elif format == "masks":
        layout = read_masks(source, classes=classes, known=known, pixels=pixels or PixelOptions())
    else:
        layout = readers[format](source, include_defect_free=include_defect_free)
    return with_published_split(layout)
