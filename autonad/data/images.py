"""Image and mask files in, arrays out, with one clear message for each way in which a file can be bad."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from autonad.data.pixels.orientation import upright
from autonad.errors import DatasetError

# Larger images are refused before they are decoded: a few bytes of PNG can claim gigabytes of pixels.
MAX_PIXELS = 50_000_000
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})
# Pillow knows many more; some of them start other programs (EPS) or are seldom looked after.
_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
# What Pillow raises on bytes that are not what their format says.
_DAMAGES = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    OverflowError,
    ZeroDivisionError,
    LookupError,
    TypeError,
    AttributeError,
    NotImplementedError,
    AssertionError,
    RuntimeError,
    MemoryError,
)
IGNORE = 255


def read_image(path: Path, *, max_pixels: int | None = None) -> np.ndarray:
    """Read an image as it is meant to be seen (EXIF rotation applied).

    Args:
        path: PNG, JPEG, BMP, TIFF or WebP; grey, palette, 8 or 16 bits.
        max_pixels: The largest image that is read; None takes `MAX_PIXELS`.

    Returns:
        uint8 (H, W, 3); a grey image has three equal channels.

    Raises:
        DatasetError: The file is missing, unreadable or larger than `max_pixels`.
    """
    return decode_image(_read_bytes(path, "image"), path, max_pixels=max_pixels)


def decode_image(content: bytes, path: Path, *, max_pixels: int | None = None) -> np.ndarray:
    """Decode the bytes of an image file; `path` only names it in messages. See `read_image`."""
    with damages_named(content, path, "image"):
        image = upright(_open(content, path, "image", max_pixels))
        if image.mode.startswith("I") or image.mode == "F":
            # Pillow clips 16-bit samples at 255 instead of scaling them.
            grey = np.asarray(image).astype(np.float64) / (257.0 if image.mode.startswith("I") else 1.0)
            return np.repeat(np.clip(grey + 0.5, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
        return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def read_mask(path: Path, *, max_pixels: int | None = None) -> np.ndarray:
    """Read a mask without interpreting it.

    Args:
        path: Grey, palette (the indices are kept) or one-bit image (0 and 1), or a colour image.
        max_pixels: The largest mask that is read; None takes `MAX_PIXELS`.

    Returns:
        uint8 (H, W), or uint8 (H, W, 3) for a colour image whose channels differ.

    Raises:
        DatasetError: The file is missing, unreadable, larger than `max_pixels` or holds values above 255.
    """
    content = _read_bytes(path, "mask")
    with damages_named(content, path, "mask"):
        image = _open(content, path, "mask", max_pixels)
        if image.mode in {"L", "P", "1"}:
            return np.array(image).astype(np.uint8)
        if image.mode.startswith("I") or image.mode == "F":
            values = np.asarray(image)
            if values.min() < 0 or values.max() > 255:
                raise DatasetError(
                    f"mask {path} has values from {values.min()} to {values.max()}; save it with 8 bits, one "
                    "value from 0 to 255 per class"
                )
            return values.astype(np.uint8)
        return grey_where_equal(np.array(image.convert("RGB")))


def grey_where_equal(colours: np.ndarray) -> np.ndarray:
    """Uint8 (H, W) if the channels of uint8 (H, W, 3) are equal everywhere, else the colours."""
    grey = (colours == colours[..., :1]).all()
    return np.ascontiguousarray(colours[..., 0]) if grey else colours


def encode_png(array: np.ndarray) -> bytes:
    """Losslessly compress a uint8 (H, W) or (H, W, 3) array; equal arrays give equal bytes."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()


def is_portable(content: bytes) -> bool:
    """Whether the bytes are PNG, JPEG or BMP, which every consumer of a dataset reads."""
    return content.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM"))


def _read_bytes(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DatasetError(f"{what} {path} does not exist; restore it, or import the data again") from error
    except OSError as error:
        raise DatasetError(
            f"{what} {path} cannot be read: {error.strerror}; check its permissions"
        ) from error


def _open(content: bytes, path: Path, what: str, max_pixels: int | None) -> Image.Image:
    image = probe_image(content, path, what, max_pixels)
    decode(image, path, what, max_pixels=max_pixels)
    return image


@contextmanager
def damages_named(content: bytes, path: Path, what: str) -> Iterator[None]:
    """Turn whatever a decoder raises on a damaged file into one line that names it.

    Args:
        content: The file's bytes, as far as they are known.
        path: Its name in the message.
        what: "image" or "mask".

    Raises:
        DatasetError: The file is damaged, or no image.
    """
    try:
        with warnings.catch_warnings():
            # What Pillow warns of is either read past or raised; its limit of size is not ours.
            warnings.simplefilter("ignore")
            yield
    except DatasetError:
        raise
    except Image.DecompressionBombError as error:
        raise DatasetError(_too_large(what, path, str(error), MAX_PIXELS)) from error
    except _DAMAGES as error:
        reason = "the file is empty" if not content else "it is damaged or no image"
        raise DatasetError(
            f"{what} {path} cannot be read: {reason}; replace the file or take it out of the folder"
        ) from error


def decode(
    image: Image.Image, path: Path, what: str, *, page: int = 0, max_pixels: int | None = None
) -> None:
    """Decode an opened image in place; call it within `damages_named`.

    Args:
        image: What `probe_image` opened.
        path: Its name in messages.
        what: "image" or "mask".
        page: Which of several pages or frames, from 0.
        max_pixels: The largest page that is read; None takes `MAX_PIXELS`.

    Raises:
        DatasetError: The page is larger than `max_pixels`.
    """
    if page:
        image.seek(page)
        check_size(image.size, path, what, max_pixels)
    image.load()


def probe_image(
    content: bytes | BinaryIO, path: Path, what: str, max_pixels: int | None = None
) -> Image.Image:
    """Open an image file and read its header only; call it within `damages_named`.

    Raises:
        DatasetError: It is larger than `max_pixels`, or `MAX_PIXELS` if that is None.
    """
    image = Image.open(io.BytesIO(content) if isinstance(content, bytes) else content, formats=_FORMATS)
    check_size(image.size, path, what, max_pixels)
    return image


def check_size(size: tuple[int, int], path: Path, what: str, max_pixels: int | None = None) -> None:
    """Refuse a gigantic image.

    Args:
        size: Width and height, pixels.
        path: Its name in the message.
        what: "image" or "mask".
        max_pixels: The most that it may have; None takes `MAX_PIXELS`.

    Raises:
        DatasetError: It has more.
    """
    limit = MAX_PIXELS if max_pixels is None else max_pixels
    if size[0] * size[1] > limit:
        raise DatasetError(_too_large(what, path, f"it has {size[1]} × {size[0]} pixels", limit))


def _too_large(what: str, path: Path, found: str, max_pixels: int) -> str:
    return (
        f"{what} {path} is too large: {found}; at most {max_pixels / 1e6:g} megapixels are read, so cut it "
        "into tiles, scale it down, or raise data.max_megapixels (on the line: --max-megapixels)"
    )
