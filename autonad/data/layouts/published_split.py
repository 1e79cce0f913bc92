"""The split that a source has already: folders train, val and test, or lists of names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from autonad.console import some
from autonad.data.faults import Fault
from autonad.data.layouts.layout import Layout
from autonad.data.layouts.naming import Names
from autonad.data.layouts.tree import Tree

SPLIT_WORDS: Mapping[str, str] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
_LIST_FOLDERS = ("", "splits", "split", "lists", "ImageSets", "ImageSets/Segmentation", "ImageSets/Main")


def with_published_split(layout: Layout, tree: Tree) -> Layout:
    """A layout whose records know the split that the source gives them, where the reader did not tell.

    Lists (train.txt, val.txt, test.txt) go before folders named so.

    Args:
        layout: What was listed.
        tree: The files that it was listed from.
    """
    if any(record.published_split for record in layout.records):
        return layout
    listed, faults = _listed(layout, tree)
    records = tuple(
        record.in_split(split) if (split := listed.get(record.item) or _of_folder(record.item)) else record
        for record in layout.records
    )
    return replace(layout, records=records, faults=(*layout.faults, *faults))


def _of_folder(item: str) -> str | None:
    """The split that a folder on the way to an image is named after."""
    found = {SPLIT_WORDS[part.casefold()] for part in item.split("/")[:-1] if part.casefold() in SPLIT_WORDS}
    return found.pop() if len(found) == 1 else None


def _listed(layout: Layout, tree: Tree) -> tuple[dict[str, str], list[Fault]]:
    """Split by item of the lists that the source holds, and the images that are in several."""
    files = _lists(tree)
    if not files:
        return {}, []
    names = Names([record.item for record in layout.records], layout.source)
    listed, twice = dict[str, str](), list[str]()
    for key, split in files:
        for line in tree.text(key).splitlines():
            found = names.find(line) if line.strip() else []
            if len(found) == 1 and listed.setdefault(found[0], split) != split:
                twice.append(found[0])
    if not twice:
        return listed, []
    shown = some(twice)
    message = f"{len(twice)} images are in several lists ({shown}); the first list counts"
    return listed, [Fault("warning", "listed-twice", files[0][0], message)]


def _lists(tree: Tree) -> list[tuple[str, str]]:
    """The lists of a source and their splits: those of the first folder that has some."""
    for folder in _LIST_FOLDERS:
        keys = [(f"{folder}/{word}.txt".lstrip("/"), split) for word, split in SPLIT_WORDS.items()]
        if found := [(key, split) for key, split in keys if tree.has(key)]:
            return found
    return []
