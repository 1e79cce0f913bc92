"""A folder as the source of a production batch."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from autonad.errors import DatasetError, StorageError
from autonad.storage.source import Arrival, Entry


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
