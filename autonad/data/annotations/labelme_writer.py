"""Masks as labelme's JSON: a polygon per piece, and a bitmap for a piece with holes."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from autonad.data.annotations.outlines import Piece, pieces
from autonad.data.images import IGNORE, encode_png

IGNORED_LABEL = "__ignore__"  # what labelme2voc leaves out
BACKGROUND_LABEL = "_background_"

# The version that introduced bitmaps (shapes of the kind "mask").
_VERSION = "5.3.0"


def labelme_document(image: str, mask: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """The JSON of one image.

    Args:
        image: Its file name, as the JSON lies beside it.
        mask: uint8 (H, W) of class indices, 255 = ignore.
        classes: Names by index, background first.
    """
    return {
        "version": _VERSION,
        "flags": {},
        "shapes": [_shape(piece, classes) for piece in pieces(mask)],
        "imagePath": image,
        "imageData": None,
        "imageHeight": mask.shape[0],
        "imageWidth": mask.shape[1],
    }


def _shape(piece: Piece, classes: Sequence[str]) -> dict[str, Any]:
    top, left = piece.corner
    height, width = piece.bitmap.shape
    shape: dict[str, Any] = {
        "label": IGNORED_LABEL if piece.value == IGNORE else classes[piece.value],
        "group_id": None,
        "description": "",
        "flags": {},
        "mask": None,
    }
    if len(piece.rings) == 1:
        return shape | {"shape_type": "polygon", "points": piece.rings[0].astype(float).tolist()}
    bitmap = encode_png(piece.bitmap.astype(np.uint8))
    return shape | {
        "shape_type": "mask",
        "points": [[float(left), float(top)], [float(left + width - 1), float(top + height - 1)]],
        "mask": base64.b64encode(bitmap).decode("ascii"),
    }
