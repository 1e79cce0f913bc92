"""What a production batch comes from: a listing of files with versions, and a way to fetch some of them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from autonad.console import as_text

_LONGEST_NAME = 240  # bytes; file systems take 255, and a temporary suffix is added


@dataclass(frozen=True)
class Entry:
    """One file of a batch.

    Attributes:
        key: Its path within the batch, with forward slashes.
        identity: Its name among all sources, such as s3://bucket/prefix/images/1.png.
        size: Bytes.
        etag: Changes whenever the content does.
        problem: Why it cannot be fetched, where the listing shows that already.
    """

    key: str
    identity: str
    size: int
    etag: str
    problem: str | None = None


@dataclass(frozen=True)
class Arrival:
    """A file that was fetched, or the problem why it was not."""

    entry: Entry
    problem: str | None = None


class BatchSource(Protocol):
    """A folder or a bucket."""

    @property
    def name(self) -> str:
        """Its address, without credentials."""

    def entries(self) -> list[Entry]:
        """All files, whatever their names."""

    def fetch(self, wanted: Sequence[tuple[Entry, Path]]) -> Iterator[Arrival]:
        """Bring files to their paths, whole or not at all, in any order; each is yielded once."""


def unsafe_key(key: str) -> str | None:
    """Why a key could lead out of its folder or cannot name a file; None if it is safe."""
    parts = key.split("/")
    if as_text(key) != key:
        return "its name is no UTF-8"
    if any(ord(character) < 32 or ord(character) == 127 for character in key):
        return "its name holds control characters"
    if "\\" in key:
        return "its name holds a backslash, which some systems take for a folder"
    if key.startswith("/") or re.match(r"[A-Za-z]:", key):
        return "its name is an absolute path"
    if any(part in {"", ".", ".."} for part in parts):
        return "its name holds '.', '..' or an empty part, which can lead out of the folder"
    if any(len(os.fsencode(part)) > _LONGEST_NAME for part in parts):
        return f"a part of its name is longer than {_LONGEST_NAME} bytes"
    return None
