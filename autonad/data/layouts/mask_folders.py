"""Reader of the plainest layout: a folder of images and a folder of masks.

`images/` and `masks/` lie in the source folder and match by file name without suffix (a mask may also end in
"_mask"). The masks are one of

    index       one value per class, 0 is the background, 255 is ignored
    binary      0 and 255, or grey values to be thresholded, with a single class
    per class   one sub-folder of masks per class, each 0 and 255; an image need not be in all of them
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from autonad.data.dataset import check_classes
from autonad.data.faults import Fault
from autonad.data.images import list_images
from autonad.data.layouts.interpreting import Masks, interpret
from autonad.data.layouts.layout import Layout, Record
from autonad.data.layouts.pairing import masks_by_image
from autonad.data.pixels.pixel_options import PixelOptions
from autonad.errors import DatasetError

# Mask files by the image they belong to, and the class of their non-zero pixels; None for index masks.
MaskSource = tuple[dict[str, Path], int | None]


def read_masks(
    source: Path,
    *,
    classes: Sequence[str] | None,
    known: Sequence[str] | None = None,
    pixels: PixelOptions | None = None,
) -> Layout:
    """List a folder of images and one of masks.

    Args:
        source: Folder with `images/` and `masks/`; both may have the same sub-folders.
        classes: Names of the defects; else classes.txt (one per line), else the sub-folders of `masks/`, else
            "defect" for 0/255 masks.
        known: Classes that index masks mean where nothing else names them. With these no mask is read:
            those of a single class are listed as binary ones.
        pixels: What a user states about pixels.

    Raises:
        DatasetError: A folder is missing, or the classes cannot be told from the masks.
    """
    images, masks = source / "images", source / "masks"
    for folder in (images, masks):
        if not folder.is_dir():
            raise DatasetError(
                f"{source} lacks the folder {folder.name!r}; put images into images/, masks into masks/"
            )
    paths = list_images(images, recursive=True)
    if not paths:
        raise DatasetError(f"{images} holds no images; put PNG, JPEG, BMP, TIFF or WebP files there")
    classes = classes if classes is not None else _listed_classes(source / "classes.txt")
    folders = _class_folders(images, masks, classes)
    found: Masks | None = None
    if folders:
        names, sources, faults = _per_class(masks, folders, classes)
    else:
        names, sources, found = _single(masks, classes, known, pixels or PixelOptions())
        faults = []

    records = []
    for path in paths:
        key = path.relative_to(images).with_suffix("").as_posix()
        item = path.relative_to(source).as_posix()
        own = tuple((files[key], index) for files, index in sources if key in files)
        if own:
            records.append(Record(path, item, own))
        else:
            message = f"it has no mask; expected masks/{key}.png, all zero if it shows no defect"
            faults.append(Fault("error", "missing-mask", item, message))
    assumed = known is not None and not folders
    layout = Layout("masks", source, names, tuple(records), tuple(faults), assumed=assumed)
    if found is None:
        return layout
    return replace(layout, reading=replace(layout.reading, masks=found.reading), said=(found.said,))


def _listed_classes(path: Path) -> list[str] | None:
    """The classes that a text file names, one per line."""
    if not path.is_file():
        return None
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line.strip() for line in lines if line.strip()]


def _per_class(
    masks: Path, folders: set[str], classes: Sequence[str] | None
) -> tuple[tuple[str, ...], list[MaskSource], list[Fault]]:
    """Class names, the masks of each class, and folders that are none of the classes."""
    names = check_classes(classes if classes is not None else sorted(folders))
    sources: list[MaskSource] = [
        (masks_by_image(masks / name), index) for index, name in enumerate(names) if index and name in folders
    ]
    message = f"it is none of the classes {', '.join(names[1:])}"
    unknown = sorted(folders - set(names))
    return names, sources, [Fault("warning", "unknown-class", f"masks/{name}", message) for name in unknown]


def _single(
    masks: Path, classes: Sequence[str] | None, known: Sequence[str] | None, pixels: PixelOptions
) -> tuple[tuple[str, ...], list[MaskSource], Masks | None]:
    """Class names, the one mask of each image, and what the masks were found to be, if they were read."""
    files = masks_by_image(masks)
    if known is not None:
        names = check_classes(classes or pixels.classes or known)
        return names, [(files, 1 if len(names) == 2 else None)], None
    found = interpret(files, classes, masks, pixels)
    return found.classes, [(files, None if found.is_index else 1)], found


def _class_folders(images: Path, masks: Path, classes: Sequence[str] | None) -> set[str]:
    """Sub-folders of `masks/` that stand for classes, rather than mirror sub-folders of `images/`."""
    folders = {path.name for path in masks.iterdir() if path.is_dir() and not path.name.startswith(".")}
    mirrored = {path.name for path in images.iterdir() if path.is_dir()}
    if folders and classes is not None and folders & set(classes):
        return folders
    return set() if folders <= mirrored else folders
