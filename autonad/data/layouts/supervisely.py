"""Reader of Supervisely's exports as masks: DATASET/img/p.jpg and DATASET/masks_machine/p.png or p.jpg.png.

The values of masks_machine are those of obj_class_to_machine_color.json, beside or above the datasets.
"""

from __future__ import annotations

import json
from typing import Any

from autonad.console import as_text
from autonad.data.dataset import BACKGROUND, check_classes
from autonad.data.faults import Fault
from autonad.data.layouts.colour_masks import ColourMask, Colours
from autonad.data.layouts.layout import Layout, Record, Wanted
from autonad.data.layouts.pairing import paired
from autonad.data.layouts.tree import Tree
from autonad.errors import DatasetError

_COLOURS = "obj_class_to_machine_color.json"
_MASKS = "masks_machine"


def read_supervisely(tree: Tree, wanted: Wanted) -> Layout:
    """A project of datasets, or one of them; `wanted.classes` names the classes where no JSON file does."""
    datasets = _datasets(tree)
    if not datasets:
        raise DatasetError(
            f"{tree.root} holds no DATASET/img with DATASET/{_MASKS}; it holds {tree.summary()}: export the "
            "project with 'Export as masks', machine masks included"
        )
    names, colours = _classes(tree, wanted)
    records: list[Record] = []
    faults: list[Fault] = []
    for folder in datasets:
        for key, mask in paired(tree, f"{folder}img", f"{folder}{_MASKS}"):
            if isinstance(mask, Fault):
                faults.append(mask)
            else:
                records.append(_record(tree, key, mask, colours))
    companions = tuple(f"{folder}masks_human" for folder in datasets)
    return Layout("supervisely", tree.root, names, tuple(records), tuple(faults), companions=companions)


def is_supervisely(tree: Tree) -> str | None:
    """By what the layout of `read_supervisely` is told."""
    datasets = _datasets(tree)
    return f"folders {datasets[0]}img and {datasets[0]}{_MASKS}" if datasets else None


def _datasets(tree: Tree) -> list[str]:
    """Prefixes of the folders that hold img/ and masks."""
    prefixes = ["", *(f"{name}/" for name in tree.inner())]
    return [p for p in prefixes if {f"{p}img", f"{p}{_MASKS}"} <= tree.folder_names]


def _record(tree: Tree, key: str, mask: str, colours: Colours | None) -> Record:
    item, path = as_text(key), tree.path(mask)
    if colours is None:
        return Record.of(tree.path(key), item, ((path, None),))
    return Record.of(tree.path(key), item, (), drawing=ColourMask(path, colours))


def _classes(tree: Tree, wanted: Wanted) -> tuple[tuple[str, ...], Colours | None]:
    """Class names, and the index of each colour; without the JSON file the values are the indices."""
    if not tree.has(_COLOURS):
        if wanted.classes is None:
            raise DatasetError(
                f"{tree.root} lacks {_COLOURS}, which names the classes; add it, or pass them with --classes"
            )
        return check_classes(wanted.classes), None
    try:
        content: Any = json.loads(tree.text(_COLOURS))
        colours = {str(name): (int(c[0]), int(c[1]), int(c[2])) for name, c in content.items()}
    except (ValueError, TypeError, AttributeError, LookupError, OverflowError, RecursionError) as error:
        raise DatasetError(
            f'{tree.root / _COLOURS} is no list of classes; need {{"scratch": [1, 1, 1], ...}}'
        ) from error
    ground = {name for name in colours if name.lower() in {BACKGROUND, "_background_", "bg"}}
    names = check_classes(name for name in sorted(colours, key=lambda n: colours[n]) if name not in ground)
    indices = {colours[name]: index for index, name in enumerate(names) if index}
    for name in ground:
        indices[colours[name]] = 0
    indices.setdefault((0, 0, 0), 0)
    return names, indices
