"""Masks as COCO's JSON: a polygon per piece, and runs of pixels for one with holes or to be ignored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autonad.data.annotations.outlines import Piece, pieces
from autonad.data.annotations.rle import encode_counts, pack_coco
from autonad.data.annotations.sketch import IGNORED
from autonad.data.images import IGNORE


class CocoDocument:
    """A COCO file under construction.

    Args:
        classes: Names by index, background first; an index is the category's id.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = tuple(classes)
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []
        self._ignores = False

    def add(self, image: str, mask: np.ndarray) -> int:
        """Add an image: its path relative to the folder of images, and its mask; the number of shapes."""
        number = len(self._images) + 1
        height, width = mask.shape
        self._images.append({"id": number, "file_name": image, "height": height, "width": width})
        before = len(self._annotations)
        for piece in pieces(mask):
            self._annotations.append(self._annotation(piece, number, (height, width)))
        return len(self._annotations) - before

    def document(self) -> dict[str, Any]:
        """The content of the JSON file."""
        names = [*self._classes[1:], *([IGNORED] if self._ignores else [])]
        return {
            "images": self._images,
            "annotations": self._annotations,
            "categories": [
                {"id": index, "name": name, "supercategory": ""} for index, name in enumerate(names, start=1)
            ],
        }

    def _annotation(self, piece: Piece, image: int, size: tuple[int, int]) -> dict[str, Any]:
        is_ignored = piece.value == IGNORE
        self._ignores |= is_ignored
        top, left = piece.corner
        height, width = piece.bitmap.shape
        segmentation: Any = [piece.rings[0].ravel().astype(float).tolist()]
        if is_ignored or len(piece.rings) > 1:
            whole = np.zeros(size, dtype=bool)
            whole[top : top + height, left : left + width] = piece.bitmap
            counts = encode_counts(whole, by_column=True)
            # A crowd has plain counts by COCO's convention.
            packed = counts.tolist() if is_ignored else pack_coco(counts)
            segmentation = {"size": list(size), "counts": packed}
        return {
            "id": len(self._annotations) + 1,
            "image_id": image,
            "category_id": len(self._classes) if is_ignored else piece.value,
            "segmentation": segmentation,
            "area": int(piece.bitmap.sum()),
            "bbox": [left, top, width, height],
            "iscrowd": int(is_ignored),
        }
