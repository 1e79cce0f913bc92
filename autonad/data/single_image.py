"""One picture from the bytes of one file, for a detector: read as in training, and only if it is one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from autonad.data.images import damages_named, decode_image, probe_image
from autonad.errors import DatasetError


def decode_single(content: bytes, path: Path, *, max_pixels: int | None = None) -> np.ndarray:
    """Decode the bytes of an image file as in training.

    Args:
        content: The file's bytes.
        path: Its name in messages.
        max_pixels: The largest image that is read; None takes the default of `decode_image`.

    Returns:
        uint8 (H, W, 3).

    Raises:
        DatasetError: The file is damaged, too large, or holds several pictures.
    """
    image = decode_image(content, path, max_pixels=max_pixels)
    with damages_named(content, path, "image"):
        frames = getattr(probe_image(content, path, "image", max_pixels), "n_frames", 1)
    if frames > 1:
        raise DatasetError(
            f"image {path} holds {frames} pictures (an animation, or pages); save the one that is meant by "
            "itself"
        )
    return image
