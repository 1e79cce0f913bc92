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
from autonad.data.faults import NothingUsable, fault_table
from autonad.data.layouts.accounting import account, kept_inside
from autonad.data.layouts.beside import is_beside, read_beside
from autonad.data.layouts.groups_table import GROUPS, stated_groups
from autonad.data.layouts.image_table import is_table, read_table, root_of, table_of
from autonad.data.layouts.interpreting import settle
from autonad.data.layouts.layout import Layout, Wanted
from autonad.data.layouts.mask_folders import is_masks, read_masks
from autonad.data.layouts.mvtec import is_mvtec, read_mvtec
from autonad.data.layouts.published import is_mt, is_neu, is_neu_seg, read_mt, read_neu, read_neu_seg
from autonad.data.layouts.published_split import with_published_split
from autonad.data.layouts.severstal import is_severstal, read_severstal
from autonad.data.layouts.supervisely import is_supervisely, read_supervisely
from autonad.data.layouts.tree import Tree
from autonad.data.layouts.voc_folders import is_cvat_masks, is_voc, read_cvat_masks, read_msd, read_voc
from autonad.data.pixels.pixel_options import PixelOptions
from autonad.errors import DatasetError

Recognise = Callable[[Tree], str | None]


@dataclass(frozen=True)
class Format:
    """A layout that can be read.

    Attributes:
        read: Lists its records without decoding images.
        recognise: By what in a folder it is told; None where it is not this layout.
        names_classes: Whether it brings the names of its classes, so that nobody may give others.
        is_general: Whether a folder of another layout may look like it; that one is then meant.
    """

    read: Callable[[Tree, Wanted], Layout]
    recognise: Recognise
    names_classes: bool = True
    is_general: bool = False


def _is_never_told(tree: Tree) -> str | None:
    return None


def _read_labelme(tree: Tree, wanted: Wanted) -> Layout:
    """What labelme wrote, or what labelme2voc made of it."""
    return read_voc(tree, wanted) if is_voc(tree) is not None else read_labelme(tree, wanted)


def _read_cvat(tree: Tree, wanted: Wanted) -> Layout:
    """CVAT's segmentation masks, or its shapes."""
    read = read_cvat_masks if is_cvat_masks(tree) is not None else read_cvat
    return read(tree, wanted)


def _is_cvat(tree: Tree) -> str | None:
    told = is_cvat_masks(tree)
    return recognise_cvat(tree) if told is None else told


READERS = {
    "neu": Format(read_neu, is_neu),
    "mt": Format(read_mt, is_mt),
    "msd": Format(read_msd, _is_never_told),
    "neu-seg": Format(read_neu_seg, is_neu_seg),
    "mvtec": Format(read_mvtec, is_mvtec),
    "ksdd2": Format(read_beside, is_beside, names_classes=False),
    "severstal": Format(read_severstal, is_severstal),
    "labelme": Format(_read_labelme, recognise_labelme, names_classes=False),
    "coco": Format(read_coco, recognise_coco, names_classes=False),
    "yolo": Format(read_yolo, recognise_yolo, names_classes=False),
    "cvat": Format(_read_cvat, _is_cvat, names_classes=False),
    "label-studio": Format(read_label_studio, recognise_label_studio, names_classes=False),
    "supervisely": Format(read_supervisely, is_supervisely, names_classes=False),
    "voc": Format(read_voc, is_voc, names_classes=False),
    "table": Format(read_table, is_table, names_classes=False),
    "masks": Format(read_masks, is_masks, names_classes=False, is_general=True),
}
PUBLISHED = ("neu", "mt", "msd", "neu-seg")
AUTO = "auto"
FORMATS = (*READERS, AUTO)


