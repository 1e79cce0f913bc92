"""Reader of the plainest layout: a folder of images and a folder of masks.

`images/` and `masks/` lie in the source folder and match by file name, see `pairing.py`. The masks are one of

    index       one value per class, 0 is the background, 255 is ignored
    binary      0 and 255, or grey values to be thresholded, with a single class
    per class   one sub-folder of masks per class, each 0 and 255; an image need not be in all of them
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autonad.console import as_text, some
from autonad.data.dataset import check_classes
from autonad.data.faults import Fault
from autonad.data.layouts.interpreting import Masks, interpret
from autonad.data.layouts.layout import Layout, Record, Wanted
from autonad.data.layouts.pairing import FREE, Pairing, class_name, is_free, missing_mask, pair
from autonad.data.layouts.split_folders import by_split
from autonad.data.layouts.tree import Tree, split_stem
from autonad.errors import DatasetError

# What people call the two folders, in lower case. Another name than the first is said.
IMAGE_FOLDERS = ("images", "image", "imgs", "img", "pictures", "photos")
MASK_FOLDERS = (
    "masks",
    "mask",
    "labels",
    "label",
    "ground_truth",
    "groundtruth",
    "ground truth",
    "gt",
    "annotations",
    "segmentation",
    "segmentations",
)
# Where `detect --keep` puts what the detector saw beside the images that it keeps.
_PREDICTED = "predicted"


@dataclass(frozen=True)
class _Source:
    """Masks of one class, or index masks where `index` is None.

    Attributes:
        folder: Where they lie.
        pairing: Which mask belongs to which image, by paths relative to the folders.
        index: Class of their non-zero pixels.
    """

    folder: str
    pairing: Pairing
    index: int | None


def read_masks(tree: Tree, wanted: Wanted) -> Layout:
    """List a folder of images and one of masks; both may have the same sub-folders, or lie inside splits.

    The defects are called by `wanted.classes`; else by classes.txt (one per line), else by the sub-folders of
    `masks/`, else "defect" for 0/255 masks. With `wanted.known`, classes that index masks mean where nothing
    else names them, no mask is read, those of a single class are listed as binary ones (see `is_index`), and
    there need be no masks. Images in a folder `good/` (see `pairing.FREE`) show no defect and need no masks.

    Raises:
        DatasetError: A folder is missing, or the classes cannot be told from the masks.
    """
    tree = by_split(tree, IMAGE_FOLDERS, MASK_FOLDERS)
    images, masks, faults = _folders(tree, wanted)
    keys = [key[len(images) + 1 :] for key in tree.images(images, recursive=True)]
    if not keys:
        raise DatasetError(
            f"{tree.root / images} holds no images; put PNG, JPEG, BMP, TIFF or WebP files there"
        )
    classes = wanted.classes if wanted.classes is not None else _listed_classes(tree)
    folders = _class_folders(tree, images, masks, classes)
    meant: Masks | None = None
    if folders:
        names, sources, found = _per_class(tree, masks, folders, classes, keys)
        faults += found
    else:
        names, sources, meant = _single(tree, masks, classes, wanted, keys)
    records = []
    for key in keys:
        item = as_text(tree.real(f"{images}/{key}"))
        ambiguous = next((f for s in sources if (f := s.pairing.fault(key, item)) is not None), None)
        own = [(s.folder, s.pairing.masks[key], s.index) for s in sources if key in s.pairing.masks]
        if ambiguous is not None:
            faults.append(ambiguous)
        elif own:
            paths = tuple((tree.path(f"{folder}/{mask}"), index) for folder, mask, index in own)
            records.append(Record.of(tree.path(f"{images}/{key}"), item, paths))
        elif is_free(key):
            records.append(Record.of(tree.path(f"{images}/{key}"), item, ()))
        else:
            place = f"{masks}/{{{','.join(folders)}}}" if folders else masks
            faults.append(missing_mask(item, tree.real(f"{place}/{split_stem(key)}")))
    for folder in tree.inner():
        if folder.casefold() in FREE:
            free = tree.images(folder, recursive=True)
            records += [Record.of(tree.path(key), as_text(key), ()) for key in free]
    assumed = wanted.known is not None and not folders
    layout = Layout(
        "masks", tree.root, names, tuple(records), tuple(faults), assumed=assumed, companions=(_PREDICTED,)
    )
    return layout if meant is None else meant.explain(layout)


def is_masks(tree: Tree) -> str | None:
    """By what the layout of `read_masks` is told."""
    tree = by_split(tree, IMAGE_FOLDERS, MASK_FOLDERS)
    images, masks = _candidates(tree, IMAGE_FOLDERS), _candidates(tree, MASK_FOLDERS)
    if len(images) != 1 or len(masks) != 1 or not tree.images(masks[0], recursive=True):
        return None
    return f"folders {images[0]} and {masks[0]}"


def _folders(tree: Tree, wanted: Wanted) -> tuple[str, str, list[Fault]]:
    """The folder of images and that of masks, and a warning where they have other names."""
    found, faults = [], []
    for names, optional in ((IMAGE_FOLDERS, False), (MASK_FOLDERS, wanted.known is not None)):
        candidates = _candidates(tree, names)
        if not candidates and optional:
            found.append(names[0])
        elif len(candidates) == 1:
            found.append(candidates[0])
            if candidates[0].casefold() != names[0]:
                message = f"there is no {names[0]}/; {candidates[0]}/ is taken for it"
                faults.append(Fault("warning", "folder-name", candidates[0], message))
        elif not candidates:
            raise DatasetError(
                f"{tree.root} lacks the folder {names[0]!r}; images/ and masks/ were looked for; it holds "
                f"{tree.summary()}: rename the folders, or choose another --format"
            )
        else:
            raise DatasetError(
                f"{tree.root} holds {', '.join(candidates)}, each of which could be {names[0]}/; rename the "
                f"right one to {names[0]}"
            )
    return found[0], found[1], faults


def _candidates(tree: Tree, names: Sequence[str]) -> list[str]:
    """Folders that may be meant: the one of the first name, else all of the other names."""
    inner = [name for name in tree.inner() if name.casefold() in names]
    exact = [name for name in inner if name == names[0]]
    usual = [name for name in inner if name.casefold() == names[0]]
    return exact or usual or inner


def _listed_classes(tree: Tree) -> list[str] | None:
    """The classes that classes.txt names, one per line."""
    if not tree.has("classes.txt"):
        return None
    return [line.strip() for line in tree.text("classes.txt").splitlines() if line.strip()]


def _per_class(
    tree: Tree, masks: str, folders: list[str], classes: Sequence[str] | None, keys: Sequence[str]
) -> tuple[tuple[str, ...], list[_Source], list[Fault]]:
    """Class names, the masks of each class, and folders that are none of the classes."""
    names = check_classes(class_name(name) for name in (classes if classes is not None else folders))
    places = {class_name(folder): f"{masks}/{folder}" for folder in folders}
    sources = []
    for index, name in enumerate(names):
        if index and name in places:
            inside = [key[len(places[name]) + 1 :] for key in tree.images(places[name], recursive=True)]
            sources.append(_Source(places[name], pair(keys, inside), index))
    message = f"it is none of the classes {some(names[1:], 8)}"
    unknown = sorted(places.keys() - set(names))
    faults = [Fault("warning", "unknown-class", f"{masks}/{name}", message) for name in unknown]
    return names, sources, faults


def _single(
    tree: Tree, masks: str, classes: Sequence[str] | None, wanted: Wanted, keys: Sequence[str]
) -> tuple[tuple[str, ...], list[_Source], Masks | None]:
    """Class names, the one mask of each image, and what the masks were found to be, if they were read."""
    inside = [key[len(masks) + 1 :] for key in tree.images(masks, recursive=True)]
    pairing = pair(keys, inside)
    if wanted.known is not None:
        names = check_classes(classes or wanted.pixels.classes or wanted.known)
        return names, [_Source(masks, pairing, 1 if len(names) == 2 else None)], None
    paths = {key: tree.path(f"{masks}/{key}") for key in inside}
    found = interpret(paths, classes, tree.root / masks, wanted.pixels)
    return found.classes, [_Source(masks, pairing, None if found.is_index else 1)], found


def _class_folders(tree: Tree, images: str, masks: str, classes: Sequence[str] | None) -> list[str]:
    """Sub-folders of the masks that stand for classes, rather than mirror sub-folders of the images."""
    folders = tree.inner(masks)
    if classes is not None and {class_name(name) for name in folders} & {
        class_name(name) for name in classes
    }:
        return folders
    return [] if set(folders) <= set(tree.inner(images)) else folders
