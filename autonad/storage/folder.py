"""A folder as the source of a production batch."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from autonad.console import as_text
from autonad.errors import DatasetError, StorageError
from autonad.files import temporary_beside
from autonad.storage.source import Arrival, Entry
from autonad.storage.walking import LEADS_OUT, by_parts, irregular, walk


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
        return as_text(str(self._root))

    def entries(self) -> list[Entry]:
        """All files; size and time of change tell their versions apart."""
        found = walk(self._root)
        entries = []
        for key in by_parts({*found.files, *found.problems}):
            identity = as_text(f"{self._root}/{key}")
            if key in found.files:
                size, changed = found.files[key]
                entries.append(Entry(key, identity, size, f"{size:x}-{changed:x}"))
            else:
                entries.append(Entry(key, identity, 0, "problem", found.problems[key]))
        return entries

    def fetch(self, wanted: Sequence[tuple[Entry, Path]]) -> Iterator[Arrival]:
        """Copy files; a link that leads out of the folder is refused."""
        for entry, path in wanted:
            source = self._root / entry.key
            if not source.resolve().is_relative_to(self._root):
                yield Arrival(entry, LEADS_OUT)
                continue
            problem = irregular(source)  # opening a pipe would wait for its writer
            if problem is not None:
                yield Arrival(entry, problem)
                continue
            try:
                content = source.open("rb")
            except OSError as error:
                yield Arrival(entry, f"it cannot be read: {error.strerror}")
                continue
            try:
                temporary = temporary_beside(path)
                with content, temporary.open("wb") as copy:
                    shutil.copyfileobj(content, copy)
                os.replace(temporary, path)
            except OSError as error:
                raise StorageError(
                    f"cannot copy {source}: {error.strerror}; free some space, then repeat the command: what "
                    "was copied is kept"
                ) from error
            yield Arrival(entry)
