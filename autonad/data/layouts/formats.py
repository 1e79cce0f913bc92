"""The layouts that can be read, by name: their records and groups, without decoding images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autonad.data.annotations.coco import read_coco, recognise_coco
from autonad.data.annotations.cvat import read_cvat, recognise_cvat
from autonad.data.annotations.label_studio import read_label_studio, recognise_label_studio
from autonad.data.annotations.labelme import read_labelme, recognise_labelme
from autonad.data.annotations.yolo import read_yolo, recognise_yolo
from autonad.data.layouts.groups_table import stated_groups
from autonad.data.layouts.layout import Layout
from autonad.data.layouts.mask_folders import read_masks
from autonad.data.layouts.published import read_msd, read_mt, read_neu, read_neu_seg, read_voc
from autonad.errors import DatasetError

PUBLISHED = ("neu", "mt", "msd", "neu-seg")
_OWN = ("voc", "masks")


@dataclass(frozen=True)
class ToolFormat:
    """What labelling tools write.

    Attributes:
        read: Lists a source; takes the folder, `classes` and `known` (see `list_layout`).
        recognise: What in a folder speaks for the format, in words; None if nothing does.
    """

    read: Callable[..., Layout]
    recognise: Callable[[Path], str | None]


TOOL_FORMATS = {
    "labelme": ToolFormat(read_labelme, recognise_labelme),
    "coco": ToolFormat(read_coco, recognise_coco),
    "yolo": ToolFormat(read_yolo, recognise_yolo),
    "cvat": ToolFormat(read_cvat, recognise_cvat),
    "label-studio": ToolFormat(read_label_studio, recognise_label_studio),
}
FORMATS = (*PUBLISHED, *_OWN, *TOOL_FORMATS)


def read_layout(
    format: str,
    source: Path,
    *,
    groups_csv: Path | None = None,
    include_defect_free: bool = False,
    threshold: int = 127,
    classes: Sequence[str] | None = None,
) -> Layout:
    """List a published layout without decoding its images.

    Args:
        format: One of `FORMATS`.
        source: Its folder.
        groups_csv: Table `image,group`; `source/groups.csv` if it exists and none is given.
        include_defect_free: List images that the layout declares free of defects (magnetic tiles).
        threshold: In masks of one class, larger values are defect.
        classes: Names of the defect classes, for `voc`, `masks` and the formats of labelling tools.

    Raises:
        DatasetError: The format is unknown, a folder is missing, the layout is empty or groups.csv is
            malformed.
    """
    if not 0 <= threshold <= 254:
        raise DatasetError(f"the mask threshold is {threshold}; it must lie between 0 and 254")
    layout = list_layout(format, source, include_defect_free=include_defect_free, classes=classes)
    if not layout.records:
        named = f" ({layout.faults[0].item}: {layout.faults[0].message})" if layout.faults else ""
        raise DatasetError(f"{source} holds no usable image with a mask in the layout {format!r}{named}")
    groups, faults = stated_groups(layout, groups_csv)
    return replace(layout, faults=(*layout.faults, *faults), groups=groups, threshold=threshold)


def list_layout(
    format: str,
    source: Path,
    *,
    include_defect_free: bool,
    classes: Sequence[str] | None,
    known: Sequence[str] | None = None,
) -> Layout:
    """List the records of a layout, of which there may be none, without groups.

    Args:
        format: One of `FORMATS`.
        source: Its folder.
        include_defect_free: See `read_layout`.
        classes: See `read_layout`.
        known: See `read_masks`, and `Collection.layout` for labelling tools; else of no effect.

    Raises:
        DatasetError: The format is unknown, or a folder is missing.
    """
    if format not in FORMATS:
        raise DatasetError(f"format {format!r} is unknown; use one of {', '.join(FORMATS)}")
    if classes is not None and format in PUBLISHED:
        raise DatasetError(f"format {format!r} has classes of its own; leave them out")
    if not source.is_dir():
        raise DatasetError(f"source folder {source} does not exist; check the path")
    if format in TOOL_FORMATS:
        return TOOL_FORMATS[format].read(source, classes=classes, known=known)
    if format == "voc":
        return read_voc(source, classes=classes)
    if format == "masks":
        return read_masks(source, classes=classes, known=known)
    readers = {"neu": read_neu, "mt": read_mt, "msd": read_msd, "neu-seg": read_neu_seg}
    return readers[format](source, include_defect_free=include_defect_free)
