"""Reader of YOLO segmentation: a text file per image, a class index and the corners of a polygon per row.

Corners are fractions of the image's width and height. A row of four numbers is a box, which says too little.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from autonad.console import as_text
from autonad.data.annotations.assembling import Collection, Found, mentions
from autonad.data.annotations.documents import read_bytes, read_lines, read_text, read_yaml_file
from autonad.data.annotations.marks import Mark, Polygon, flat_ring, number
from autonad.data.annotations.matching import split_of
from autonad.data.annotations.sketch import Notes, label_of
from autonad.data.layouts.layout import Layout, Wanted
from autonad.data.layouts.pairing import normal
from autonad.data.layouts.tree import Tree, split_stem, suffix_of
from autonad.errors import DatasetError

_LISTS = ("classes.txt", "obj.names", "labels.txt", "labels/classes.txt")
_OTHER_TEXTS = ("train", "val", "test", "readme")
# Corners a little outside come from rounding; beyond that they are pixels, not fractions.
_FARTHEST = 2.0


def read_yolo(tree: Tree, wanted: Wanted) -> Layout:
    """List images and YOLO's text files.

    The file of `images/train/p.png` is `labels/train/p.txt`, that of `train/images/p.png` is
    `train/labels/p.txt`, else it lies beside the image. An image without a file is free of defects, by YOLO's
    convention, where its folder has a counterpart of labels.

    Args:
        tree: Source of data.yaml, images and labels.
        wanted: Names by index, without a background; else `names` of data.yaml, else classes.txt.

    Raises:
        DatasetError: There are no such files, or nothing names the classes.
    """
    collection = Collection.of("yolo", tree)
    files = {split_stem(normal(key)): tree.path(key) for key in _texts(tree)}
    names = list(wanted.classes) if wanted.classes is not None else _names(tree)
    if names is None and wanted.known is not None:
        names = list(wanted.known[1:])
    if names is None and files:
        raise DatasetError(
            f"{tree.root} does not name its classes; write `names` into data.yaml, or pass the classes "
            "in the order of their indices"
        )
    folders = {stem.rpartition("/")[0] for stem in files}
    used = set[Path]()
    for key in tree.images(recursive=True):
        stem, image = split_stem(normal(key)), tree.path(key)
        place = _place(stem)
        file = files.get(place) or files.get(stem)
        if file is not None or place.rpartition("/")[0] in folders:
            used |= {file} if file is not None else set()
            notes = YoloNotes(file, tuple(names or ()))
            split = split_of(key.split("/")[:-1])
            found = Found(file or image, image, notes, split, _is_empty(file))
            collection.add(found, image.name)
    collection.files = len(used)
    collection.labels = names or []
    for path in sorted(set(files.values()) - used):
        if not path.stem.lower().startswith(_OTHER_TEXTS):
            collection.warn("no-image", collection.item(path), "it belongs to no image; it is left alone")
    return collection.layout(
        wanted,
        looked_for="labels/NAME.txt for an image images/NAME; export it as YOLO segmentation",
        expected="labels/NAME.txt, empty if it shows no defect",
    )


def recognise_yolo(tree: Tree) -> str | None:
    """What speaks for this format, if anything does."""
    if any(mentions(tree.path(key), b"names") for key in tree.with_suffix(".yaml", ".yml")):
        return "a YAML file with names"
    folders = (key.split("/")[:-1] for key in _texts(tree))
    found = next(("/".join(parts) for parts in folders if "labels" in parts), None)
    return None if found is None else f"text files in {as_text(found)}"


@dataclass(frozen=True)
class YoloNotes:
    """Reads one text file when its image, whose size it needs, is drawn; None says that there is none."""

    file: Path | None
    names: tuple[str, ...]

    def __call__(self, size: tuple[int, int]) -> Notes:
        """See `Sketch.notes`."""
        if self.file is None:
            return Notes(())
        marks, undrawable = list[Mark](), list[str]()
        for row, line in enumerate(read_text(self.file, None).splitlines(), start=1):
            fields = line.split()
            if len(fields) == 5:
                undrawable.append(f"row {row} is a box")
            elif fields:
                try:
                    marks.append(self._mark(fields, size))
                except DatasetError as error:
                    raise DatasetError(f"{self.file.name}: row {row}: {error}; mend or remove it") from error
        return Notes(tuple(marks), None, tuple(undrawable))

    def _mark(self, fields: list[str], size: tuple[int, int]) -> Mark:
        index, corners = number(fields[0]), flat_ring([number(field) for field in fields[1:]])
        if index != int(index) or not 0 <= index < len(self.names):
            raise DatasetError(f"it has the class {fields[0]:.40}; there are 0 to {len(self.names) - 1}")
        if corners.min() < 1 - _FARTHEST or corners.max() > _FARTHEST:
            raise DatasetError("its corners are no fractions of the image, which lie between 0 and 1")
        return Mark(Polygon((corners * (size[1], size[0]),)), self.names[int(index)])


def _is_empty(file: Path | None) -> bool:
    """Whether a text file lists no shape; one that cannot be read is named when its image is drawn."""
    try:
        return file is None or not read_bytes(file).strip()
    except DatasetError:
        return False


def _texts(tree: Tree) -> list[str]:
    """Text files that are no list of classes."""
    return [key for key in tree.files if suffix_of(key) == ".txt" and key not in _LISTS]


def _place(stem: str) -> str:
    """Where the text file of an image lies: in the last folder `images`, put `labels`."""
    parts = stem.split("/")
    for position in range(len(parts) - 2, -1, -1):
        if parts[position].lower() == "images":
            return "/".join((*parts[:position], "labels", *parts[position + 1 :]))
    return stem


def _names(tree: Tree) -> list[str] | None:
    """Names by index from a YAML file beside the folders, else from a list of classes."""
    for key in tree.with_suffix(".yaml", ".yml"):
        content = read_yaml_file(tree.path(key))
        names = content.get("names") if isinstance(content, dict) else None
        if isinstance(names, dict):
            if sorted(names, key=str) != sorted(range(len(names)), key=str):
                raise DatasetError(f"`names` of {key} must have the indices 0, 1, 2 …; number them so")
            names = [names[index] for index in range(len(names))]
        if isinstance(names, list):
            return [label_of(name) for name in names]
    for name in _LISTS:
        if tree.has(name):
            return read_lines(tree.path(name))
    return None
