"""Reader of COCO: JSON files with images, categories and annotations as polygons or runs of pixels.

The parts of a polygon are joined, as pycocotools joins them: a hole needs runs of pixels. A crowd is
ignored (255) where no other annotation lies.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from autonad.data.annotations.assembling import Collection, Found, annotation_files, evidence
from autonad.data.annotations.documents import read_json_file
from autonad.data.annotations.marks import Mark, Polygon, Runs, Shape, flat_ring
from autonad.data.annotations.matching import split_of
from autonad.data.annotations.rle import unpack_coco
from autonad.data.annotations.sketch import IGNORED, Notes, Told, label_of
from autonad.data.layouts.layout import Layout, Wanted
from autonad.data.layouts.tree import Tree
from autonad.errors import DatasetError

_KEYS = ("images", "annotations", "categories")


def read_coco(tree: Tree, wanted: Wanted) -> Layout:
    """List the images of COCO's JSON files, one for all or one per split.

    Args:
        tree: Source with these and the images, in whatever folders.
        wanted: Names of the defects; else the categories in the order of their ids.

    Raises:
        DatasetError: There are no such files, or no class can be told.
    """
    collection = Collection.of("coco", tree)
    categories: dict[int, str] = {}
    for file in annotation_files(tree, ".json"):
        try:
            document = _document(file)
            collection.files += 1
            names = _categories(document)
            for number in names:
                if categories.setdefault(number, names[number]) != names[number]:
                    categories[max(categories) + 1] = names[number]
            _list(collection, file, document, names)
        except DatasetError as error:
            collection.fault(file, error)
    collection.labels = [categories[number] for number in sorted(categories)]
    return collection.layout(
        wanted,
        looked_for=f"JSON file with {', '.join(_KEYS)}; export it as COCO with the images",
        expected="an entry in `images` of a JSON file",
    )


def recognise_coco(tree: Tree) -> str | None:
    """What speaks for this format, if anything does."""
    return evidence(tree, ".json", (b'"images"', b'"categories"'), "JSON files with images and categories")


def _document(file: Path) -> dict[str, Any]:
    document = read_json_file(file, _shrunk)
    lists = document if isinstance(document, dict) else {}
    lacking = [key for key in _KEYS if not isinstance(lists.get(key), list)]
    if lacking:
        raise DatasetError(
            f"it is no COCO file of instances: it lacks the lists {', '.join(lacking)}; export it again"
        )
    for key in _KEYS:
        if not all(isinstance(entry, dict) for entry in lists[key]):
            raise DatasetError(f"`{key}` holds something else than objects; export it again")
    return lists


def _shrunk(entry: dict[str, Any]) -> dict[str, Any]:
    """An object with the numbers of its polygons as arrays, which take a quarter of the room."""
    parts = entry.get("segmentation")
    if isinstance(parts, list) and all(isinstance(part, list) and part for part in parts):
        try:
            entry["segmentation"] = [_numbers(part) for part in parts]
        except (TypeError, ValueError, OverflowError):
            return entry  # what is wrong with them is said when they are drawn
    return entry


def _numbers(part: list[Any]) -> np.ndarray:
    if not all(isinstance(value, float | int) for value in part):
        raise TypeError("a polygon holds something else than numbers")
    return np.array(part, dtype=np.float64)


def _categories(document: dict[str, Any]) -> dict[int, str]:
    """Names by id. An unused one that only stands above others (Roboflow writes such) is left out."""
    used = {_identity(annotation.get("category_id")) for annotation in document["annotations"]}
    above = {category.get("supercategory") for category in document["categories"]}
    names = {}
    for category in document["categories"]:
        number, name = _identity(category.get("id")), label_of(category.get("name"))
        if not isinstance(number, int):
            raise DatasetError(f"the category {name!r:.60} has the id {number!r:.60}, no whole number")
        if number in used or name not in above or category.get("supercategory") == name:
            names[number] = name
    return names


def _identity(value: Any) -> Any:
    """An id; some tools write numbers as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    return value if isinstance(value, int | str) else repr(value)


