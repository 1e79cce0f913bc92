"""One image file to 8 bits, as its set is read, and whether the file itself says the same to everybody."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from autonad.data.pixels.containers import Opened
from autonad.data.pixels.scaling import ImageReading, coloured, to_uint8
from autonad.errors import DatasetError

DAMAGED_EXIF, TRANSPARENT, STORED = "damaged-exif", "transparent", "stored-pixels"


@dataclass(frozen=True)
class ImageFile:
    """An image, read.

    Attributes:
        pixels: uint8 (H, W, 3), not to be written to: the channels of a grey image are one.
        notes: What was peculiar: `DAMAGED_EXIF`, `TRANSPARENT`, `STORED`.
        is_plain: Whether every reader sees these pixels in the file, so that it may be kept as it is.
    """

    pixels: np.ndarray
    notes: tuple[str, ...] = ()
    is_plain: bool = True


def read_image_file(opened: Opened, reading: ImageReading, *, turned: bool) -> ImageFile:
    """Decode an image as its set is read.

    Args:
        opened: Its file.
        reading: How the set's images are read.
        turned: Whether its EXIF orientation is applied.

    Raises:
        DatasetError: It is damaged, holds samples that are no numbers, or its page cannot be told.
    """
    header = opened.header
    notes = [DAMAGED_EXIF] if header.damaged_exif else []
    if header.orientation != 1 and not turned:
        notes.append(STORED)
    try:
        if header.kind == "bytes":
            picture = opened.picture(page=reading.page, turned=turned)
            pixels, is_transparent = _colours(picture)
            if is_transparent:
                notes.append(TRANSPARENT)
        else:
            samples, alpha = opened.samples(page=reading.page, turned=turned)
            pixels = to_uint8(samples, reading, inverted=header.is_inverted)
            if alpha is not None and alpha.min() < 255:
                pixels = _on_black(Image.fromarray(pixels), Image.fromarray(alpha))
                notes.append(TRANSPARENT)
    except DatasetError as error:
        raise _with_name(opened, error) from error
    is_plain = not notes and header.kind == "bytes" and len(header.pages) == 1
    return ImageFile(pixels, tuple(notes), is_plain)


def _colours(picture: Image.Image) -> tuple[np.ndarray, bool]:
    """Uint8 (H, W, 3), and whether something was transparent; transparent pixels become black."""
    if "transparency" not in picture.info:
        if picture.mode == "RGB":
            return np.asarray(picture), False
        if picture.mode == "L":
            return coloured(np.asarray(picture)), False
    if picture.mode in {"RGBA", "LA", "PA", "RGBa", "La"} or "transparency" in picture.info:
        whole = picture.convert("RGBA")
        alpha = whole.getchannel("A")
        if alpha.getextrema()[0] == 255:
            return np.array(whole.convert("RGB")), False
        return _on_black(whole.convert("RGB"), alpha), True
    return np.array(picture.convert("RGB")), False


def _on_black(picture: Image.Image, alpha: Image.Image) -> np.ndarray:
    black = Image.new("RGB", picture.size)
    black.paste(picture, mask=alpha)
    return np.array(black)


def _with_name(opened: Opened, error: DatasetError) -> DatasetError:
    """The error with the file's name, where a deeper layer did not know it."""
    text = str(error)
    name = str(opened.name)
    return error if name in text else DatasetError(f"{opened.what} {name} cannot be read: {text}")
