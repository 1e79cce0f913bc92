"""Ways in which files are damaged, each drawn from a generator, so that a seed is a file."""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

Rng = np.random.Generator
Mutation = Callable[[bytes, Rng], bytes]
HUGE = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def mutate(kind: str, content: bytes, rng: Rng) -> bytes:
    """The content of a file, damaged once or a few times in ways of its kind or of any file."""
    special = SPECIAL.get(kind, ())
    for _ in range(int(rng.choice([1, 1, 1, 2, 4]))):
        one: Mutation = _pick(rng, special if special and rng.random() < 0.6 else ANY)
        content = one(content, rng)
    return content


def _pick(rng: Rng, options: Any) -> Any:
    return options[int(rng.integers(len(options)))]


def _span(content: bytes, rng: Rng) -> tuple[int, int]:
    first, last = sorted(int(n) for n in rng.integers(0, len(content) + 1, 2))
    return first, min(last, first + 4096)


# Of any file


def _flip(content: bytes, rng: Rng) -> bytes:
    changed = bytearray(content)
    for _ in range(int(rng.integers(1, 9))):
        if changed:
            changed[int(rng.integers(min(len(changed), _pick(rng, (64, 1 << 30)))))] ^= 1 << int(
                rng.integers(8)
            )
    return bytes(changed)


def _truncate(content: bytes, rng: Rng) -> bytes:
    return content[: int(rng.integers(len(content) + 1))]


def _zero(content: bytes, rng: Rng) -> bytes:
    first, last = _span(content, rng)
    return content[:first] + bytes(last - first) + content[last:]


def _delete(content: bytes, rng: Rng) -> bytes:
    first, last = _span(content, rng)
    return content[:first] + content[last:]


def _double(content: bytes, rng: Rng) -> bytes:
    first, last = _span(content, rng)
    return content[:last] + content[first:]


def _splice(content: bytes, rng: Rng) -> bytes:
    first, last = _span(content, rng)
    at = int(rng.integers(len(content) + 1))
    return content[:at] + content[first:last] + content[at + last - first :]


def _number(content: bytes, rng: Rng) -> bytes:
    """A length or an offset, perhaps, becomes a huge one."""
    at = int(rng.integers(max(1, min(len(content), _pick(rng, (64, 1 << 30))))))
    form = _pick(rng, (">I", "<I", ">H", "<H"))
    number = struct.pack(form, _pick(rng, HUGE) & (0xFFFF if form[1] == "H" else 0xFFFFFFFF))
    return content[:at] + number + content[at + len(number) :]


def _noise(content: bytes, rng: Rng) -> bytes:
    return bytes(rng.integers(0, 256, int(rng.integers(0, 3000)), dtype=np.uint8))


def _append(content: bytes, rng: Rng) -> bytes:
    return content + _noise(content, rng)


def _empty(content: bytes, rng: Rng) -> bytes:
    return b""


ANY: tuple[Mutation, ...] = (
    *(_flip, _flip, _truncate, _zero, _delete, _double, _splice, _number, _number, _noise, _append, _empty),
)


# PNG: chunks with right checksums around wrong contents


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