def _list(collection: Collection, file: Path, document: dict[str, Any], names: dict[int, str]) -> None:
    annotations = defaultdict(list)
    for annotation in document["annotations"]:
        annotations[_identity(annotation.get("image_id"))].append(annotation)
    folder = file.parent.relative_to(collection.source)
    near = (*_folders(file.stem), "images")
    crowds = 0
    for image in document["images"]:
        name = image.get("file_name")
        of_image = annotations.pop(_identity(image.get("id")), [])
        if not isinstance(name, str) or not name:
            message = f"the image {image.get('id')!r:.60} has no file_name; export it again"
            collection.fault_within(file, "", DatasetError(message))
            continue
        try:
            path = collection.index.find((folder / name.replace("\\", "/")).as_posix(), near=near)
        except DatasetError as error:
            collection.fault_within(file, name, error)
            continue
        crowds += sum(bool(annotation.get("iscrowd")) for annotation in of_image)
        split = split_of((file.stem, *collection.folders(path)))
        notes = _notes(image, of_image, names)
        collection.add(
            Found(file, path or collection.source, Told(notes), split, is_empty=not of_image), name
        )
    if crowds:
        message = f"{crowds} annotations are crowds; their pixels are ignored (255)"
        collection.warn("crowd", collection.item(file), message)
    if annotations:
        count = sum(len(of_image) for of_image in annotations.values())
        message = f"{count} annotations belong to images that it does not list; they are left out"
        collection.warn("no-image", collection.item(file), message)


def _folders(stem: str) -> tuple[str, ...]:
    """Folders in which the images of `instances_train2017.json` lie: train2017, train."""
    name = stem.removeprefix("instances_").removesuffix("_annotations")
    return tuple(dict.fromkeys(part for part in (name, split_of((stem,))) if part))


def _notes(image: dict[str, Any], annotations: list[dict[str, Any]], names: dict[int, str]) -> Notes:
    crowds, marks, undrawable = list[Mark](), list[Mark](), list[str]()
    for annotation in annotations:
        try:
            number = _identity(annotation.get("category_id"))
            if number not in names:
                raise DatasetError(f"the category {number!r:.60} is not defined")
            shape = _shape(annotation.get("segmentation"))
        except DatasetError as error:
            undrawable.append(f"annotation {annotation.get('id')!r:.40}: {error}")
            continue
        if annotation.get("iscrowd"):
            crowds.append(Mark(shape, IGNORED))
        else:
            marks.append(Mark(shape, names[number]))
    height, width = image.get("height"), image.get("width")
    size = (height, width) if isinstance(height, int) and isinstance(width, int) else None
    return Notes((*crowds, *marks), size, tuple(undrawable))


def _shape(segmentation: Any) -> Shape:
    if not segmentation:
        raise DatasetError("it has a box at most, no segmentation")
    if isinstance(segmentation, dict):
        return _runs(segmentation)
    if not isinstance(segmentation, list):
        raise DatasetError("its segmentation is neither polygons nor runs")
    parts = segmentation if isinstance(segmentation[0], list | np.ndarray) else [segmentation]
    if not all(isinstance(part, list | np.ndarray) for part in parts):
        raise DatasetError("its segmentation mixes numbers and lists")
    return Polygon(tuple(flat_ring(part) for part in parts))


def _runs(segmentation: dict[str, Any]) -> Runs:
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if not (isinstance(size, list) and len(size) == 2 and all(isinstance(v, int) and v > 0 for v in size)):
        raise DatasetError("its runs lack the `size` of the image, height and width")
    if isinstance(counts, str):
        return Runs(unpack_coco(counts), (size[0], size[1]), by_column=True)
    if not isinstance(counts, list) or not all(isinstance(v, int) and abs(v) < 2**40 for v in counts):
        raise DatasetError("its runs are neither whole numbers nor compressed text")
    return Runs(np.array(counts, dtype=np.int64), (size[0], size[1]), by_column=True)
