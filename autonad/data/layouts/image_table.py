"""Reader of a table: a csv file with the columns image and mask, and group, split and class where known.

Paths are relative to the folder of the csv file, or to the one above. An image without mask shows no defect.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from autonad.console import abridged, as_text, some
from autonad.data.dataset import check_classes
from autonad.data.faults import Fault
from autonad.data.layouts.groups_table import without_group
from autonad.data.layouts.interpreting import interpret
from autonad.data.layouts.layout import Layout, Record, Wanted
from autonad.data.layouts.pairing import normal
from autonad.data.layouts.published_split import SPLIT_WORDS
from autonad.data.layouts.tree import Tree
from autonad.errors import DatasetError

_ANNOTATIONS = "image_anno.csv"  # of VisA, which `mvtec` reads
_FREE = frozenset({"", "normal", "good", "ok"})
Row = Mapping[str, str]


def read_table(tree: Tree, wanted: Wanted) -> Layout:
    """The images of the one csv file of a folder that has the columns image and mask.

    With a column class (or label), masks are 0/255 masks of that class; without, they are read as those of
    the format masks.
    """
    tables = _tables(tree)
    if len(tables) != 1:
        many = (
            f"holds {len(tables)} of them: {', '.join(map(as_text, tables))}"
            if tables
            else f"lacks one and holds {tree.summary()}"
        )
        raise DatasetError(
            f"{tree.root} {many}; need one csv file with the columns image and mask: give it as --source "
            "FILE.csv"
        )
    return table_of(tree, tables[0], wanted)


def is_table(tree: Tree) -> str | None:
    """By what the layout of `read_table` is told."""
    tables = _tables(tree)
    return f"{as_text(tables[0])} with the columns image and mask" if len(tables) == 1 else None


def root_of(table: Path) -> Path:
    """The folder that a table's paths are relative to: its own, or the one above if only that has its files.

    Raises:
        DatasetError: It is no such table.
    """
    first = next((row["image"] for _, row in rows_of(_text(table), table)), "")
    above = table.absolute().parent.parent
    is_above = first and not os.path.exists(table.parent / first) and os.path.exists(above / first)
    return above if is_above else table.parent


def files_of(table: Path) -> list[Path]:
    """A table, and the images and masks that it names, whether or not they are there.

    Raises:
        DatasetError: It is no such table.
    """
    root, rows = root_of(table), rows_of(_text(table), table)
    named = {row[column].replace("\\", "/") for _, row in rows for column in ("image", "mask")}
    return [table, *(root / name for name in sorted(named - {""}))]


def table_of(tree: Tree, table: str, wanted: Wanted) -> Layout:
    """The images of one csv file of a folder; see `read_table`."""
    known = {normal(key): key for key in tree.files}
    masks: dict[str, list[tuple[str, str]]] = {}
    groups: dict[str, str] = {}
    splits: dict[str, str] = {}
    faults: list[Fault] = []
    unknown: dict[str, int] = {}
    for number, row in rows_of(tree.text(table), tree.path(table)):
        image = known.get(_key(row["image"], tree))
        mask = known.get(_key(row["mask"], tree)) if row["mask"] else None
        absent = row["image"] if image is None else row["mask"] if row["mask"] and mask is None else None
        if image is None or absent is not None:
            message = (
                f"{table}, line {number}: {absent} is not in {tree.root}; mend the path, or add the file"
            )
            faults.append(
                Fault(
                    "error",
                    "missing-image" if image is None else "missing-mask",
                    image or row["image"],
                    message,
                )
            )
            continue
        item = as_text(image)
        label = row.get("class") or row.get("label") or ""
        if mask is not None:
            masks.setdefault(image, []).append((mask, label))
        elif label.lower() in _FREE:
            masks.setdefault(image, [])
        else:
            message = f"{table}, line {number}: it shows {label} and names no mask; add one"
            faults.append(Fault("error", "missing-mask", item, message))
            continue
        group, word = row.get("group", ""), row.get("split", "").casefold()
        split = SPLIT_WORDS.get(word, "")
        for value, known_values, key in ((group, groups, item), (split, splits, image)):
            if value and known_values.setdefault(key, value) != value:
                raise DatasetError(
                    f"{tree.path(table)}, line {number}: {item} is in {known_values[key]} and in {value}; "
                    "choose one"
                )
        if word and not split:
            unknown[word] = unknown.get(word, 0) + 1
    classes, records = _records(tree, masks, splits, wanted, faults)
    if unknown:
        named = ", ".join(list(unknown)[:3])
        message = (
            f"{sum(unknown.values())} rows have a split that is none of train, val and test ({named}); it "
            "is not kept: rename it"
        )
        faults.append(Fault("warning", "unknown-split", as_text(table), message))
    stated = None
    if groups:
        stated = {record.item: groups.get(record.item, "") for record in records}
        faults += without_group(stated, as_text(table))
    return Layout("table", tree.root, classes, tuple(records), tuple(faults), groups=stated)


def _records(
    tree: Tree,
    masks: Mapping[str, list[tuple[str, str]]],
    splits: Mapping[str, str],
    wanted: Wanted,
    faults: list[Fault],
) -> tuple[tuple[str, ...], list[Record]]:
    """Class names, and the records of the images."""
    shown = sorted({label for found in masks.values() for _, label in found if label.lower() not in _FREE})
    if shown:
        classes = check_classes(wanted.classes if wanted.classes is not None else shown)
        index = {name: number for number, name in enumerate(classes)}
    else:
        paths = {key: tree.path(key) for found in masks.values() for key, _ in found}
        if wanted.known is not None:
            classes = check_classes(wanted.classes if wanted.classes is not None else wanted.known)
            binary = len(classes) == 2
        else:
            meant = interpret(paths, wanted.classes, tree.root, wanted.pixels)
            classes, binary = meant.classes, not meant.is_index
        index = {"": 1} if binary else {}
    records = []
    for image, found in masks.items():
        item = as_text(image)
        unknown = [label for _, label in found if shown and label not in index]
        if unknown:
            message = f"its class {unknown[0]!r:.40} is none of {some(classes[1:], 8)}; mend the row"
            faults.append(Fault("error", "unknown-class", item, message))
            continue
        if not shown and len(found) > 1 and not index:
            message = f"{len(found)} masks are named for it; keep one, or add a column class"
            faults.append(Fault("error", "ambiguous", item, message))
            continue
        own = tuple((tree.path(key), index.get(label if shown else "")) for key, label in found)
        label = found[0][1] if shown and found else None
        records.append(Record.of(tree.path(image), item, own, label, splits.get(image)))
    return classes, records


def _tables(tree: Tree) -> list[str]:
    """The csv files at the top that name images and masks."""
    return [
        key
        for key in tree.with_suffix(".csv")
        if key != _ANNOTATIONS and {"image", "mask"} <= _columns(tree.head(key))
    ]


def _text(table: Path) -> str:
    try:
        return table.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise DatasetError(f"{table} cannot be read: {error.strerror}; check the path") from error


def _columns(line: str) -> set[str]:
    return {name.strip().strip('"').lower() for name in line.strip().split(_separator(line))}


def _separator(line: str) -> str:
    return max(",;\t", key=line.count)


def rows_of(text: str, path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Line numbers and rows of a table with the columns image and mask; names of columns in lower case.

    Args:
        text: Its content.
        path: Its file, for messages.

    Raises:
        DatasetError: It lacks these columns, or is no csv.
    """
    separator = _separator(text.split("\n", 1)[0])
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        names = [(name or "").strip().lower() for name in reader.fieldnames or ()]
        if not {"image", "mask"} <= set(names):
            found = abridged(", ".join(names), 100)
            raise DatasetError(f"{path} has the columns {found}; it needs image and mask")
        reader.fieldnames = names
        for row in reader:
            yield reader.line_num, {name: (row.get(name) or "").strip() for name in names}
    except csv.Error as error:
        raise DatasetError(f"{path}, line {reader.line_num}: {error}; save it as csv in UTF-8") from error


def _key(text: str, tree: Tree) -> str:
    """A path of a table as the trees's keys are written."""
    path = text.replace("\\", "/").removeprefix("./")
    if path.startswith("/"):
        path = path.removeprefix(f"{tree.root.absolute()}/")
    return normal(path)
