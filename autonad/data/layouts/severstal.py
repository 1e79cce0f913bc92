"""Reader of the Severstal set: defects as runs of pixels in train.csv, down the columns, counted from 1."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autonad.console import abridged, as_text
from autonad.data.annotations.rle import decode_runs
from autonad.data.dataset import check_classes
from autonad.data.faults import Fault
from autonad.data.images import IGNORE
from autonad.data.layouts.layout import Layout, Record, Wanted
from autonad.data.layouts.tree import Tree
from autonad.errors import DatasetError

_TABLE = "train.csv"
_IMAGES = "train_images"
_LONGEST_CELL = 2**27  # the usual limit is less than the runs of a large, rough mask
_CLASSES = tuple(f"class{number}" for number in range(1, 5))


@dataclass(frozen=True)
class Runs:
    """The defects of one image as runs of pixels.

    Attributes:
        table: The csv file.
        runs: Class index and text, "first length first length …": pixels counted from 1, column by column.
    """

    table: Path
    runs: tuple[tuple[int, str], ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """The table."""
        return (self.table,)

    def draw(self, size: tuple[int, int]) -> tuple[np.ndarray, list[Fault]]:
        """The index mask of an image of this height and width, pixels: uint8 (H, W); of two classes 255."""
        mask = np.zeros(size, dtype=np.uint8)
        for index, text in self.runs:
            numbers = self._numbers(text, mask.size)
            inside = decode_runs(numbers[:, 0] - 1, numbers[:, 1], size, by_column=True)
            mask[inside & (mask != 0) & (mask != index)] = IGNORE
            mask[inside & (mask != IGNORE)] = index
        return mask, []

    def _numbers(self, text: str, pixels: int) -> np.ndarray:
        """First pixel, from 1, and length of each run: int64 (N, 2)."""
        words = text.split()
        if len(words) % 2 or not all(word.isdecimal() and len(word) < 12 for word in words):
            raise DatasetError(
                f"{self.table.name}: its runs {text!r:.40} are no pairs of first pixel and length; mend the "
                "row"
            )
        numbers = np.array(words, dtype=np.int64).reshape(-1, 2)
        wrong = (numbers < 1).any(axis=1) | (numbers.sum(axis=1) - 1 > pixels)
        if wrong.any():
            first, length = numbers[wrong][0].tolist()
            raise DatasetError(
                f"{self.table.name}: the run {first} {length} leaves the image, whose pixels count from 1 to "
                f"{pixels}; mend the row"
            )
        return numbers


def read_severstal(tree: Tree, wanted: Wanted) -> Layout:
    """Severstal: `train_images/`, and train.csv of ImageId, ClassId and EncodedPixels, or of ImageId_ClassId.

    An image without a row is free of defects.
    """
    folder = tree.folder(_IMAGES)
    table, faults = _runs(tree)
    classes = check_classes(_CLASSES)
    images = {key.rpartition("/")[2]: key for key in tree.images(folder)}
    for name in sorted(table.keys() - images.keys()):
        message = f"{_TABLE} names it, and it is not in {folder}/; add it, or take out its rows"
        faults.append(Fault("error", "missing-image", f"{folder}/{name}", message))
    records = []
    for name, key in images.items():
        drawing = Runs(tree.path(_TABLE), tuple(table[name])) if name in table else None
        label = classes[table[name][0][0]] if name in table else None
        records.append(Record.of(tree.path(key), as_text(key), (), label, drawing=drawing))
    return Layout("severstal", tree.root, classes, tuple(records), tuple(faults), companions=("test_images",))


def is_severstal(tree: Tree) -> str | None:
    """By what the layout of `read_severstal` is told."""
    if not tree.has(_TABLE) or tree.find_folder(_IMAGES) is None:
        return None
    is_runs = "EncodedPixels" in tree.head(_TABLE)
    return f"{_TABLE} with EncodedPixels, and folder {_IMAGES}" if is_runs else None


def _runs(tree: Tree) -> tuple[dict[str, list[tuple[int, str]]], list[Fault]]:
    """Class index and runs by image, and faulty rows."""
    if not tree.has(_TABLE):
        raise DatasetError(f"{tree.root} lacks {_TABLE}; it holds {tree.summary()}")
    found: dict[str, list[tuple[int, str]]] = {}
    faults = []
    for number, name, label, runs in _rows(tree):
        if not runs:
            continue
        if label in {"1", "2", "3", "4"}:
            found.setdefault(name, []).append((int(label), runs))
        else:
            message = f"line {number}: its class is {label!r:.20}, need 1 to 4; mend the row"
            faults.append(Fault("error", "annotation", _TABLE, message))
    return found, faults


def _rows(tree: Tree) -> Iterator[tuple[int, str, str, str]]:
    """Line number, image, class and runs of each row."""
    csv.field_size_limit(_LONGEST_CELL)
    rows = csv.DictReader(io.StringIO(tree.text(_TABLE), newline=""))
    try:
        columns = set(rows.fieldnames or ())
        joined = "ImageId_ClassId" in columns
        if "EncodedPixels" not in columns or not (joined or {"ImageId", "ClassId"} <= columns):
            named = abridged(", ".join(map(str, columns)), 100)
            raise DatasetError(
                f"{tree.root / _TABLE} has the columns {named}; it needs ImageId, ClassId and EncodedPixels"
            )
        for row in rows:
            cells = {
                name: (value or "").strip() for name, value in row.items() if isinstance(value, str | None)
            }
            if joined:
                name, _, label = cells["ImageId_ClassId"].rpartition("_")
            else:
                name, label = cells["ImageId"], cells["ClassId"]
            yield rows.line_num, name, label, cells["EncodedPixels"]
    except csv.Error as error:
        raise DatasetError(f"{tree.root / _TABLE}, line {rows.line_num}: {error}; save it as csv") from error
