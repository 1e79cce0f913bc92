"""Reader of images whose masks lie beside them: `X.png` and `X_GT.png`, as in KolektorSDD2."""

from __future__ import annotations

from autonad.console import as_text, some
from autonad.data.dataset import check_classes
from autonad.data.faults import Fault
from autonad.data.layouts.layout import Layout, Record, Wanted
from autonad.data.layouts.mask_folders import is_masks
from autonad.data.layouts.pairing import beside, missing_mask, pair
from autonad.data.layouts.tree import Tree, split_stem
from autonad.errors import DatasetError


def read_beside(tree: Tree, wanted: Wanted) -> Layout:
    """Masks beside their images, one class; folders called train, val and test are the published split."""
    images, masks = beside(tree.images(recursive=True))
    if not masks:
        raise DatasetError(
            f"{tree.root} holds no X_GT.png beside an X.png; it holds {tree.summary()}: check --format and "
            "--source"
        )
    found = pair(images, masks)
    classes = check_classes(wanted.classes if wanted.classes is not None else ["defect"])
    if len(classes) > 2:
        raise DatasetError(f"masks beside images show one class; got {some(classes[1:])}: name one")
    records: list[Record] = []
    faults: list[Fault] = []
    for key in images:
        item = as_text(key)
        fault = found.fault(key, item)
        if fault is None and key in found.masks:
            records.append(Record.of(tree.path(key), item, ((tree.path(found.masks[key]), 1),)))
        else:
            faults.append(fault or missing_mask(item, split_stem(key)))
    return Layout("ksdd2", tree.root, classes, tuple(records), tuple(faults))


def is_beside(tree: Tree) -> str | None:
    """By what the layout of `read_beside` is told: most images have a mask beside them."""
    if is_masks(tree) is not None:  # whose two masks of one image may look like an image and its mask
        return None
    images, masks = beside(tree.images(recursive=True))
    if not masks or 2 * len(masks) < len(images):
        return None
    return f"{as_text(masks[0])} beside its image, and {len(masks) - 1} more like that"
