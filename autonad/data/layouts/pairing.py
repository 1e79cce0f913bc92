"""Which mask belongs to which image, by their names.

A mask is called as its image, apart from the suffix of the file; or like it with a word behind or before it
(`p_mask`, `p-GT`, `mask_p`); or like the image's whole file name (`p.jpg.png`). Unicode's two ways to write
an accent are one. A mask that is called exactly as one image is no other's: `p_mask` beside the images `p`
and `p_mask` belongs to the latter. What is left is compared without regard to case, and to a word of the
image's own (`p_image`, `img_p`).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from autonad.console import as_text, shown
from autonad.data.faults import Fault
from autonad.data.layouts.tree import Tree, is_image, split_stem

# In any case, behind a name or before it, with one of the separators between.
MASK_WORDS = (
    *("mask", "masks", "gt", "label", "labels", "seg", "segmentation", "ground_truth", "groundtruth"),
    *("annotation", "annotations"),
)
IMAGE_WORDS = ("image", "img", "photo", "picture", "rgb", "orig", "original")
LOOKED_FOR = (
    "also with mask, GT, label, seg, segmentation, ground_truth or annotation behind or before it (_mask, "
    "_GT, mask_, -mask, .mask), or behind the whole file name"
)
# Folders, in any case, whose images show no defect and need no masks.
FREE = frozenset({"good", "ok", "normal", "defect_free", "defect-free", "no_defect", "no-defect", "nodefect"})
_SEPARATORS = "_-. "


@dataclass(frozen=True)
class Pairing:
    """Images and their masks, by key.

    Attributes:
        masks: The one mask of each image that has one.
        several: Images with more than one mask, with all of them.
        shared: Images that cannot be told apart by their names, with all that share one.
        orphans: Masks of no image.
    """

    masks: dict[str, str]
    several: dict[str, tuple[str, ...]]
    shared: dict[str, tuple[str, ...]]
    orphans: tuple[str, ...]

    def fault(self, key: str, item: str) -> Fault | None:
        """Why an image's mask is ambiguous, if it is."""
        if key in self.several:
            masks = ", ".join(as_text(mask) for mask in self.several[key])
            message = f"{len(self.several[key])} masks may be its own: {masks}; keep one of them"
        elif key in self.shared:
            others = ", ".join(as_text(other) for other in self.shared[key] if other != key)
            message = (
                f"its name without suffix is also that of {others}, so its mask is uncertain; rename one"
            )
        else:
            return None
        return Fault("error", "ambiguous", item, message)


def pair(images: Sequence[str], masks: Sequence[str]) -> Pairing:
    """Find the mask of each image.

    Args:
        images: Paths relative to the folder of images.
        masks: Paths relative to the folder of masks.
    """
    by_stem: dict[str, list[str]] = {}
    by_name: dict[str, list[str]] = {}
    for image in images:
        name = normal(image)
        by_stem.setdefault(split_stem(name), []).append(image)
        by_name.setdefault(name, []).append(image)
    owned: dict[str, list[str]] = {}
    left = []
    for mask in masks:
        stem = split_stem(normal(mask))
        owners = by_stem.get(stem) or by_name.get(stem) or _by_word(stem, by_stem, by_name)
        for owner in owners:
            owned.setdefault(owner, []).append(mask)
        if not owners:
            left.append(mask)
    left = _loosely(left, [image for image in images if image not in owned], owned)
    orphans = _by_bare_name(left, [image for image in images if image not in owned], owned)
    several = {image: tuple(found) for image, found in owned.items() if len(found) > 1}
    single = {image: found[0] for image, found in owned.items() if len(found) == 1}
    users: dict[str, list[str]] = {}
    for image, mask in single.items():
        users.setdefault(mask, []).append(image)
    shared = {image: tuple(found) for found in users.values() if len(found) > 1 for image in found}
    certain = {image: mask for image, mask in single.items() if image not in shared}
    return Pairing(certain, several, shared, tuple(orphans))


