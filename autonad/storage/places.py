"""Files by name somewhere else: in a folder of a volume, or under a bucket's prefix."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Protocol

from autonad.errors import StorageError
from autonad.files import write_atomic, write_text_atomic

# Removed meanwhile, or a link to nowhere.
_NO_FILE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}


class Stamp(NamedTuple):
    """When a file was written last, seconds since 1970, and its size in bytes."""

    written: float
    num_bytes: int


class Place(Protocol):
    """Files by name, somewhere else. Whatever it refuses is a StorageError."""

    def names(self) -> list[str]:
        """What there is."""

    def get(self, names: Iterable[str], folder: Path) -> None:
        """Bring files into a folder, under their names."""

    def put(self, path: Path, name: str) -> None:
        """Keep a file; another one of this name is replaced in one step."""

    def write(self, text: str, name: str) -> None:
        """Keep a text as a file; see `put`."""

    def read(self, name: str) -> str | None:
        """A file as text; None if it is not there."""

    def stamps(self) -> dict[str, Stamp]:
        """Name → when it was written last, and its size."""

    def remove(self, names: Iterable[str]) -> None:
        """Drop files, and the folders that become empty."""


def place_at(location: str) -> Place:
    """A bucket's prefix, or a folder."""
    return _Bucket(location) if location.startswith("s3://") else _Folder(Path(location))


class _Folder:
    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self) -> list[str]:
        return list(self.stamps())

    def get(self, names: Iterable[str], folder: Path) -> None:
        for name in names:
            _copy(self._root / name, folder / name)

    def put(self, path: Path, name: str) -> None:
        _copy(path, self._root / name)

    def write(self, text: str, name: str) -> None:
        write_text_atomic(self._root / name, text)

    def read(self, name: str) -> str | None:
        try:
            return (self._root / name).read_text()
        except OSError as error:
            if error.errno in _NO_FILE | {errno.EISDIR}:
                return None
            raise _refused("read", error) from error

    def stamps(self) -> dict[str, Stamp]:
        found = {}
        for folder, _, files in os.walk(self._root, onerror=self._pass_over):
            for path in (Path(folder, file) for file in files):
                try:
                    about = path.stat()
                except OSError as error:
                    self._pass_over(error)
                    continue
                if stat.S_ISREG(about.st_mode):
                    name = path.relative_to(self._root).as_posix()
                    found[name] = Stamp(about.st_mtime, about.st_size)
        return found

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            try:
                (self._root / name).unlink(missing_ok=True)
            except OSError as error:
                raise _refused("removed", error) from error
            for folder in (self._root / name).parents:
                if folder == self._root.parent:
                    break
                try:
                    folder.rmdir()
                except OSError:
                    break  # there is something in it, or it has to stay

    def _pass_over(self, error: OSError) -> None:
        """Leave out what vanished, and folders of others, such as lost+found on a volume."""
        of_others = error.errno == errno.EACCES and error.filename != str(self._root)
        if error.errno not in _NO_FILE and not of_others:
            raise _refused("listed", error) from error


class _Bucket:
    def __init__(self, url: str) -> None:
        from autonad.storage.location import parse_url
        from autonad.storage.store import Store

        self._store, self._place = Store(), parse_url(url)

    def names(self) -> list[str]:
        found = self._store.list_objects(self._place)
        return [item.key.removeprefix(self._place.prefix) for item in found]

    def get(self, names: Iterable[str], folder: Path) -> None:
        wanted = set(names)
        objects = []
        for item in self._store.list_objects(self._place):
            name = item.key.removeprefix(self._place.prefix)
            if name in wanted:
                path = folder / name
                if not path.resolve().is_relative_to(folder.resolve()):
                    raise StorageError(
                        f"{item.key} in {self._place.url} lies outside of its folder; remove it"
                    )
                path.parent.mkdir(parents=True, exist_ok=True)
                objects.append((item, path))
        for done in self._store.download(self._place.bucket, objects):
            if done.problem is not None:
                raise StorageError(f"{done.object.key} in {self._place.url}: {done.problem}")

    def put(self, path: Path, name: str) -> None:
        self._store.upload(path, self._place.bucket, f"{self._place.prefix}{name}")

    def write(self, text: str, name: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "text"
            path.write_text(text)
            self.put(path, name)

    def read(self, name: str) -> str | None:
        if not self._store.exists(self._place.bucket, f"{self._place.prefix}{name}"):
            return None
        with tempfile.TemporaryDirectory() as folder:
            self.get([name], Path(folder))
            return (Path(folder) / name).read_text()

    def stamps(self) -> dict[str, Stamp]:
        found = self._store.list_objects(self._place)
        return {item.key.removeprefix(self._place.prefix): Stamp(item.written, item.size) for item in found}

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            self._store.delete(self._place.bucket, f"{self._place.prefix}{name}")


def _copy(source: Path, target: Path) -> None:
    write_atomic(target, lambda temporary: shutil.copyfile(source, temporary))


def _refused(what: str, error: OSError) -> StorageError:
    return StorageError(
        f"{error.filename} cannot be {what}: {error.strerror}; check the volume and its permissions"
    )
