"""What can happen to JSON, XML, YAML, tables and numpy files: the wrong value at the right place, mostly."""

from __future__ import annotations

import json
import re
from typing import Any

from .damage import Rng, pick

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


def json_value(content: bytes, rng: Rng) -> bytes:
    try:
        tree = json.loads(content)
        places = _places(tree, [])
    except (ValueError, RecursionError):
        return content
    if not places:
        return content
    node, key = pick(rng, places)
    if rng.random() < 0.25:
        del node[key]
    elif isinstance(node, list) and rng.random() < 0.2:
        node.append(node[key])
    else:
        node[key] = pick(rng, _VALUES)
    if rng.random() < 0.05:
        tree = pick(rng, _VALUES)
    return json.dumps(tree).encode(errors="surrogatepass")


def json_text(content: bytes, rng: Rng) -> bytes:
    deep = 100_000
    return pick(
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


def xml(content: bytes, rng: Rng) -> bytes:
    what = int(rng.integers(6))
    if what == 0:
        values = list(re.finditer(rb'"[^"]*"', content))
        if values:
            found = pick(rng, values)
            value = pick(
                rng, (b"", b"-1", b"1e999", b"nan", b"9" * 400, b"0;0", b"x", b"1,2;", b"../../x", b"&#0;")
            )
            return content[: found.start()] + b'"' + value + b'"' + content[found.end() :]
    elif what == 1:
        tags = list(re.finditer(rb"<[^>]*>", content))
        if tags:
            found = pick(rng, tags)
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
    return b'<?xml version="1.0" encoding="' + pick(rng, (b"utf-16", b"no-such", b"cp037")) + b'"?>' + body


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


def table(content: bytes, rng: Rng) -> bytes:
    lines = content.decode("utf-8", errors="replace").split("\n")
    at, what = int(rng.integers(len(lines))), int(rng.integers(9))
    if what == 0:
        cells = lines[at].split(",")
        cells[int(rng.integers(len(cells)))] = pick(rng, _CELLS)
        lines[at] = ",".join(cells)
    elif what == 1:
        lines[at] = pick(rng, _CELLS)
    elif what == 2:
        del lines[at]
    elif what == 3:
        lines.insert(at, lines[at])
    elif what == 4:
        lines[at] += ',"'
    elif what == 5:
        return "\n".join(lines).encode("utf-16")
    elif what == 6:
        return "\n".join(lines).replace(",", pick(rng, (";", "\t", " ", "|"))).encode("utf-8-sig")
    elif what == 7:
        return "\r".join(lines).encode("latin-1", errors="replace") + b"\xff\xfe"
    else:
        lines *= 2
    return "\n".join(lines).encode("utf-8", errors="surrogatepass")


# numpy files


def npy(content: bytes, rng: Rng) -> bytes:
    """Another shape or type, of which an object array would be unpickled."""
    found = re.search(rb"\{.*\}", content[:200])
    if found is None:
        return content
    header = pick(
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


def yaml(content: bytes, rng: Rng) -> bytes:
    laughs = b"a0: &a0 [x]\n" + b"".join(
        b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 10)) for n in range(1, 9)
    )
    lines = content.split(b"\n")
    at = int(rng.integers(len(lines)))
    value = pick(
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
    return pick(
        rng,
        (b"\n".join(changed), b"\n".join(changed), laughs + content, b"[" * 5_000, b"- " * 5000, content * 2),
    )
