"""Folders `train/images` and `train/masks`, seen as the folders `images/train` and `masks/train`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from autonad.data.layouts.published_split import SPLIT_WORDS
from autonad.data.layouts.tree import Tree


@dataclass(frozen=True)
class SplitFolders(Tree):
    """A source whose folders of images and masks lie in folders named after splits."""

    def real(self, key: str) -> str:
        """The file that is seen as another, or would be."""
        kind, _, rest = key.partition("/")
        split, slash, name = rest.partition("/")
        return f"{split}/{kind}/{name}" if slash and f"{split}/{kind}" in self.folder_names else key


def by_split(tree: Tree, images: Collection[str], masks: Collection[str]) -> Tree:
    """The source with splits inside; as it is, if it has no folders of splits with images and masks.

    Args:
        tree: The source.
        images: What a folder of images may be called, in lower case.
        masks: What a folder of masks may be called.
    """
    splits = [name for name in tree.inner() if name.casefold() in SPLIT_WORDS]
    kinds: set[str] = set()
    for split in splits:
        inner = tree.inner(split)
        if not any(name.casefold() in images for name in inner):
            return tree
        kinds |= {name for name in inner if name.casefold() in images or name.casefold() in masks}
    if not splits or any(name in kinds for name in tree.inner()):
        return tree
    files, folders = [], set(tree.folder_names)
    for key in tree.files:
        split, _, rest = key.partition("/")
        kind, slash, name = rest.partition("/")
        files.append(f"{kind}/{split}/{name}" if slash and split in splits and kind in kinds else key)
    for folder in tree.folder_names:
        split, _, rest = folder.partition("/")
        kind, slash, name = rest.partition("/")
        if split in splits and kind in kinds:
            folders |= {kind, f"{kind}/{split}{slash}{name}"}
    return SplitFolders(tree.root, files, frozenset(folders), tree.faults)
