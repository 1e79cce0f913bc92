"""Files whose first bytes show that they hold 8 bits, one page and no EXIF: nearly all, and quickly told."""

from __future__ import annotations

import struct

from autonad.data.pixels.deep_samples import PNG

_BMP, _JPEG = b"BM", b"\xff\xd8"
# Chunks of PNG and segments of JPEG that say nothing of depth, pages or orientation.
_PLAIN_CHUNKS = frozenset(
    {b"PLTE", b"tRNS", b"gAMA", b"pHYs", b"sRGB", b"cHRM", b"sBIT", b"bKGD", b"tIME", b"iCCP"}
)
_SCAN = 0xDA
_PLAIN_SEGMENTS = frozenset({0xC0, 0xC1, 0xC2, 0xC4, 0xDB, 0xDD, 0xE0, 0xFE})  # JFIF, tables, sizes, comments
_PRECISION = frozenset({0xC0, 0xC1, 0xC2})


def is_usual(start: bytes) -> bool:
    """Whether a file that begins so is read alike by everybody; False where that is not certain."""
    if start.startswith(PNG):
        return _is_usual_png(start)
    return _is_usual_jpeg(start) if start.startswith(_JPEG) else start.startswith(_BMP)


def _is_usual_png(start: bytes) -> bool:
    if start[12:16] != b"IHDR" or len(start) < 33 or start[24] > 8:
        return False
    at = 33
    while at + 8 <= len(start):
        (length,), kind = struct.unpack_from(">I", start, at), start[at + 4 : at + 8]
        if kind == b"IDAT":
            return True
        if kind not in _PLAIN_CHUNKS:
            return False
        at += 12 + length
    return False


def _is_usual_jpeg(start: bytes) -> bool:
    at = len(_JPEG)
    while at + 5 <= len(start) and start[at] == 0xFF:
        kind, length = start[at + 1], int.from_bytes(start[at + 2 : at + 4], "big")
        if kind == _SCAN:
            return True
        if kind not in _PLAIN_SEGMENTS or (kind in _PRECISION and start[at + 4] != 8):
            return False
        at += 2 + length
    return False
