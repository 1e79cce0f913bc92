"""What can happen to PNG (chunks with right checksums around wrong contents), TIFF (its tags), and EXIF."""

from __future__ import annotations

import struct
import zlib
from functools import cache

from .damage import ANY, HUGE, Rng, damage, noise, pick


def _chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 8
    while at + 8 <= len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        found.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def _png(chunks: list[tuple[bytes, bytes]]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


@cache
def _bomb(mebibytes: int) -> bytes:
    return zlib.compress(bytes(mebibytes << 20), 1)


def png_header(content: bytes, rng: Rng) -> bytes:
    chunks = _chunks(content)
    if not chunks or len(chunks[0][1]) < 13:
        return content
    header = bytearray(chunks[0][1])
    at = int(rng.integers(13))
    if at < 8:
        header[at // 4 * 4 : at // 4 * 4 + 4] = struct.pack(">I", pick(rng, (*HUGE, 7000, 20000)))
    else:
        header[at] = int(rng.integers(256)) if rng.random() < 0.3 else pick(rng, (0, 1, 2, 3, 4, 6, 8, 16))
    return _png([(chunks[0][0], bytes(header)), *chunks[1:]])


def png_chunk(content: bytes, rng: Rng) -> bytes:
    chunks = _chunks(content)
    if not chunks:
        return content
    at, what = int(rng.integers(len(chunks))), int(rng.integers(5))
    if what == 0:
        del chunks[at]
    elif what == 1:
        chunks.insert(int(rng.integers(len(chunks))), chunks[at])
    elif what == 2:
        chunks[at] = (chunks[at][0], ANY[int(rng.integers(len(ANY)))](chunks[at][1], rng))
    elif what == 3:
        bomb = b"x\0\0" + _bomb(pick(rng, (2, 80)))
        chunks.insert(1, (pick(rng, (b"zTXt", b"iCCP", b"iTXt")), bomb))
    else:
        name = pick(
            rng, (b"PLTE", b"tRNS", b"eXIf", b"acTL", b"fcTL", b"fdAT", b"gAMA", b"pHYs", b"IHDR", b"tEXt")
        )
        chunks.insert(
            int(rng.integers(1, len(chunks) + 1)), (name, noise(b"", rng)[: pick(rng, (0, 1, 3, 8, 900))])
        )
    return _png(chunks)


# TIFF: tags


def tiff_tag(content: bytes, rng: Rng) -> bytes:
    """An entry gets another tag, type, count or value; or the directory follows itself."""
    if len(content) < 16 or content[:2] not in (b"II", b"MM"):
        return content
    end = "<" if content[:2] == b"II" else ">"
    (at,) = struct.unpack(end + "I", content[4:8])
    if at + 2 > len(content):
        return content
    (count,) = struct.unpack(end + "H", content[at : at + 2])
    entry = at + 2 + 12 * int(rng.integers(max(count, 1)))
    if entry + 12 > len(content):
        return content
    changed, what = bytearray(content), int(rng.integers(5))
    if what == 0:
        changed[entry : entry + 2] = struct.pack(end + "H", int(rng.integers(254, 350)))
    elif what == 1:
        changed[entry + 2 : entry + 4] = struct.pack(end + "H", int(rng.integers(0, 20)))
    elif what in (2, 3):
        value = pick(rng, (*HUGE, 2, 3, 4, 5, 7, 8, 16, 32, 64, 32773, 34712, 50000))
        changed[entry + 4 * (what - 1) : entry + 4 * what] = struct.pack(end + "I", value)
    else:
        after = at + 2 + 12 * count
        changed[after : after + 4] = struct.pack(end + "I", pick(rng, (at, 8, 1 << 31, len(content) - 4)))
    return bytes(changed)


# JPEG and PNG: EXIF


def exif(content: bytes, rng: Rng) -> bytes:
    kind, count = int(rng.integers(0, 14)), pick(rng, (0, 1, 1, 2, 1 << 31))
    value = struct.pack("<I", pick(rng, (*range(1, 9), 0, 9, 255, 1 << 31)))
    tiff = b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHI", 0x0112, kind, count) + value + b"\0\0\0\0"
    if rng.random() < 0.6:
        tiff = damage(tiff, rng)
    if content.startswith(b"\xff\xd8"):
        block = b"Exif\0\0" + tiff
        return content[:2] + b"\xff\xe1" + struct.pack(">H", min(len(block) + 2, 65535)) + block + content[2:]
    chunks = _chunks(content)
    return _png([*chunks[:1], (b"eXIf", tiff), *chunks[1:]]) if chunks else content
