"""What can happen to any file, drawn from a generator, so that a seed is a file."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Rng = np.random.Generator
Mutation = Callable[[bytes, Rng], bytes]
HUGE = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def damage(content: bytes, rng: Rng, special: Sequence[Mutation] = ()) -> bytes:
    """The content of a file, damaged once or a few times in ways of its kind or of any file."""
    for _ in range(int(rng.choice([1, 1, 1, 2, 4]))):
        one: Mutation = pick(rng, special if special and rng.random() < 0.6 else ANY)
        content = one(content, rng)
    return content


def pick(rng: Rng, options: Any) -> Any:
    return options[int(rng.integers(len(options)))]


def _span(content: bytes, rng: Rng) -> tuple[int, int]:
    first, last = sorted(int(n) for n in rng.integers(0, len(content) + 1, 2))
    return first, min(last, first + 4096)


def _flip(content: bytes, rng: Rng) -> bytes:
    changed = bytearray(content)
    for _ in range(int(rng.integers(1, 9))):
        if changed:
            changed[int(rng.integers(min(len(changed), pick(rng, (64, 1 << 30)))))] ^= 1 << int(
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
    at = int(rng.integers(max(1, min(len(content), pick(rng, (64, 1 << 30))))))
    form = pick(rng, (">I", "<I", ">H", "<H"))
    number = struct.pack(form, pick(rng, HUGE) & (0xFFFF if form[1] == "H" else 0xFFFFFFFF))
    return content[:at] + number + content[at + len(number) :]


def noise(content: bytes, rng: Rng) -> bytes:
    return bytes(rng.integers(0, 256, int(rng.integers(0, 3000)), dtype=np.uint8))


def _append(content: bytes, rng: Rng) -> bytes:
    return content + noise(content, rng)


def _empty(content: bytes, rng: Rng) -> bytes:
    return b""


ANY: tuple[Mutation, ...] = (
    *(_flip, _flip, _truncate, _zero, _delete, _double, _splice, _number, _number, noise, _append, _empty),
)
