"""Reader of Pascal VOC folders, and of the two tools that write them: labelme2voc and CVAT.

`JPEGImages/` holds images, `SegmentationClass/` masks, `ImageSets/Segmentation/` lists: train.txt, val.txt,
test.txt or default.txt. Old labelme2voc writes arrays (`*.npy`) into SegmentationClass/ and the masks into
SegmentationClassPNG/. CVAT's "segmentation mask 1.1" has classes and colours in labelmap.txt.
"""

from __future__ import annotations

from dataclasses import replace

from autonad.console import as_text
from autonad.data.dataset import BACKGROUND, check_classes
from autonad.data.faults import Fault
from autonad.data.images import IGNORE
from autonad.data.layouts.colour_masks import ColourMask, Colours
from autonad.data.layouts.layout import Layout, Record, Wanted
from autonad.data.layouts.pairing import missing_mask, normal, pair
from autonad.data.layouts.tree import Tree, split_stem
from autonad.errors import DatasetError

_MSD = ("oil", "scratch", "stain")
_NAMES = ("class_names.txt", "classes.txt", "labels.txt")
_LABELMAP = "labelmap.txt"
_COMPANIONS = ("SegmentationObject", "SegmentationClassVisualization", "SegmentationClassNpy", "Annotations")


def read_voc(tree: Tree, wanted: Wanted) -> Layout:
    """Pascal VOC and labelme2voc: masks of class indices, or in the colours of the development kit.

    The lists choose the images (all of them without lists); the split itself is made anew, by group. Class
    names come from `wanted.classes`, else from class_names.txt, classes.txt or labels.txt.
    """
    _folders(tree)
    names = check_classes(wanted.classes if wanted.classes is not None else _listed_names(tree))
    return _read(tree, "voc", names, _kit_colours(len(names)))


def is_voc(tree: Tree) -> str | None:
    """By what the layout of `read_voc` is told."""
    if tree.has(_LABELMAP) or tree.find_folder("JPEGImages") is None:
        return None
    masks = _mask_folder(tree)
    return None if masks is None else f"folders JPEGImages and {masks}"


def read_msd(tree: Tree, wanted: Wanted) -> Layout:
    """MSD, phone screens with oil, scratch and stain, in the VOC layout."""
    names = check_classes(_MSD)
    return _read(tree, "msd", names, _kit_colours(len(names)))


def read_cvat_masks(tree: Tree, wanted: Wanted) -> Layout:
    """CVAT's "segmentation mask 1.1": classes and colours from labelmap.txt, in whatever order."""
    names, colours, order = _labelmap(tree)
    layout = _read(tree, "cvat", names, colours)
    records = (
        record.with_masks((), ColourMask(record.masks[0][0], colours, order)) for record in layout.records
    )
    return replace(layout, records=tuple(records), colours=None)


def is_cvat_masks(tree: Tree) -> str | None:
    """By what the layout of `read_cvat_masks` is told."""
    masks = _mask_folder(tree)
    return f"{_LABELMAP} and folder {masks}" if tree.has(_LABELMAP) and masks is not None else None


def _read(tree: Tree, format: str, names: tuple[str, ...], colours: Colours) -> Layout:
    images, masks = _folders(tree)
    keys = sorted((key[len(images) + 1 :] for key in tree.images(images, recursive=True)), key=split_stem)
    found = pair(keys, [key[len(masks) + 1 :] for key in tree.images(masks, recursive=True)])
    faults: list[Fault] = []
    listed = _lists(tree, faults)
    by_stem = {split_stem(normal(key)): key for key in keys}
    for stem in sorted(listed.keys() - by_stem.keys()):
        message = "it is listed in ImageSets, but not there; add it, or take it out of the list"
        faults.append(Fault("error", "missing-image", f"{images}/{stem}", message))
    records = []
    for key in keys:
        stem, item = split_stem(normal(key)), as_text(f"{images}/{key}")
        if listed and stem not in listed:
            continue
        fault = found.fault(key, item)
        if fault is None and key not in found.masks:
            fault = missing_mask(item, f"{masks}/{split_stem(key)}")
        if fault is not None:
            faults.append(fault)
            continue
        mask = tree.path(f"{masks}/{found.masks[key]}")
        records.append(
            Record.of(tree.path(f"{images}/{key}"), item, ((mask, None),), None, listed.get(stem) or None)
        )
    left_out = len(by_stem.keys() - listed.keys()) if listed else 0
    if left_out:
        message = f"{left_out} images are in no list and left out"
        faults.append(Fault("warning", "unlisted", "ImageSets", message))
    companions = (*_COMPANIONS, *(("SegmentationClass",) if masks != "SegmentationClass" else ()))
    if left_out:
        companions = (*companions, images, masks)
    return Layout(
        format, tree.root, names, tuple(records), tuple(faults), colours=colours, companions=companions
    )


