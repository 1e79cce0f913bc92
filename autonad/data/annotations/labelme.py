"""Reader of labelme: a JSON file per image, with polygons, rectangles, circles and masks.

Coordinates are labelme's own, in pixels from the image's corner. Files of all versions are read; an image
that is not there is taken out of the file if that holds it.
"""

from __future__ import annotations

import base64
import io
import math
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from autonad.data.annotations.assembling import Collection, Found, annotation_files, evidence
from autonad.data.annotations.documents import end_of, read_json_file, read_lines
from autonad.data.annotations.marks import Ellipse, Mark, Polygon, Shape, Stamp, number, rectangle, ring
from autonad.data.annotations.sketch import Notes, label_of
from autonad.data.images import MAX_PIXELS
from autonad.data.layouts.layout import Layout, Wanted
from autonad.data.layouts.tree import Tree
from autonad.errors import DatasetError

_LISTS = ("labels.txt", "classes.txt")
_NO_AREA = frozenset({"line", "linestrip", "point", "points"})


def read_labelme(tree: Tree, wanted: Wanted) -> Layout:
    """List images and labelme's JSON files.

    Args:
        tree: Source with both; a file's `imagePath` may lead into another folder of it.
        wanted: Names of the defects; else labels.txt or classes.txt, else the labels in sorted order.

    Raises:
        DatasetError: There are no such files, or no class can be told.
    """
    collection = Collection.of("labelme", tree)
    labels: set[str] = set()
    for file in annotation_files(tree, ".json"):
        _list(collection, file, labels)
    listed = next((tree.path(name) for name in _LISTS if tree.has(name)), None)
    collection.labels = sorted(labels) if listed is None else read_lines(listed)
    return collection.layout(
        wanted,
        looked_for="JSON files with `shapes`; save them with labelme beside the images",
        expected="a JSON file of the same name beside it, without shapes if it shows no defect",
    )


def recognise_labelme(tree: Tree) -> str | None:
    """What speaks for this format, if anything does."""
    return evidence(tree, ".json", (b'"shapes"', b'"imagePath"'), "JSON files with shapes")


def _list(collection: Collection, file: Path, labels: set[str]) -> None:
    """Add what one JSON file describes."""
    index = collection.index
    try:
        beside = index.beside(file)
        try:
            document = _document(file)
            notes = _notes(file, document)
        except DatasetError as error:
            if beside is None:
                collection.fault(file, error)
            else:  # the image carries the fault
                collection.files += 1
                collection.found.append(Found(file, beside, LabelmeNotes(file)))
            return
        collection.files += 1
        labels.update(mark.label for mark in notes.marks)
        is_empty = not notes.marks and not notes.undrawable
        name = str(document.get("imagePath") or "").replace("\\", "/")
        folder = file.parent.relative_to(collection.source).as_posix()
        written = os.path.normpath(f"{folder}/{name}") if name else ""
        image = collection.source / written
        if not (written and image in index):
            image = beside or index.find(written) or file
        if image == file and not document.get("imageData"):
            image = collection.source
        found = Found(file, image, LabelmeNotes(file), is_empty=is_empty, is_embedded=image == file)
        collection.add(found, name)
    except DatasetError as error:
        collection.fault(file, error)


@dataclass(frozen=True)
class LabelmeNotes:
    """Reads one file when its image is drawn, so that a large set is never held."""

    file: Path

    def __call__(self, size: tuple[int, int]) -> Notes:
        """See `Sketch.notes`."""
        return _notes(self.file, _document(self.file))


def embedded_image(file: Path) -> bytes:
    """The bytes of the image file that a labelme file holds.

    Raises:
        DatasetError: It holds none, or the text is damaged.
    """
    try:
        return base64.b64decode(_document(file).get("imageData") or "", validate=True)
    except (ValueError, TypeError) as error:
        raise DatasetError(f"the image in {file.name} is damaged; put the image file beside it") from error


def _document(file: Path) -> dict[str, Any]:
    document = read_json_file(file)
    if not isinstance(document, dict) or not isinstance(document.get("shapes"), list):
        raise DatasetError(f"{file.name} is no file of labelme: it lacks the list `shapes`; take it out")
    return document


def _notes(file: Path, document: dict[str, Any]) -> Notes:
    marks: list[Mark] = []
    undrawable: list[str] = []
    for position, shape in enumerate(document["shapes"], start=1):
        try:
            if not isinstance(shape, dict):
                raise DatasetError("it is no object")
            label, kind = label_of(shape.get("label")), shape.get("shape_type") or "polygon"
            if not isinstance(kind, str):
                raise DatasetError(f"{kind!r:.40} is no kind of shape")
            if kind in _NO_AREA:
                undrawable.append(f"shape {position} ({end_of(label)}) is a {kind}")
                continue
            marks.append(Mark(_shape(kind, shape), label))
        except DatasetError as error:
            raise DatasetError(f"{file.name}: shape {position}: {error}; mend it in labelme") from error
    return Notes(tuple(marks), _size(document), tuple(undrawable))


def _size(document: dict[str, Any]) -> tuple[int, int] | None:
    height, width = document.get("imageHeight"), document.get("imageWidth")
    if not isinstance(height, int) or not isinstance(width, int):
        return None
    return height, width


def _shape(kind: str, shape: dict[str, Any]) -> Shape:
    points = shape.get("points")
    if not isinstance(points, list) or not all(isinstance(p, list) and len(p) == 2 for p in points):
        raise DatasetError("its points are no pairs of numbers x, y")
    if kind in ("polygon", "oriented_rectangle") or (kind == "rectangle" and len(points) > 2):
        return Polygon((ring(points),))
    if kind not in ("rectangle", "circle", "mask"):
        raise DatasetError(f"{kind!r:.40} is no kind of shape that has an area")
    if len(points) != 2:
        raise DatasetError(f"a {kind} has {len(points)} points; it needs two")
    (x0, y0), (x1, y1) = ((number(x), number(y)) for x, y in points)
    if kind == "rectangle":
        return rectangle((x0, y0), (x1, y1))
    if kind == "circle":
        radius = math.hypot(x1 - x0, y1 - y0)
        return Ellipse((x0, y0), (radius, radius))
    return Stamp(_bitmap(shape.get("mask")), (math.floor(y0), math.floor(x0)))


def _bitmap(text: Any) -> np.ndarray:
    """The PNG of a shape of the kind "mask", in base64: bool (H, W)."""
    try:
        content = base64.b64decode(text, validate=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(content), formats=("PNG",))
            if image.width * image.height > MAX_PIXELS:
                raise DatasetError(f"its mask has {image.height} × {image.width} pixels, more than are read")
            return np.asarray(image.convert("L")) > 0
    except (TypeError, ValueError, OSError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise DatasetError("its mask is no PNG in base64") from error
