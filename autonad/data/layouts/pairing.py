"""Which mask belongs to which image, by their names."""

from __future__ import annotations

from pathlib import Path

from autonad.data.images import IMAGE_SUFFIXES, list_images


def index_by_stem(files: list[Path]) -> tuple[dict[str, Path], list[Path]]:
    """Files by name without suffix, and those whose name was already taken."""
    found: dict[str, Path] = {}
    doubled = []
    for path in files:
        if path.suffix.lower() in IMAGE_SUFFIXES and found.setdefault(path.stem, path) != path:
            doubled.append(path)
    return found, doubled


def masks_by_image(folder: Path) -> dict[str, Path]:
    """Mask files by the image they belong to: relative path without suffix and without "_mask"."""
    return {
        path.relative_to(folder).with_suffix("").as_posix().removesuffix("_mask"): path
        for path in list_images(folder, recursive=True)
    }
