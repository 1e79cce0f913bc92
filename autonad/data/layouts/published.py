"""Readers of published sets: NEU, magnetic tiles and NEU_Seg."""

from __future__ import annotations

from autonad.console import as_text
from autonad.data.dataset import BACKGROUND
from autonad.data.faults import Fault
from autonad.data.layouts.layout import Layout, Record, Wanted
from autonad.data.layouts.pairing import missing_mask, pair, paired
from autonad.data.layouts.tree import Tree, split_stem
from autonad.errors import DatasetError

_NEU = {"In": "inclusion", "Pa": "patches", "Sc": "scratches"}
_MT = ("blowhole", "break", "crack", "fray", "uneven")
_NEU_SEG_SPLITS = {"training": "train", "test": "test"}


def read_neu(tree: Tree, wanted: Wanted) -> Layout:
    """SD-saliency-900: `Source Images/{In,Pa,Sc}_N.bmp`, `Ground truth/` likewise, 0/255; class by name."""
    images, masks = tree.folder("Source Images"), tree.folder("Ground truth")
    classes = (BACKGROUND, *_NEU.values())
    records, faults = [], []
    for key, mask in paired(tree, images, masks):
        item = as_text(key)
        label = _NEU.get(key.removeprefix(f"{images}/").split("_")[0])
        if label is None:
            message = f"its name starts with none of {', '.join(_NEU)}; rename it"
            faults.append(Fault("error", "unknown-class", item, message))
        elif isinstance(mask, Fault):
            faults.append(mask)
        else:
            found = ((tree.path(mask), classes.index(label)),)
            records.append(Record.of(tree.path(key), item, found, label))
    return Layout("neu", tree.root, classes, tuple(records), tuple(faults))


def is_neu(tree: Tree) -> str | None:
    """By what the layout of `read_neu` is told."""
    folders = [tree.find_folder(name) for name in ("Source Images", "Ground truth")]
    return "folders 'Source Images' and 'Ground truth'" if all(folders) else None


def read_mt(tree: Tree, wanted: Wanted) -> Layout:
    """Magnetic tiles: `MT_<Class>/Imgs/NAME.jpg` beside `NAME.png`, grey masks; class by folder.

    `MT_Free` holds tiles without defects; their masks are zero, and they are read on request only.
    """
    folders = {name: tree.find_folder(f"MT_{name.capitalize()}/Imgs") for name in _MT}
    present = {name: folder for name, folder in folders.items() if folder is not None}
    if not present:
        raise DatasetError(
            f"{tree.root} is no magnetic-tile layout: it lacks the folders MT_Blowhole/Imgs, MT_Break/Imgs "
            f"...; it holds {tree.summary()}"
        )
    classes = (BACKGROUND, *_MT)
    faults = [
        Fault("warning", "missing-class", f"MT_{name.capitalize()}", "the folder is missing, so is the class")
        for name in _MT
        if name not in present
    ]
    records: list[Record] = []
    for name, folder in present.items():
        files = tree.images(folder)
        images = [key for key in files if not key.lower().endswith(".png")]
        found = pair(images, [key for key in files if key.lower().endswith(".png")])
        for key in images:
            item = as_text(key)
            fault = found.fault(key, item)
            if fault is None and key in found.masks:
                masks = ((tree.path(found.masks[key]), classes.index(name)),)
                records.append(Record.of(tree.path(key), item, masks, name))
            else:
                faults.append(fault or missing_mask(item, split_stem(key)))
    free = tree.find_folder("MT_Free/Imgs")
    if wanted.include_defect_free and free is not None:
        jpegs = [key for key in tree.images(free) if not key.lower().endswith(".png")]
        records += [Record.of(tree.path(key), as_text(key), (), None) for key in jpegs]
    return Layout("mt", tree.root, classes, tuple(records), tuple(faults), companions=("MT_Free",))


def is_mt(tree: Tree) -> str | None:
    """By what the layout of `read_mt` is told."""
    found = [name for name in _MT if tree.find_folder(f"MT_{name.capitalize()}/Imgs")]
    return f"folders {', '.join(f'MT_{name.capitalize()}/Imgs' for name in found)}" if found else None


def read_neu_seg(tree: Tree, wanted: Wanted) -> Layout:
    """NEU_Seg: `images/{training,test}/N.jpg`, `annotations/{training,test}/N.png`, indices 0 to 3."""
    records: list[Record] = []
    faults: list[Fault] = []
    for folder, split in _NEU_SEG_SPLITS.items():
        images, annotations = tree.folder(f"images/{folder}"), tree.folder(f"annotations/{folder}")
        for key, mask in paired(tree, images, annotations):
            if isinstance(mask, Fault):
                faults.append(mask)
            else:
                records.append(
                    Record.of(tree.path(key), as_text(key), ((tree.path(mask), None),), None, split)
                )
    return Layout("neu-seg", tree.root, (BACKGROUND, *_NEU.values()), tuple(records), tuple(faults))


def is_neu_seg(tree: Tree) -> str | None:
    """By what the layout of `read_neu_seg` is told."""
    wanted = [f"{kind}/{split}" for kind in ("images", "annotations") for split in _NEU_SEG_SPLITS]
    return f"folders {', '.join(wanted)}" if all(tree.find_folder(name) for name in wanted) else None
