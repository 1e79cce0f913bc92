"""Shape of the defects of an image: how many, how large, how long, which way, how visible.

A defect is a connected region of one class. Values are means over an image's defects, weighted by the square
root of the area, so that neither specks nor the one large defect decide alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

MORPHOLOGY = {
    "defects_log2": "number of defects, octaves",
    "defect_share_log2": "share of the image that the defects cover, octaves",
    "defect_area_log2": "area of the largest defect as a share of the image, octaves",
    "defect_elongation_log2": "length over width of the defects, octaves",
    "defect_cos": "cos 2θ of the long axis, weighted by elongation: 1 along x, −1 along y",
    "defect_sin": "sin 2θ of the long axis, weighted by elongation",
    "defect_fill": "share of its bounding ellipse that a defect fills",
    "defect_contrast": "grey of the defects minus that of the ring around them, fraction of white",
    "defect_visibility_log2": "absolute contrast over the spread of the ring, octaves",
    "defect_roughness_log2": "spread of the greys inside over that of the ring, octaves",
}
# Of a mask with more defects the largest are measured; all are counted.
MAX_DEFECTS = 64
FLOOR = 1 / 16  # a contrast below this share of the ring's spread is invisible


def describe_defects(image: np.ndarray, mask: np.ndarray | None, num_classes: int) -> dict[str, float]:
    """Shape of the defects in a mask; see `MORPHOLOGY`.

    Args:
        image: uint8 (H, W, 3).
        mask: uint8 (H, W) of class indices, 255 = ignore, or None.
        num_classes: Classes including the background.

    Returns:
        A value for each name in `MORPHOLOGY`; all NaN without a mask or without defects.
    """
    nothing = dict.fromkeys(MORPHOLOGY, float("nan"))
    if mask is None:
        return nothing
    defects = [
        defect
        for index in np.flatnonzero(np.bincount(mask.ravel(), minlength=256)[1:num_classes]) + 1
        for defect in _defects_of(mask == index)
    ]
    if not defects:
        return nothing
    areas = np.array([defect.area for defect in defects], dtype=np.float64)
    largest = np.argsort(-areas, kind="stable")[:MAX_DEFECTS]
    free = mask == 0
    each = np.array([_shape(image, free, defects[position]) for position in largest])
    weights = np.sqrt(areas[largest])
    values = (
        np.log2(len(defects)),
        np.log2(areas.sum() / mask.size),
        np.log2(areas.max() / mask.size),
        *(weights @ each / weights.sum()),
    )
    return {name: float(value) for name, value in zip(MORPHOLOGY, values, strict=True)}


@dataclass(frozen=True)
class _Defect:
    labels: np.ndarray  # int32 (H, W), shared by the defects of a class
    label: int
    box: tuple[int, int, int, int]  # left, top, width, height
    area: int


def _defects_of(binary: np.ndarray) -> list[_Defect]:
    _, labels, stats, _ = cv2.connectedComponentsWithStats(binary.astype(np.uint8), connectivity=8)
    rows = [[int(value) for value in row] for row in stats[1:]]
    return [
        _Defect(labels, label, (row[0], row[1], row[2], row[3]), row[4])
        for label, row in enumerate(rows, start=1)
    ]


def _shape(image: np.ndarray, free: np.ndarray, defect: _Defect) -> tuple[float, ...]:
    """Elongation, cos, sin, fill, contrast, visibility and roughness of one defect."""
    left, top, width, height = defect.box
    reach = int(np.clip(round(0.2 * defect.area**0.5), 2, 16))
    window = np.s_[max(0, top - reach) : top + height + reach, max(0, left - reach) : left + width + reach]
    inside = defect.labels[window] == defect.label
    elongation, cosine, sine, fill = _ellipse(inside)
    side = 2 * reach + 1
    near = cv2.dilate(inside.astype(np.uint8), np.ones((side, side), np.uint8)).astype(bool)
    ring = near & free[window]
    grey = image[window].mean(axis=2, dtype=np.float32)
    if not ring.any():  # a defect that fills the image has no surroundings to stand out from
        return elongation, cosine, sine, fill, 0.0, np.log2(FLOOR), 0.0
    within, around = grey[inside], grey[ring]
    contrast = float(within.mean(dtype=np.float64) - around.mean(dtype=np.float64))
    spread = float(around.std(dtype=np.float64)) + 1  # one grey level: rounding is no texture
    roughness = np.log2((float(within.std(dtype=np.float64)) + 1) / spread)
    visibility = np.log2(max(abs(contrast) / spread, FLOOR))
    return elongation, cosine, sine, fill, contrast / 255, float(visibility), float(roughness)


def _ellipse(inside: np.ndarray) -> tuple[float, float, float, float]:
    """Elongation (octaves), cos 2θ and sin 2θ times the elongation, and fill, from second moments."""
    y, x = np.nonzero(inside)
    # A pixel is a square with a variance of 1/12 along each side, so that one pixel is round and has an area.
    xx, yy = x.var() + 1 / 12, y.var() + 1 / 12
    xy = float(((x - x.mean()) * (y - y.mean())).mean())
    half, spread = (xx + yy) / 2, float(np.hypot((xx - yy) / 2, xy))
    major, minor = half + spread, max(half - spread, 1 / 12)
    elongation = 0.5 * float(np.log2(major / minor))
    cosine, sine = ((xx - yy) / 2 / spread, xy / spread) if spread > 1e-9 else (0.0, 0.0)
    fill = len(x) / (4 * np.pi * float(np.sqrt(major * minor)))
    return elongation, elongation * cosine, elongation * sine, float(min(fill, 1.5))
