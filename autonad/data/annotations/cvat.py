"""Reader of "CVAT for images 1.1": an XML file with polygons, boxes, ellipses and masks of many images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from autonad.data.annotations.assembling import Collection, Found, annotation_files, evidence
from autonad.data.annotations.documents import end_of, read_xml_file
from autonad.data.annotations.marks import Ellipse, Mark, Polygon, Runs, Shape, number, rectangle, ring
from autonad.data.annotations.matching import split_of
from autonad.data.annotations.sketch import Notes, Told, label_of
from autonad.data.images import MAX_PIXELS
from autonad.data.layouts.layout import Layout, Wanted
from autonad.data.layouts.tree import Tree
from autonad.errors import DatasetError

_DRAWN = frozenset({"polygon", "box", "ellipse", "mask"})
_NO_AREA = frozenset({"polyline", "points", "cuboid", "skeleton"})


def read_cvat(tree: Tree, wanted: Wanted) -> Layout:
    """List the images of CVAT's XML files.

    Args:
        tree: Source with annotations.xml and the images, in whatever folders.
        wanted: Names of the defects; else the labels of the task in their order, then the others.

    Raises:
        DatasetError: There are no such files, or no class can be told.
    """
    collection = Collection.of("cvat", tree)
    defined: list[str] = []
    used: set[str] = set()
    for file in annotation_files(tree, ".xml"):
        walk = _Walk()
        try:
            read_xml_file(file, walk.start, walk.end)
            if walk.root != "annotations" or walk.tracks:
                raise DatasetError(
                    "it is a CVAT file for video; export it as `CVAT for images 1.1`"
                    if walk.tracks
                    else f"it is no CVAT file, its root is <{end_of(walk.root, 40)}>; take it out"
                )
        except DatasetError as error:
            collection.fault(file, error)
            continue
        collection.files += 1
        defined += walk.labels
        for image in walk.images:
            used.update(mark.label for _, mark in image.marks)
            _add(collection, file, image)
    collection.labels = [*defined, *sorted(used)]
    return collection.layout(
        wanted,
        looked_for="XML file with the root <annotations>; export it as `CVAT for images 1.1`",
        expected="an <image> in the XML file",
    )


def recognise_cvat(tree: Tree) -> str | None:
    """What speaks for this format, if anything does."""
    return evidence(tree, ".xml", (b"<annotations", b"<image"), "XML files of CVAT for images")


@dataclass
class _Image:
    """An <image>: its attributes, its shapes with their heights, and what cannot be drawn."""

    about: Mapping[str, str]
    marks: list[tuple[float, Mark]] = field(default_factory=list)
    undrawable: list[str] = field(default_factory=list)


class _Walk:
    """Collects images and labels while an XML file is read."""

    def __init__(self) -> None:
        self.root = ""
        self.tracks = 0
        self.images: list[_Image] = []
        self.labels: list[str] = []
        self._path: list[str] = []

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self.root = self.root or name
        self._path.append(name)
        if self._path[1:] == ["track"]:
            self.tracks += 1
        elif self._path[1:] == ["image"]:
            self.images.append(_Image(attributes))
        elif self._path[1:2] == ["image"] and len(self._path) == 3:
            self._add_shape(self.images[-1], name, attributes)

    def end(self, name: str, text: str) -> None:
        if self._path[-3:] == ["labels", "label", "name"] and text and "meta" in self._path:
            self.labels.append(text)
        self._path.pop()

    def _add_shape(self, image: _Image, kind: str, attributes: Mapping[str, str]) -> None:
        label, name = attributes.get("label", ""), end_of(attributes.get("label", ""))
        if kind in _NO_AREA:
            image.undrawable.append(f"a {kind} ({name})")
        elif kind in _DRAWN:
            try:
                mark = Mark(_shape(kind, attributes), label_of(label))
                image.marks.append((number(attributes.get("z_order", "0")), mark))
            except (DatasetError, KeyError) as error:
                reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
                image.undrawable.append(f"a {kind} ({name}): {reason}")


def _add(collection: Collection, file: Path, image: _Image) -> None:
    name = image.about.get("name", "")
    subset = image.about.get("subset", "")
    try:
        folder = file.parent.relative_to(collection.source).as_posix()
        near = (subset, "images") if subset else ("images",)
        path = collection.index.find(f"{folder}/{name}", near=near)
        size = None
        if "height" in image.about and "width" in image.about:
            size = (int(number(image.about["height"])), int(number(image.about["width"])))
    except DatasetError as error:
        collection.fault_within(file, name, error)
        return
    marks = tuple(mark for _, mark in sorted(image.marks, key=lambda one: one[0]))
    notes = Notes(marks, size, tuple(image.undrawable))
    is_empty = not marks and not notes.undrawable
    split = split_of((subset, *collection.folders(path)))
    collection.add(Found(file, path or collection.source, Told(notes), split, is_empty), name)


def _shape(kind: str, about: Mapping[str, str]) -> Shape:
    degrees = number(about.get("rotation", "0"))
    if kind == "polygon":
        return Polygon((ring([[number(v) for v in pair.split(",")] for pair in about["points"].split(";")]),))
    if kind == "box":
        x0, y0, x1, y1 = (number(about[name]) for name in ("xtl", "ytl", "xbr", "ybr"))
        return rectangle((x0, y0), (x1, y1), degrees)
    if kind == "ellipse":
        x, y, rx, ry = (number(about[name]) for name in ("cx", "cy", "rx", "ry"))
        return Ellipse((x, y), (rx, ry), degrees)
    left, top, width, height = (int(number(about[name])) for name in ("left", "top", "width", "height"))
    if not (width > 0 and height > 0 and width * height <= MAX_PIXELS):
        raise DatasetError(f"a mask of {height} × {width} pixels")
    counts = np.array([int(number(value)) for value in about["rle"].split(",")], dtype=np.int64)
    return Runs(counts, (height, width), by_column=False, corner=(top, left), whole=False)
