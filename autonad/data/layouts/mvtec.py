"""Readers of anomaly-detection sets: MVTec AD and VisA.

MVTec AD   train/good/*, test/good/*, test/TYPE/NNN.png, ground_truth/TYPE/NNN_mask.png; types are the classes
VisA       Data/Images/{Normal,Anomaly}/*, Data/Masks/Anomaly/*, of one object or of several in a folder each;
           its masks number the anomalies of an image and do not tell their kind, so there is one class
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autonad.console import as_text
from autonad.data.dataset import check_classes
from autonad.data.faults import Fault
from autonad.data.layouts.colour_masks import mask_of_size
from autonad.data.layouts.image_table import rows_of
from autonad.data.layouts.layout import Layout, Record, Wanted
from autonad.data.layouts.pairing import FREE, class_name, paired
from autonad.data.layouts.tree import Tree
from autonad.errors import DatasetError

_SPLIT_TABLE = "split_csv/1cls.csv"
_VISA = "Data/Images/Anomaly"


@dataclass(frozen=True)
class NonZero:
    """A mask of one class whose every non-zero value is defect, whatever it counts."""

    mask: Path
    index: int

    @property
    def files(self) -> tuple[Path, ...]:
        """The mask."""
        return (self.mask,)

    def draw(self, size: tuple[int, int]) -> tuple[np.ndarray, list[Fault]]:
        """The index mask of an image of this height and width, pixels: uint8 (H, W)."""
        values = mask_of_size(self.mask, size).samples
        defect = values.any(axis=2) if values.ndim == 3 else values > 0
        return np.where(defect, self.index, 0).astype(np.uint8), []


def read_mvtec(tree: Tree, wanted: Wanted) -> Layout:
    """MVTec AD, or VisA: images without defects have no masks, the others a type or the class "anomaly"."""
    objects = _visa_objects(tree)
    return _visa(tree, objects) if objects else _mvtec(tree)


def is_mvtec(tree: Tree) -> str | None:
    """By what the layout of `read_mvtec` is told."""
    objects = _visa_objects(tree)
    if objects:
        return f"folder {'/'.join(part for part in (objects[0], _VISA) if part)}"
    types = [name for name in _types(tree) if tree.find_folder(f"ground_truth/{name}")]
    return f"folders test/{types[0]} and ground_truth/{types[0]}" if types else None


def _mvtec(tree: Tree) -> Layout:
    tree.folder("test")
    types = _types(tree)
    if not types:
        raise DatasetError(
            f"{tree.root} has no test/TYPE with defects; it holds {tree.summary()}: name the folder of one "
            "object, which holds train/, test/ and ground_truth/"
        )
    classes = check_classes(class_name(name) for name in types)
    records: list[Record] = []
    faults: list[Fault] = []
    for split in ("train", "test"):
        for name in tree.inner(split):
            if name.lower() in FREE:
                records += [
                    Record.of(tree.path(key), as_text(key), (), published_split=split)
                    for key in tree.images(f"{split}/{name}", recursive=True)
                ]
    for index, name in enumerate(types, start=1):
        truth = tree.find_folder(f"ground_truth/{name}") or f"ground_truth/{name}"
        for key, mask in paired(tree, f"test/{name}", truth, recursive=True):
            if isinstance(mask, Fault):
                faults.append(mask)
            else:
                found = ((tree.path(mask), index),)
                records.append(Record.of(tree.path(key), as_text(key), found, classes[index], "test"))
    return Layout("mvtec", tree.root, classes, tuple(records), tuple(faults))


def _types(tree: Tree) -> list[str]:
    return [name for name in tree.inner("test") if name.lower() not in FREE]


def _visa_objects(tree: Tree) -> list[str]:
    """Folders of objects, "" for the source itself."""
    if tree.find_folder(_VISA):
        return [""]
    return [name for name in tree.inner() if tree.find_folder(f"{name}/{_VISA}")]


def _visa(tree: Tree, objects: list[str]) -> Layout:
    records: list[Record] = []
    faults: list[Fault] = []
    classes = check_classes(["anomaly"])
    splits = _visa_splits(tree)
    for name in objects:
        data = f"{name}/Data" if name else "Data"
        normal = tree.find_folder(f"{data}/Images/Normal")
        for key in tree.images(normal) if normal is not None else ():
            records.append(Record.of(tree.path(key), as_text(key), (), published_split=splits.get(key)))
        for key, mask in paired(
            tree, tree.folder(f"{data}/Images/Anomaly"), tree.folder(f"{data}/Masks/Anomaly")
        ):
            if isinstance(mask, Fault):
                faults.append(mask)
            else:
                drawing = NonZero(tree.path(mask), 1)
                records.append(
                    Record.of(tree.path(key), as_text(key), (), classes[1], splits.get(key), drawing=drawing)
                )
    return Layout("mvtec", tree.root, classes, tuple(records), tuple(faults))


def _visa_splits(tree: Tree) -> dict[str, str]:
    """The published split of each image: split_csv/1cls.csv, the one of which detectors are trained."""
    if not tree.has(_SPLIT_TABLE):
        return {}
    rows = rows_of(tree.text(_SPLIT_TABLE), tree.path(_SPLIT_TABLE))
    return {row["image"]: row["split"] for _, row in rows if row.get("split") in {"train", "test"}}