def paired(
    tree: Tree, images: str, masks: str, *, recursive: bool = False
) -> Iterator[tuple[str, str | Fault]]:
    """Each image of a folder with its mask in another, or with the fault why it has none.

    Args:
        tree: Where the folders are.
        images: Folder of images.
        masks: Folder of masks.
        recursive: Whether their sub-folders count.
    """
    keys = [key[len(images) + 1 :] for key in tree.images(images, recursive=recursive)]
    found = pair(keys, [key[len(masks) + 1 :] for key in tree.images(masks, recursive=recursive)])
    for key in keys:
        item = as_text(f"{images}/{key}")
        fault = found.fault(key, item)
        if fault is None and key not in found.masks:
            fault = missing_mask(item, f"{masks}/{split_stem(key)}")
        yield f"{images}/{key}", fault or f"{masks}/{found.masks[key]}"


def missing_mask(item: str, looked_for: str) -> Fault:
    """The fault of an image without a mask.

    Args:
        item: The image.
        looked_for: The mask's path without suffix.
    """
    message = (
        f"it has no mask; looked for {as_text(looked_for)}.png (or .jpg, .bmp, .tif, .webp), {LOOKED_FOR}; "
        "save one there, all zero if the image shows no defect, or put such images into a folder good/"
    )
    return Fault("error", "missing-mask", item, message)


def normal(name: str) -> str:
    """A name in Unicode's composed form, so that names which look alike are equal."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def class_name(folder: str) -> str:
    """The class that a folder's name stands for, fit to be printed."""
    return shown(normal(folder))


def is_free(key: str) -> bool:
    """Whether an image lies in a folder of images without defects."""
    return any(part.casefold() in FREE for part in key.split("/")[:-1])


def without_word(stem: str, words: Sequence[str] = MASK_WORDS) -> str | None:
    """A mask's name without `_mask` behind it, `mask_` before it, and the like; None without such a word."""
    folder, slash, name = stem.rpartition("/")
    lower = name.lower()
    for word in words:
        rest = len(name) - len(word) - 1
        if rest > 0 and lower.endswith(word) and name[rest] in _SEPARATORS:
            return folder + slash + name[:rest]
        if rest > 0 and lower.startswith(word) and name[len(word)] in _SEPARATORS:
            return folder + slash + name[len(word) + 1 :]
    return None


def beside(files: Sequence[str]) -> tuple[list[str], list[str]]:
    """Images and masks that lie in one folder: a mask is called as another file, with a word behind."""
    stems = {split_stem(normal(key)) for key in files}
    masks = []
    for key in files:
        stem = without_word(split_stem(normal(key)))
        if stem is not None and (stem in stems or (is_image(stem) and split_stem(stem) in stems)):
            masks.append(key)
    chosen = set(masks)
    return [key for key in files if key not in chosen], masks


def _by_word(stem: str, by_stem: dict[str, list[str]], by_name: dict[str, list[str]]) -> list[str]:
    image = without_word(stem)
    if image is None:
        return []
    return by_stem.get(image) or by_name.get(image) or []


def _loosely(masks: list[str], images: list[str], owned: dict[str, list[str]]) -> list[str]:
    """Pair what differs in case, or in a word of the image's own; what masks are left."""
    if not masks or not images:
        return masks
    places: dict[str, list[str]] = {}
    for image in images:
        stem = split_stem(normal(image))
        for name in {stem, without_word(stem, IMAGE_WORDS) or stem}:
            places.setdefault(name.casefold(), []).append(image)
    left = []
    for mask in masks:
        stem = split_stem(normal(mask))
        owners = places.get(stem.casefold()) or places.get((without_word(stem) or stem).casefold()) or []
        for owner in owners:
            owned.setdefault(owner, []).append(mask)
        if not owners:
            left.append(mask)
    return left


def _by_bare_name(masks: list[str], images: list[str], owned: dict[str, list[str]]) -> list[str]:
    """Pair what lies in other sub-folders, where its name is unique on both sides; what masks are left."""
    if not masks or not images:
        return masks
    places: dict[str, list[str]] = {}
    for image in images:
        places.setdefault(split_stem(normal(image)).rsplit("/", 1)[-1], []).append(image)
    wanted: dict[str, list[str]] = {}
    for mask in masks:
        name = split_stem(normal(mask)).rsplit("/", 1)[-1]
        short = without_word(name)
        wanted.setdefault(name if name in places or short is None else short, []).append(mask)
    left = []
    for name, found in wanted.items():
        candidates = places.get(name, ())
        # Two sub-folders of other names are two things, so one side has to have none.
        if len(found) == len(candidates) == 1 and ("/" not in found[0] or "/" not in candidates[0]):
            owned[candidates[0]] = found
        else:
            left += found
    return sorted(left)
