"""What becomes of each file of a source: those that no record uses are named, none is dropped silently."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from autonad.console import as_text
from autonad.data.faults import Fault, Severity
from autonad.data.foreign_pictures import FOREIGN_PICTURES
from autonad.data.layouts.layout import Layout
from autonad.data.layouts.tree import Tree, is_image, suffix_of

ANNOTATIONS = frozenset([".csv", ".txt", ".json", ".xml", ".yaml", ".yml", ".names"])
_NOTES = frozenset(["", ".md", ".rst", ".log", ".html", ".ini", ".db", ".py", ".toml"])


def kept_inside(layout: Layout, tree: Tree) -> Layout:
    """A layout without records whose files are not in the tree: what a table names may lie anywhere."""
    prefix = f"{tree.root}/"
    allowed = set(tree.files)
    records, faults = [], []
    for record in layout.records:
        stray = next((path for path in record.files if _key(path, prefix) not in allowed), None)
        if stray is None:
            records.append(record)
        else:
            message = (
                f"{stray} is no file that can be read in {tree.root}; copy it there, or mend what names it"
            )
            faults.append(Fault("error", "unreadable", record.item, message))
    return replace(layout, records=tuple(records), faults=(*layout.faults, *faults))


def account(layout: Layout, tree: Tree) -> list[Fault]:
    """Findings about the files that no record uses."""
    prefix = f"{tree.root}/"
    used = {_key(path, prefix) for record in layout.records for path in record.files}
    items = {fault.item for fault in layout.faults}
    apart = tuple(f"{folder}/" for folder in layout.companions)
    left = [key for key in tree.files if key not in used and not (apart and key.startswith(apart))]
    orphans = [key for key in left if is_image(key) and as_text(key) not in items]
    faults = list(unread(left, tree.root.name))
    if orphans:
        message = (
            f"{len(orphans)} files are no image with a mask and no mask of an image: {_some(orphans)}; "
            "rename or move what belongs to the data"
        )
        faults.append(Fault("warning", "no-image", tree.root.name, message))
    return faults


def unread(keys: Iterable[str], name: str) -> list[Fault]:
    """Findings about files that are no images and no annotations.

    Args:
        keys: The files.
        name: What the source is called.
    """
    pictures, others = list[str](), list[str]()
    for key in keys:
        suffix = suffix_of(key)
        if suffix in FOREIGN_PICTURES:
            pictures.append(key)
        elif not is_image(key) and suffix not in ANNOTATIONS | _NOTES:
            others.append(key)
    found: list[tuple[Severity, str, list[str], str]] = [
        ("error", "unread-format", pictures, "convert them to PNG or JPEG, or take them out"),
        ("warning", "other-files", others, "they are left alone; unpack or convert what belongs to the data"),
    ]
    return [
        Fault(
            severity, kind, name, f"{len(files)} files in formats that are not read: {_some(files)}; {remedy}"
        )
        for severity, kind, files, remedy in found
        if files
    ]


def _some(keys: Sequence[str]) -> str:
    return ", ".join(as_text(key) for key in keys[:3]) + (" …" if len(keys) > 3 else "")


def _key(path: Path, prefix: str) -> str:
    return str(path).removeprefix(prefix)