def _folders(tree: Tree) -> tuple[str, str]:
    """The folder of images and that of masks."""
    masks = _mask_folder(tree)
    if masks is None:
        masks = tree.folder("SegmentationClass")
    images = tree.find_folder("JPEGImages") or tree.find_folder("images")
    if images is None:
        raise DatasetError(
            f"{tree.root} lacks the folder 'JPEGImages'; it holds {tree.summary()}: put the images there "
            "(CVAT exports them with 'Save images')"
        )
    return images, masks


def _mask_folder(tree: Tree) -> str | None:
    """The folder that holds masks as images; arrays are left alone, since loading one can run code."""
    for name in ("SegmentationClass", "SegmentationClassPNG"):
        folder = tree.find_folder(name)
        if folder is not None and tree.images(folder, recursive=True):
            return folder
    return None


def _listed_names(tree: Tree) -> list[str]:
    for name in _NAMES:
        if tree.has(name):
            lines = [line.strip() for line in tree.text(name).splitlines()]
            # labelme writes these two for "ignore" and for the background.
            return [
                BACKGROUND if line == "_background_" else line
                for line in lines
                if line not in {"", "__ignore__"}
            ]
    raise DatasetError(
        f"{tree.root} does not name its classes; pass them with --classes, or write them into "
        f"{tree.root / 'classes.txt'}, one per line"
    )


def _labelmap(tree: Tree) -> tuple[tuple[str, ...], Colours, tuple[int, ...]]:
    """Class names, the index of each colour, and that of each line, "background" being any of them.

    A line is `name:red,green,blue:parts:actions`.
    """
    if not tree.has(_LABELMAP):
        raise DatasetError(f"{tree.root} lacks {_LABELMAP}; it holds {tree.summary()}")
    colours: dict[str, tuple[int, int, int]] = {}
    for number, line in enumerate(tree.text(_LABELMAP).splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, _, rest = text.partition(":")
        numbers = rest.partition(":")[0].split(",")
        if not name or len(numbers) != 3 or not all(_is_byte(value) for value in numbers):
            raise DatasetError(
                f"{tree.root / _LABELMAP}, line {number}: got {text!r:.60}, need name:red,green,blue:: with "
                "numbers from 0 to 255"
            )
        colour = (int(numbers[0]), int(numbers[1]), int(numbers[2]))
        if name in colours or colour in colours.values():
            raise DatasetError(f"{tree.root / _LABELMAP}, line {number}: its name or colour is there twice")
        colours[name.strip()] = colour
    if not colours:
        raise DatasetError(
            f"{tree.root / _LABELMAP} names no class; it needs a line name:red,green,blue:: of each"
        )
    ground = next((name for name in colours if name.lower() in {BACKGROUND, "_background_"}), None)
    names = check_classes(name for name in colours if name != ground)
    indices = {colours[name]: index for index, name in enumerate(names) if index}
    indices[colours[ground] if ground is not None else (0, 0, 0)] = 0
    return names, indices, tuple(indices[colour] for colour in colours.values())


def _is_byte(text: str) -> bool:
    return text.strip().isdecimal() and len(text) < 9 and int(text) <= 255


def _lists(tree: Tree, faults: list[Fault]) -> dict[str, str]:
    """Listed images, with the split that their list stands for; CVAT's default.txt stands for none."""
    listed: dict[str, str] = {}
    folder = tree.find_folder("ImageSets/Segmentation")
    for split in ("train", "val", "test", "default") if folder is not None else ():
        if not tree.has(f"{folder}/{split}.txt"):
            continue
        for line in tree.text(f"{folder}/{split}.txt").splitlines():
            stem, published = normal(line.strip()), "" if split == "default" else split
            if stem and listed.setdefault(stem, published) != published:
                message = f"it is listed in {listed[stem]} and in {split}"
                faults.append(Fault("warning", "listed-twice", f"JPEGImages/{stem}", message))
    return listed


def _kit_colours(num_classes: int) -> Colours:
    """Colours of the VOC development kit: the bits of the index, spread over three channels."""
    colours = {}
    for index in (*range(num_classes), IGNORE):
        channels, rest = [0, 0, 0], index
        for bit in range(7, -1, -1):
            for channel in range(3):
                channels[channel] |= (rest >> channel & 1) << bit
            rest >>= 3
        colours[(channels[0], channels[1], channels[2])] = index
    return colours
