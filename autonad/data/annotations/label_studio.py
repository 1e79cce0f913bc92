"""Reader of Label Studio's JSON exports (JSON and JSON-MIN): polygons, boxes, ellipses and brush strokes.

Positions are percent of the image; a brush stroke is a packed bitmap. Of several annotations of a task the
one that was changed last counts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from autonad.data.annotations.assembling import Collection, Found, annotation_files, evidence
from autonad.data.annotations.documents import read_json_file
from autonad.data.annotations.marks import Brush, Ellipse, Mark, Polygon, Shape, number, ring, turned
from autonad.data.annotations.matching import local_path, split_of
from autonad.data.annotations.sketch import Notes, Told, label_of
from autonad.data.images import MAX_PIXELS
from autonad.data.layouts.layout import Layout, Wanted
from autonad.data.layouts.tree import Tree
from autonad.errors import DatasetError

_NO_AREA = ("keypoint", "vector", "video", "textarea")


def read_label_studio(tree: Tree, wanted: Wanted) -> Layout:
    """List the tasks of Label Studio's JSON exports.

    Args:
        tree: Source with the export and the images, found by the names that the export calls them.
        wanted: Names of the defects; else the labels in sorted order.

    Raises:
        DatasetError: There are no such files, or no class can be told.
    """
    collection = Collection.of("label-studio", tree)
    labels: set[str] = set()
    for file in annotation_files(tree, ".json"):
        try:
            tasks = _tasks(file)
        except DatasetError as error:
            collection.fault(file, error)
            continue
        collection.files += 1
        for task in tasks:
            try:
                _add(collection, file, task, labels)
            except DatasetError as error:
                collection.fault_within(file, f"task {task.get('id', '?')!r:.40}", error)
    collection.labels = sorted(labels)
    return collection.layout(
        wanted,
        looked_for="JSON export, a list of tasks; export it as JSON with the images",
        expected="a task in the JSON export",
    )


def recognise_label_studio(tree: Tree) -> str | None:
    """What speaks for this format, if anything does."""
    return evidence(tree, ".json", (b'"original_width"', b"labels"), "JSON exports with labelled regions")


def _tasks(file: Path) -> list[dict[str, Any]]:
    tasks = read_json_file(file)
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise DatasetError("it is no list of tasks; export it from Label Studio as JSON")
    return tasks


def _add(collection: Collection, file: Path, task: dict[str, Any], labels: set[str]) -> None:
    reference = _reference(task)
    regions = _regions(collection, file, task)
    if regions is None:
        return  # nobody has annotated it yet
    notes = _notes(regions)
    labels.update(mark.label for mark in notes.marks)
    path = collection.index.find(local_path(reference))
    is_empty = not notes.marks and not notes.undrawable
    split = split_of(collection.folders(path))
    collection.add(Found(file, path or collection.source, Told(notes), split, is_empty), reference)


def _reference(task: dict[str, Any]) -> str:
    """What the task calls its image: an upload, a URL or a path."""
    data = task.get("data", task)
    values = [data.get("image")] if isinstance(data, dict) and "image" in data else []
    if isinstance(data, dict):
        values += [value for key, value in data.items() if key in ("img", "photo", "picture", "url", "ocr")]
    for value in values:
        if isinstance(value, str) and value:
            return value
    raise DatasetError("it names no image in `data.image`; export it again")


def _regions(collection: Collection, file: Path, task: dict[str, Any]) -> list[Any] | None:
    """The regions of the annotation that counts; None if there is none."""
    if "annotations" not in task and "completions" not in task and "data" not in task:  # JSON-MIN
        lists = [
            value
            for value in task.values()
            if isinstance(value, list) and value and all(isinstance(v, dict) and _kind(v) for v in value)
        ]
        return [region | {"value": region} for one in lists for region in one]
    done = task.get("annotations", task.get("completions"))
    done = [one for one in done if isinstance(one, dict)] if isinstance(done, list) else []
    kept = [one for one in done if not one.get("was_cancelled") and isinstance(one.get("result"), list)]
    if not kept:
        return None
    if len(kept) > 1:
        message = f"task {task.get('id', '?')!r:.40} has {len(kept)} annotations; the one changed last counts"
        collection.warn("several-annotations", collection.item(file), message)
    last = max(kept, key=lambda one: str(one.get("updated_at") or one.get("created_at") or ""))
    result: list[Any] = last["result"]
    return result


def _kind(value: dict[str, Any]) -> str | None:
    """The key under which a region holds its labels, such as "polygonlabels"."""
    return next((key for key in value if key.endswith("labels") and isinstance(value[key], list)), None)


def _notes(regions: list[Any]) -> Notes:
    marks, undrawable = list[Mark](), list[str]()
    sizes = set[tuple[int, int]]()
    for position, region in enumerate(regions, start=1):
        value = region.get("value") if isinstance(region, dict) else None
        if not isinstance(value, dict) or set(value) <= {"choices", "text", "rating", "number", "taxonomy"}:
            continue  # about the image as a whole
        kind = _kind(value)
        try:
            if kind is None:
                raise DatasetError("it has no label")
            if kind.startswith(_NO_AREA):
                raise DatasetError(f"{kind} have no area")
            if not value[kind]:
                raise DatasetError("it has no label")
            if region.get("image_rotation"):
                raise DatasetError("its image was turned in Label Studio; turn the file instead")
            size = _size(region)
            sizes.add(size)
            marks.append(Mark(_shape(value, size), label_of(value[kind][0])))
        except DatasetError as error:
            undrawable.append(f"region {position}: {error}")
    if len(sizes) > 1:
        undrawable.append(f"its regions are for images of {len(sizes)} sizes")
    return Notes(tuple(marks), next(iter(sizes), None), tuple(undrawable))


def _size(region: dict[str, Any]) -> tuple[int, int]:
    height, width = (int(number(region.get(f"original_{name}"))) for name in ("height", "width"))
    if not (height > 0 and width > 0 and height * width <= MAX_PIXELS):
        raise DatasetError(f"its image has {height} × {width} pixels")
    return height, width


def _shape(value: dict[str, Any], size: tuple[int, int]) -> Shape:
    scale = np.array([size[1], size[0]]) / 100  # percent to pixels, (x, y)
    if "points" in value:
        return Polygon((ring(value["points"]) * scale,))
    if "rle" in value:
        packed = value["rle"]
        if not isinstance(packed, list) or not all(isinstance(v, int) and 0 <= v < 256 for v in packed):
            raise DatasetError("its brush stroke is no list of bytes")
        return Brush(bytes(packed), size)
    degrees = number(value.get("rotation") or 0)
    x, y = number(value.get("x")) * scale[0], number(value.get("y")) * scale[1]
    if "radiusX" in value:
        radii = (number(value["radiusX"]) * scale[0], number(value.get("radiusY")) * scale[1])
        return Ellipse((x, y), radii, degrees)
    width, height = number(value.get("width")) * scale[0], number(value.get("height")) * scale[1]
    corners = np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)])
    return Polygon((turned(corners, (x, y), degrees),))  # Label Studio turns boxes about their first corner