def _png_header(content: bytes, rng: Rng) -> bytes:
    chunks = _chunks(content)
    if not chunks or len(chunks[0][1]) < 13:
        return content
    header = bytearray(chunks[0][1])
    at = int(rng.integers(13))
    if at < 8:
        header[at // 4 * 4 : at // 4 * 4 + 4] = struct.pack(">I", _pick(rng, (*HUGE, 7000, 20000)))
    else:
        header[at] = int(rng.integers(256)) if rng.random() < 0.3 else _pick(rng, (0, 1, 2, 3, 4, 6, 8, 16))
    return _png([(chunks[0][0], bytes(header)), *chunks[1:]])


def _png_chunk(content: bytes, rng: Rng) -> bytes:
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
        bomb = b"x\0\0" + _bomb(_pick(rng, (2, 80)))
        chunks.insert(1, (_pick(rng, (b"zTXt", b"iCCP", b"iTXt")), bomb))
    else:
        name = _pick(
            rng, (b"PLTE", b"tRNS", b"eXIf", b"acTL", b"fcTL", b"fdAT", b"gAMA", b"pHYs", b"IHDR", b"tEXt")
        )
        chunks.insert(
            int(rng.integers(1, len(chunks) + 1)), (name, _noise(b"", rng)[: _pick(rng, (0, 1, 3, 8, 900))])
        )
    return _png(chunks)


# TIFF: tags


def _tiff_tag(content: bytes, rng: Rng) -> bytes:
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
        value = _pick(rng, (*HUGE, 2, 3, 4, 5, 7, 8, 16, 32, 64, 32773, 34712, 50000))
        changed[entry + 4 * (what - 1) : entry + 4 * what] = struct.pack(end + "I", value)
    else:
        after = at + 2 + 12 * count
        changed[after : after + 4] = struct.pack(end + "I", _pick(rng, (at, 8, 1 << 31, len(content) - 4)))
    return bytes(changed)


# JPEG and PNG: EXIF


def _exif(content: bytes, rng: Rng) -> bytes:
    kind, count = int(rng.integers(0, 14)), _pick(rng, (0, 1, 1, 2, 1 << 31))
    value = struct.pack("<I", _pick(rng, (*range(1, 9), 0, 9, 255, 1 << 31)))
    tiff = b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHI", 0x0112, kind, count) + value + b"\0\0\0\0"
    if rng.random() < 0.6:
        tiff = mutate("any", tiff, rng)
    if content.startswith(b"\xff\xd8"):
        block = b"Exif\0\0" + tiff
        return content[:2] + b"\xff\xe1" + struct.pack(">H", min(len(block) + 2, 65535)) + block + content[2:]
    chunks = _chunks(content)
    return _png([*chunks[:1], (b"eXIf", tiff), *chunks[1:]]) if chunks else content


# JSON: values of the wrong kind at the right place


_VALUES = (
    *(
        None,
        True,
        -1,
        0,
        1e308,
        float("nan"),
        float("inf"),
        "",
        "x" * 100_000,
        "\x1b[31m\n",
        "../../etc/passwd",
    ),
    *(
        [],
        {},
        [[]],
        [None],
        10**400,
        -(2**63),
        2**63,
        "1",
        "é\u0301",
        [1] * 50_000,
        {"a": {"b": []}},
        "\ud800",
    ),
)


def _places(node: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    items = (
        list(node.items())
        if isinstance(node, dict)
        else list(enumerate(node))
        if isinstance(node, list)
        else []
    )
    for key, value in items:
        found.append((node, key))
        _places(value, found)
    return found


def _json_value(content: bytes, rng: Rng) -> bytes:
    try:
        tree = json.loads(content)
        places = _places(tree, [])
    except (ValueError, RecursionError):
        return content
    if not places:
        return content
    node, key = _pick(rng, places)
    if rng.random() < 0.25:
        del node[key]
    elif isinstance(node, list) and rng.random() < 0.2:
        node.append(node[key])
    else:
        node[key] = _pick(rng, _VALUES)
    if rng.random() < 0.05:
        tree = _pick(rng, _VALUES)
    return json.dumps(tree).encode(errors="surrogatepass")


def _json_text(content: bytes, rng: Rng) -> bytes:
    deep = 100_000
    return _pick(
        rng,
        (
            b"[" * deep,
            b"[" * deep + b"]" * deep,
            b'{"a":' * deep + b"1" + b"}" * deep,
            b"\xef\xbb\xbf" + content,
            content.decode(errors="replace").encode("utf-16"),
            b"1" * 10_000,
            content.replace(b":", b": -", 3),
            content + content,
        ),
    )


# XML


def _xml(content: bytes, rng: Rng) -> bytes:
    what = int(rng.integers(6))
    if what == 0:
        values = list(re.finditer(rb'"[^"]*"', content))
        if values:
            found = _pick(rng, values)
            value = _pick(
                rng, (b"", b"-1", b"1e999", b"nan", b"9" * 400, b"0;0", b"x", b"1,2;", b"../../x", b"&#0;")
            )
            return content[: found.start()] + b'"' + value + b'"' + content[found.end() :]
    elif what == 1:
        tags = list(re.finditer(rb"<[^>]*>", content))
        if tags:
            found = _pick(rng, tags)
            return content[: found.start()] + content[found.end() :]
    elif what == 2:
        return b"<a>" * 100_000 + content
    body = content.split(b"?>", 1)[-1]
    if what == 3:
        laughs = b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 10))
        return b'<!DOCTYPE x [<!ENTITY l0 "lol">' + laughs + b"]>" + re.sub(rb">([^<]+)<", b">&l9;<", body)
    if what == 4:
        return b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>' + re.sub(
            rb">([^<]+)<", b">&e;<", body
        )
    return b'<?xml version="1.0" encoding="' + _pick(rng, (b"utf-16", b"no-such", b"cp037")) + b'"?>' + body


