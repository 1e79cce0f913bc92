"""Samples of more than 8 bits that Pillow would cut: what a TIFF says of them, and their decoding."""

from __future__ import annotations

import struct
import zlib
from typing import Any, Literal

import numpy as np

from autonad.data.pixels.byte_halves import read_halves
from autonad.errors import DatasetError

Kind = Literal["bytes", "integers", "floats"]
PNG = b"\x89PNG\r\n\x1a\n"
_BITS, _PHOTOMETRIC, _PER_PIXEL, _FORMAT = 258, 262, 277, 339
_IS_FLOAT = 3


def tiff_samples(tags: Any) -> dict[str, Any]:
    """Fields of a header that tell what the samples of a TIFF are."""
    bits = max(_numbers(tags.get(_BITS, 1)))
    is_float = max(_numbers(tags.get(_FORMAT, 1))) == _IS_FLOAT
    kind: Kind = "floats" if is_float else "integers" if bits > 8 else "bytes"
    is_single = int(tags.get(_PER_PIXEL, 1)) == 1
    inverted = kind != "bytes" and int(tags.get(_PHOTOMETRIC, 1)) == 0
    return {"kind": kind, "by_pillow": kind == "bytes" or is_single, "is_inverted": inverted}


def _numbers(value: Any) -> tuple[int, ...]:
    return tuple(int(v) for v in value) if isinstance(value, tuple) else (int(value),)


def _check_chunks(content: bytes) -> None:
    """Make sure that a PNG is whole: OpenCV allocates what a chunk claims, and speaks of what is wrong."""
    at = len(PNG)
    while at < len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        at += 12 + length
        if at > len(content):
            raise ValueError("a chunk is longer than the file")
        data = content[at - 8 - length : at - 4]
        if zlib.crc32(data) != int.from_bytes(content[at - 4 : at], "big"):
            raise ValueError("a chunk is damaged")
        if kind == b"IHDR" and (any(data[14:16]) or data[16] > 1):
            raise ValueError("no known compression, filter or interlacing")
        if kind == b"IEND":
            return


def decode_deep(content: bytes, frame: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Samples of several channels with more than 8 bits, which Pillow would cut to 8.

    Returns:
        (H, W) or (H, W, 3); and their alpha uint8 (H, W), if they have any.

    Raises:
        DatasetError: OpenCV is not installed, as on the line, and Pillow cannot read all bits.
    """
    if content.startswith(PNG):
        _check_chunks(content)
    try:
        import cv2  # only files of this kind need it
    except ImportError as error:
        halves = read_halves(content, frame)
        if halves is not None:
            return halves[..., :3], _alpha(halves[..., 3]) if halves.shape[2] == 4 else None
        raise DatasetError(
            "its colours have more than 8 bits in a form that takes OpenCV; `pip install "
            "opencv-python-headless`, or save it with 8 bits"
        ) from error

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # what it says names no file
    buffer = np.frombuffer(content, dtype=np.uint8)
    try:
        if frame:
            done, frames = cv2.imdecodemulti(buffer, cv2.IMREAD_UNCHANGED, range=(frame, frame + 1))
            samples = frames[0] if done and frames else None
        else:
            samples = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise ValueError(str(error)) from error
    if samples is None or samples.ndim not in {2, 3} or not samples.size:
        raise struct.error("not decoded")
    if samples.ndim == 2:
        return samples, None
    alpha = _alpha(samples[..., -1]) if samples.shape[2] in {2, 4} else None
    if samples.shape[2] < 3:
        return np.ascontiguousarray(samples[..., 0]), alpha
    return np.ascontiguousarray(samples[..., 2::-1]), alpha


def _alpha(samples: np.ndarray) -> np.ndarray:
    """Alpha of any depth as uint8; of floats, 1 is opaque."""
    whole = 1.0 if samples.dtype.kind == "f" else float(np.iinfo(samples.dtype).max)
    return np.nan_to_num(np.clip(samples.astype(np.float64) / whole, 0, 1) * 255 + 0.5).astype(np.uint8)
