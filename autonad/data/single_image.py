"""One picture from the bytes of one file, for a detector: read as in training, and only if it is one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from autonad.data.pixels.containers import Opened
from autonad.data.pixels.deep_samples import Kind
from autonad.data.pixels.image_files import read_image_file
from autonad.data.pixels.scaling import ImageReading
from autonad.errors import DatasetError, ExportError


def image_reading(told: Mapping[str, Any] | None) -> ImageReading:
    """How a detector's images are read.

    Args:
        told: What its description says of it; None if nothing, as of images of 8 bits.

    Raises:
        ExportError: The description is malformed.
    """
    if told is None:
        return ImageReading()
    try:
        return ImageReading.from_dict(told)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ExportError(
            f"the model does not say how its images are read ({error!r}); run `autonad export` again"
        ) from error


def decode_single(
    content: bytes,
    path: Path,
    reading: ImageReading,
    *,
    max_pixels: int | None = None,
    assumed: Callable[[str], object] = lambda what: None,
) -> np.ndarray:
    """Decode the bytes of an image file as those that the detector learnt from were read.

    Args:
        content: The file's bytes.
        path: Its name in messages.
        reading: From `image_reading`.
        max_pixels: The largest image that is read; None takes `MAX_PIXELS`.
        assumed: Told what is taken for granted because `reading` says nothing of samples like the file's.

    Returns:
        uint8 (H, W, 3).

    Raises:
        DatasetError: The file is damaged, too large, or holds several pictures and it is not known which one
            is meant.
    """
    opened = Opened.of(content, path, "image", max_pixels)
    pages = len(opened.header.pages)
    if pages > 1 and reading.page is None:
        raise DatasetError(
            f"image {path} holds {pages} pictures (an animation, or pages); save the one that is meant by "
            "itself"
        )
    if (what := _assumption(opened.header.kind, reading)) is not None:
        assumed(what)
    pixels = read_image_file(opened, reading, turned=reading.turned).pixels
    return np.ascontiguousarray(pixels)


def _assumption(kind: Kind, reading: ImageReading) -> str | None:
    known = {"bytes": True, "integers": reading.integers is not None, "floats": reading.floats is not None}
    if known[kind]:
        return None
    low, high = reading.range_of(kind == "floats")
    what = "samples that are floats" if kind == "floats" else "samples of more than 8 bits"
    return (
        f"the model says nothing of {what}: {low:g} to {high:g} are taken as black to white; if "
        "that is wrong, save images as those of the training were"
    )
