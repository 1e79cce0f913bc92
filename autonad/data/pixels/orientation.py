"""Which way up an image is, by its EXIF; damaged EXIF is no reason not to read the pixels."""

from __future__ import annotations

import binascii
import struct

from PIL import Image

_TAG = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_BACK = {**_TURNS, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}


def orientation(image: Image.Image) -> int | None:
    """EXIF orientation of an opened image, 1 to 8; 1 where it says nothing, None if its EXIF is damaged."""
    if image.format == "TIFF":
        found = image.getexif().get(_TAG, 1)
        return found if found in _TURNS else 1
    exif = image.info.get("exif")
    if exif is None and "Raw profile type exif" in image.info:
        exif = _raw_profile(image.info["Raw profile type exif"])
    return 1 if exif is None else parse_orientation(exif)


def parse_orientation(exif: bytes) -> int | None:
    """Orientation in the bytes of an EXIF block; None if they are damaged.

    Only the first directory is read: Exif 2.32, section 4.6.2, as TIFF 6.0 lays it out.
    """
    block = exif.removeprefix(b"Exif\x00\x00")
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(block[:4])
    if order is None:
        return None
    try:
        (start,) = struct.unpack_from(order + "I", block, 4)
        (count,) = struct.unpack_from(order + "H", block, start)
        found = 1
        for number in range(count):
            tag, kind, values, value = struct.unpack_from(order + "HHIH", block, start + 2 + 12 * number)
            if tag == _TAG:
                found = value if (kind, values) == (3, 1) and 1 <= value <= 8 else 1
    except struct.error:
        return None
    return found


def upright(image: Image.Image) -> Image.Image:
    """The image as it is meant to be seen."""
    found = orientation(image)
    # Pillow turns a TIFF when it decodes it.
    return image.transpose(_TURNS[found]) if found in _TURNS and image.format != "TIFF" else image


def as_stored(image: Image.Image) -> Image.Image:
    """The image as its pixels lie in the file."""
    found = orientation(image)
    return image.transpose(_BACK[found]) if found in _BACK and image.format == "TIFF" else image


def _raw_profile(text: object) -> bytes:
    """EXIF that ImageMagick writes into a text of a PNG: a name, a length, then hexadecimal digits."""
    parts = (text if isinstance(text, str) else "").split()
    try:
        return bytes.fromhex("".join(parts[2:]))
    except (ValueError, binascii.Error):
        return b""
