"""Where a production batch comes from: a listing of files with versions, and a way to fetch some of them."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from autonad.data.faults import Fault
from autonad.errors import DatasetError, StorageError

_LONGEST_NAME = 240  # bytes; file systems take 255, and a temporary suffix is added


@dataclass(frozen=True)
class Entry:
    """One file of a batch.

    Attributes:
        key: Its path within the batch, with forward slashes.
        identity: Its name among all sources, such as s3://bucket/prefix/images/1.png.
        size: Bytes.
        etag: Changes whenever the content does.
    """

    key: str
    identity: str
    size: int
    etag: str


@dataclass(frozen=True)
class Arrival:
    """A file that was fetched, or the problem why it was not."""

    entry: Entry
    problem: str | None = None


class Source(Protocol):
    """A folder or a bucket."""

    @property
    def name(self) -> str:
        """Its address, without credentials."""

    def entries(self) -> list[Entry]:
        """All files, whatever their names."""

    def fetch(self, wanted: Sequence[tuple[Entry, Path]]) -> Iterator[Arrival]:
        """Bring files to their paths, whole or not at all, in any order; each is yielded once."""


class FolderSource:
    """A batch in a folder; hidden files and folders are left out.

    Raises:
        DatasetError: It is no folder.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise DatasetError(
                f"source folder {folder} does not exist; check the path, or give s3://bucket/prefix"
            )
        self._root = folder.resolve()

    @property
    def name(self) -> str:
        """The folder's absolute path."""
        return str(self._root)

    def entries(self) -> list[Entry]:
        """All files; size and time of change tell their versions apart."""
        found = []
        for folder, folders, files in os.walk(self._root):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(name for name in files if not name.startswith(".")):
                path = Path(folder, name)
                key = path.relative_to(self._root).as_posix()
                try:
                    about = path.stat()
                except OSError:  # a link to nowhere, or gone meanwhile: fetching it says so
                    found.append(Entry(key, str(path), 0, "missing"))
                    continue
                etag = f"{about.st_size:x}-{about.st_mtime_ns:x}"
                found.append(Entry(key, str(path), about.st_size, etag))
        return found

    def fetch(self, wanted: Sequence[tuple[Entry, Path]]) -> Iterator[Arrival]:
        """Copy files; a link that leads out of the folder is refused."""
        for entry, path in wanted:
            source = self._root / entry.key
            if not source.resolve().is_relative_to(self._root):
                yield Arrival(entry, "it is a link that leads out of the folder; copy the file itself there")
                continue
            temporary = path.with_name(f"{path.name}.tmp")
            try:
                content = source.open("rb")
            except OSError as error:
                yield Arrival(entry, f"it cannot be read: {error.strerror}")
                continue
            try:
                with content, temporary.open("wb") as copy:
                    shutil.copyfileobj(content, copy)
                os.replace(temporary, path)
            except OSError as error:
                raise StorageError(
                    f"cannot copy {source}: {error.strerror}; free some space, then repeat the command: what "
                    "was copied is kept"
                ) from error
            yield Arrival(entry)


def key_fault(key: str) -> Fault | None:
    """What is wrong with a key, if it could lead out of its folder or cannot name a file."""
    parts = key.split("/")
    if any(ord(character) < 32 or ord(character) == 127 for character in key):
        problem = "its name holds control characters"
    elif "\\" in key:
        problem = "its name holds a backslash, which some systems take for a folder"
    elif key.startswith("/") or re.match(r"[A-Za-z]:", key):
        problem = "its name is an absolute path"
    elif any(part in {"", ".", ".."} for part in parts):
        problem = "its name holds '.', '..' or an empty part, which can lead out of the folder"
    elif any(len(os.fsencode(part)) > _LONGEST_NAME for part in parts):
        problem = f"a part of its name is longer than {_LONGEST_NAME} bytes"
    else:
        return None
    shown = key if key.isprintable() else ascii(key)[1:-1]
    return Fault("error", "unsafe-name", shown[:300], f"{problem}; rename it at the source")
