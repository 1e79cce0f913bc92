"""TIFFs of half-precision floats, which neither Pillow nor OpenCV reads."""

from __future__ import annotations

import io
import zlib

import numpy as np
from PIL import TiffImagePlugin

from autonad.errors import DatasetError

_WIDTH, _HEIGHT, _BITS, _COMPRESSION = 256, 257, 258, 259
_OFFSETS, _CHANNELS, _COUNTS, _PLANAR, _PREDICTOR, _FORMAT = 273, 277, 279, 284, 317, 339
_IS_FLOAT = 3
_STORED, _DEFLATED = 1, (8, 32946)


def read_half_floats(content: bytes, frame: int) -> np.ndarray | None:
    """Samples of a TIFF, float32 (H, W) or (H, W, 3); None if they are no floats of 16 bits.

    Args:
        content: The file.
        frame: Which of its frames, from 0.

    Raises:
        DatasetError: They are stored in a way that is not read.
        ValueError: The file is damaged.
    """
    stream = io.BytesIO(content)
    tags = TiffImagePlugin.ImageFileDirectory_v2(stream.read(8))
    for _ in range(frame + 1):
        stream.seek(tags.next)
        tags.load(stream)
    if tags.get(_BITS, (1,))[0] != 16 or tags.get(_FORMAT, (1,))[0] != _IS_FLOAT:
        return None
    packing = tags.get(_COMPRESSION, _STORED)
    is_plain = tags.get(_PREDICTOR, 1) == 1 and tags.get(_PLANAR, 1) == 1 and _OFFSETS in tags
    if (packing != _STORED and packing not in _DEFLATED) or not is_plain:
        raise DatasetError(
            "it holds floats of 16 bits in a way that is not read; save it uncompressed, or with floats of 32"
        )
    height, width, channels = int(tags[_HEIGHT]), int(tags[_WIDTH]), int(tags.get(_CHANNELS, 1))
    size = 2 * height * width * channels
    pieces = []
    for offset, count in zip(tags[_OFFSETS], tags[_COUNTS], strict=True):
        piece = content[offset : offset + count]
        pieces.append(piece if packing == _STORED else zlib.decompressobj().decompress(piece, size))
    data = b"".join(pieces)
    if len(data) < size:
        raise ValueError("fewer samples than its size says")
    kind = "<f2" if content.startswith(b"II") else ">f2"
    samples = np.frombuffer(data[:size], kind).astype(np.float32).reshape(height, width, channels)
    return samples[..., 0] if channels < 3 else np.ascontiguousarray(samples[..., :3])