# Tables and lists


_CELLS = (
    "",
    " ",
    '"',
    "'",
    "\0",
    "nan",
    "-1",
    "1e999",
    "9" * 400,
    "../../x",
    "a,b",
    "\x1b[2J",
    "x" * 200_000,
    "1 2 3",
)


def _table(content: bytes, rng: Rng) -> bytes:
    lines = content.decode("utf-8", errors="replace").split("\n")
    at, what = int(rng.integers(len(lines))), int(rng.integers(9))
    if what == 0:
        cells = lines[at].split(",")
        cells[int(rng.integers(len(cells)))] = _pick(rng, _CELLS)
        lines[at] = ",".join(cells)
    elif what == 1:
        lines[at] = _pick(rng, _CELLS)
    elif what == 2:
        del lines[at]
    elif what == 3:
        lines.insert(at, lines[at])
    elif what == 4:
        lines[at] += ',"'
    elif what == 5:
        return "\n".join(lines).encode("utf-16")
    elif what == 6:
        return "\n".join(lines).replace(",", _pick(rng, (";", "\t", " ", "|"))).encode("utf-8-sig")
    elif what == 7:
        return "\r".join(lines).encode("latin-1", errors="replace") + b"\xff\xfe"
    else:
        lines *= 2
    return "\n".join(lines).encode("utf-8", errors="surrogatepass")


# numpy files


def _npy(content: bytes, rng: Rng) -> bytes:
    """Another shape or type, of which an object array would be unpickled."""
    found = re.search(rb"\{.*\}", content[:200])
    if found is None:
        return content
    header = _pick(
        rng,
        (
            b"{'descr': '|O', 'fortran_order': False, 'shape': (48, 48), }",
            b"{'descr': '<i8', 'fortran_order': False, 'shape': (1000000, 1000000), }",
            b"{'descr': '<f4', 'fortran_order': True, 'shape': (-1,), }",
            b"{'descr': '|u1', 'fortran_order': False, 'shape': (), }",
            b"{'descr': '|S100', 'fortran_order': False, 'shape': (9,), }",
            b"{'descr': [('a', '<i8')], 'fortran_order': False, 'shape': (9,), }",
            b"{" * 60,
        ),
    )
    return content[: found.start()] + header.ljust(found.end() - found.start()) + content[found.end() :]


# YAML


def _yaml(content: bytes, rng: Rng) -> bytes:
    laughs = b"a0: &a0 [x]\n" + b"".join(
        b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 10)) for n in range(1, 9)
    )
    lines = content.split(b"\n")
    at = int(rng.integers(len(lines)))
    value = _pick(
        rng,
        (
            b"!!python/object:os.system x",
            b"[",
            b"{",
            b"1e999",
            b"2024-13-45",
            b"!!int x",
            b"0b_",
            b"9" * 5000,
        ),
    )
    changed = [*lines[:at], lines[at].split(b":")[0] + b": " + value, *lines[at + 1 :]]
    return _pick(
        rng,
        (b"\n".join(changed), b"\n".join(changed), laughs + content, b"[" * 5_000, b"- " * 5000, content * 2),
    )


SPECIAL: dict[str, tuple[Mutation, ...]] = {
    "png": (_png_header, _png_chunk),
    "tiff": (_tiff_tag,),
    "exif": (_exif,),
    "json": (_json_value, _json_value, _json_text),
    "xml": (_xml,),
    "table": (_table,),
    "npy": (_npy,),
    "yaml": (_yaml,),
}
