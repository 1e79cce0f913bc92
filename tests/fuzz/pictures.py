"""Generated images and masks, saved."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

SIDE = 48


def texture(seed: int) -> np.ndarray:
    """A picture that resembles no other seed's: uint8 (48, 48, 3)."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 255, (9, 9)).astype(np.float32)
    smooth = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    picture = np.clip(smooth + rng.normal(0, 4, (SIDE, SIDE)), 0, 255).astype(np.uint8)
    return np.repeat(picture[..., None], 3, axis=2)


def patch(value: int) -> np.ndarray:
    """A mask with one rectangle of `value`: uint8 (48, 48)."""
    mask = np.zeros((SIDE, SIDE), dtype=np.uint8)
    mask[10:22, 8:30] = value
    return mask


def save(path: Path, array: np.ndarray) -> Path:
    """Save an array as what the suffix says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path
