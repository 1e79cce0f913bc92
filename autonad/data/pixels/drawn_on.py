"""Whether masks were drawn on images as their EXIF turns them, or on the pixels as stored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_RING = 3  # pixels around a defect that it is compared with
_CERTAIN = 2.0  # standard errors between the two hypotheses
_CLEAR = 0.5  # difference that is enough where a single image has to tell


def fit(image: np.ndarray, defect: np.ndarray) -> float | None:
    """How well a mask fits an image: contrast across its outline, in standard deviations of the image.

    Args:
        image: uint8 (H, W, 3).
        defect: bool (H, W), the pixels that show a defect.

    Returns:
        None if the sizes differ, or the mask has no outline.
    """
    if image.shape[:2] != defect.shape:
        return None
    grey = image.mean(axis=2)
    ring = defect
    for _ in range(_RING):
        ring = grown(ring)
    ring = ring & ~defect
    spread = float(grey.std())
    if not defect.any() or not ring.any() or spread == 0:
        return None
    return abs(float(grey[defect].mean()) - float(grey[ring].mean())) / spread


def are_turned(fits: Sequence[tuple[float | None, float | None]]) -> bool | None:
    """Whether masks fit the turned images, told from all of them; None if that cannot be told.

    Args:
        fits: Of each image with its mask, `fit` to the image as turned and to the pixels as stored. A size
            that fits one of them only decides for it.
    """
    sizes = sum((turned is not None) - (stored is not None) for turned, stored in fits)
    if sizes:
        return sizes > 0
    differences = np.array([t - s for t, s in fits if t is not None and s is not None])
    if not differences.size:
        return None
    mean = float(differences.mean())
    error = float(differences.std()) / max(1.0, float(differences.size - 1)) ** 0.5
    is_certain = abs(mean) > _CERTAIN * error if differences.size > 2 else abs(mean) > _CLEAR
    return mean > 0 if is_certain and mean else None


def grown(region: np.ndarray) -> np.ndarray:
    """A region, bool (H, W), with the four neighbours of its pixels."""
    wide = np.pad(region, 1)
    return wide[1:-1, 1:-1] | wide[:-2, 1:-1] | wide[2:, 1:-1] | wide[1:-1, :-2] | wide[1:-1, 2:]