def read_layout(
    format: str,
    source: Path,
    *,
    groups_csv: Path | None = None,
    include_defect_free: bool = False,
    threshold: int = 127,
    classes: Sequence[str] | None = None,
    max_bytes: int = 256 * 2**20,
    pixels: PixelOptions | None = None,
) -> Layout:
    """List a layout, and decide how its pixels are read; most images are not decoded for that.

    Args:
        format: One of `FORMATS`, or "auto".
        source: Its folder; for the format table also its csv file.
        groups_csv: Table `image,group`; `source/groups.csv` if it exists and none is given.
        include_defect_free: List images that the layout declares free of defects (magnetic tiles).
        threshold: In masks of one class, larger values are defect.
        classes: Names of the defect classes, for layouts that do not name them.
        max_bytes: Larger files are faults.
        pixels: What a user states about pixels.

    Raises:
        NothingUsable: The layout lists no image that can be used.
        DatasetError: The format is unknown or not recognised, a folder is missing, or groups.csv is
            malformed.
    """
    if not 0 <= threshold <= 254:
        raise DatasetError(f"the mask threshold is {threshold}; it must lie between 0 and 254")
    pixels = pixels or PixelOptions()
    wanted = _wanted(include_defect_free, classes, None, pixels)
    layout, tree = _list(format, source, wanted, max_bytes)
    layout = kept_inside(layout, tree)
    layout = replace(layout, faults=(*layout.faults, *tree.faults))
    layout = replace(layout, faults=(*layout.faults, *account(layout, tree)))
    if not layout.records:
        raise NothingUsable(
            f"{source} holds no usable image in the layout {layout.format!r}", fault_table(layout.faults)
        )
    layout = replace(layout, threshold=threshold)
    if groups_csv is None and tree.has(GROUPS):
        groups_csv = tree.path(GROUPS)
    if groups_csv is not None:
        groups, faults = stated_groups(layout, groups_csv)
        layout = replace(layout, faults=(*layout.faults, *faults), groups=groups)
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
    """List the records of a batch, of which there may be none, without groups.

    Args:
        format: One of `FORMATS`, or "auto".
        source: The folder in which it was laid out, whose files were looked at before.
        include_defect_free: See `read_layout`.
        classes: See `read_layout`.
        known: Classes of the dataset; see `read_masks`.
        pixels: See `read_layout`; mask values may name the classes.

    Raises:
        DatasetError: The format is unknown or not recognised, or a folder is missing.
    """
    return _list(
        format, source, _wanted(include_defect_free, classes, known, pixels or PixelOptions()), None
    )[0]


def _wanted(
    include_defect_free: bool,
    classes: Sequence[str] | None,
    known: Sequence[str] | None,
    pixels: PixelOptions,
) -> Wanted:
    return Wanted(
        include_defect_free,
        None if classes is None else tuple(classes),
        None if known is None else tuple(known),
        pixels,
    )


def _list(format: str, source: Path, wanted: Wanted, max_bytes: int | None) -> tuple[Layout, Tree]:
    """The records of a layout, and the files that they were listed from; see `Tree.of` for `max_bytes`."""
    if format not in FORMATS:
        raise DatasetError(f"format {format!r} is unknown; use one of {', '.join(FORMATS)}")
    _require_no_names(format, wanted)
    if source.is_file() and source.suffix.lower() == ".csv":
        if format not in {AUTO, "table"}:
            raise DatasetError(
                f"{source} is a file, and format {format!r} needs a folder; use the format table"
            )
        tree = Tree.of(root_of(source), max_bytes)
        layout = table_of(tree, source.absolute().relative_to(tree.root.absolute()).as_posix(), wanted)
    else:
        tree = Tree.of(source, max_bytes)
        evidence = ""
        if format == AUTO:
            format, evidence = recognise(tree)
            _require_no_names(format, wanted)
        layout = replace(READERS[format].read(tree, wanted), recognised=evidence)
    return with_published_split(replace(layout, max_pixels=wanted.pixels.max_pixels), tree), tree


def _require_no_names(format: str, wanted: Wanted) -> None:
    if wanted.classes is not None and format != AUTO and READERS[format].names_classes:
        raise DatasetError(f"format {format!r} has classes of its own; leave them out")


def recognise(tree: Tree) -> tuple[str, str]:
    """The format of a folder, and by what it is told.

    Raises:
        DatasetError: It is none of them, or it may be several.
    """
    found = {name: told for name, format in READERS.items() if (told := format.recognise(tree)) is not None}
    special = {name: told for name, told in found.items() if not READERS[name].is_general}
    chosen = special or found
    if len(chosen) == 1:
        return next(iter(chosen.items()))
    if chosen:
        listed = "; ".join(f"{name} ({told})" for name, told in chosen.items())
        raise DatasetError(f"{tree.root} may be several formats: {listed}. Choose one with --format")
    raise DatasetError(
        f"{tree.root} is no layout that is known; images/ and masks/ were looked for, and the folders and "
        f"files of {', '.join(name for name in READERS if name != 'masks')}; it holds "
        f"{tree.summary()}{_inside(tree)}"
    )


def _inside(tree: Tree) -> str:
    """Where in the folder a layout lies, if one does."""
    for name in tree.inner()[:20]:
        inner = tree.under(name)
        told = next((key for key, format in READERS.items() if format.recognise(inner) is not None), None)
        if told is not None:
            return f". {tree.root / name} looks like {told}: give that as the source"
    return ". Name the format with --format, or arrange images/ and masks/ with equal file names"
