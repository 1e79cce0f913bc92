"""Reader of YOLO segmentation: a text file per image, a class index and the corners of a polygon per row.

Corners are fractions of the image's width and height. A row of four numbers is a box, which says too little.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autonad.data.annotations.assembling import Collection, Found, annotation_files, mentions
from autonad.data.annotations.documents import MAX_BYTES, read_bytes, read_lines, read_text, read_yaml_file
from autonad.data.annotations.marks import Mark, Polygon, flat_ring, number
from autonad.data.annotations.matching import split_of
from autonad.data.annotations.sketch import Notes, label_of
from autonad.data.layouts.layout import Layout
from autonad.errors import DatasetError

_LISTS = ("classes.txt", "obj.names", "labels.txt", "labels/classes.txt")
_OTHER_TEXTS = ("train", "val", "test", "readme")
# Corners a little outside come from rounding; beyond that they are pixels, not fractions.
_FARTHEST = 2.0


def read_yolo(source: Path, *, classes: Sequence[str] | None, known: Sequence[str] | None = None) -> Layout:
    """List images and YOLO's text files.

    The file of `images/train/p.png` is `labels/train/p.txt`, that of `train/images/p.png` is
    `train/labels/p.txt`, else it lies beside the image. An image without a file is free of defects, by YOLO's
    convention, where its folder has a counterpart of labels.

    Args:
        source: Folder of data.yaml, images and labels.
        classes: Names by index, without a background; else `names` of data.yaml, else classes.txt.
        known: See `Collection.layout`; the indices mean these where nothing else names them.

    Raises:
        DatasetError: There are no such files, or nothing names the classes.
    """
    collection = Collection.of("yolo", source)
    lists = {source / name for name in _LISTS}
    files = {
        _normal(path.relative_to(source).with_suffix("").parts): path
        for path in annotation_files(source, ".txt")
        if path not in lists
    }
    names = list(classes) if classes is not None else _names(source)
    if names is None:
        names = list(known[1:]) if known is not None else None
    if names is None and files:
        raise DatasetError(
            f"{source} does not name its classes; write `names` into data.yaml, or pass the classes "
            "in the order of their indices"
        )
    folders = {parts[:-1] for parts in files}
    used = set[Path]()
    for image in collection.index.images:
        parts = _normal(image.relative_to(source).with_suffix("").parts)
        place = _place(parts)
        file = files.get(place) or files.get(parts)
        if file is not None or place[:-1] in folders:
            used |= {file} if file is not None else set()
            notes = YoloNotes(file, tuple(names or ()))
            found = Found(file or image, image, notes, split_of(parts[:-1]), _is_empty(file))
            collection.add(found, image.name)
    collection.files = len(used)
    collection.labels = names or []
    for path in sorted(set(files.values()) - used):
        if not path.stem.lower().startswith(_OTHER_TEXTS):
            collection.warn("no-image", collection.item(path), "it belongs to no image; it is left alone")
    return collection.layout(
        looked_for="labels/NAME.txt for an image images/NAME; export it as YOLO segmentation",
        expected="labels/NAME.txt, empty if it shows no defect",
        classes=classes,
        known=known,
    )


def recognise_yolo(source: Path) -> str | None:
    """What speaks for this format, if anything does."""
    if any(mentions(path, b"names") for path in (*source.glob("*.yaml"), *source.glob("*.yml"))):
        return "a YAML file with names"
    folders = [path for path in source.rglob("labels") if path.is_dir()][:20]
    with_text = [path for path in folders if next(path.rglob("*.txt"), None) is not None]
    return f"text files in {with_text[0].relative_to(source)}" if with_text else None


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
        for row, line in enumerate(read_text(self.file, MAX_BYTES).splitlines(), start=1):
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
        return file is None or not read_bytes(file, MAX_BYTES).strip()
    except DatasetError:
        return False


def _place(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Where the text file of an image lies: in the last folder `images`, put `labels`."""
    for position in range(len(parts) - 2, -1, -1):
        if parts[position].lower() == "images":
            return (*parts[:position], "labels", *parts[position + 1 :])
    return parts


def _normal(parts: Sequence[str]) -> tuple[str, ...]:
    return tuple(unicodedata.normalize("NFC", part) for part in parts)


def _names(source: Path) -> list[str] | None:
    """Names by index from a YAML file beside the folders, else from a list of classes."""
    for path in annotation_files(source, ".yaml", ".yml"):
        content = read_yaml_file(path) if path.parent == source else None
        names = content.get("names") if isinstance(content, dict) else None
        if isinstance(names, dict):
            if sorted(names, key=str) != sorted(range(len(names)), key=str):
                raise DatasetError(f"`names` of {path.name} must have the indices 0, 1, 2 …; number them so")
            names = [names[index] for index in range(len(names))]
        if isinstance(names, list):
            return [label_of(name) for name in names]
    for name in _LISTS:
        if (source / name).is_file():
            return read_lines(source / name)
    return None
