"""A checkpoint folder's copy outside of the pod, from which the next attempt goes on."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, Protocol

from autonad.errors import StorageError

Resume = bool | Literal["or-restart"]
"""False starts over. True continues from the output folder's checkpoint and refuses one of another
configuration. "or-restart" continues from one of the same configuration and starts over from any other, as a
pipeline wants it."""


class Place(Protocol):
    """Files by name, somewhere else."""

    def names(self) -> list[str]:
        """What there is."""

    def get(self, names: Iterable[str], folder: Path) -> None:
        """Bring files into a folder, under their names."""

    def put(self, path: Path, name: str) -> None:
        """Keep a file; another one of this name is replaced in one step."""

    def remove(self, names: Iterable[str]) -> None:
        """Drop files, and the folders that become empty."""


class Mirror:
    """Keeps what a step continues from at a location, and brings it back into an empty output folder.

    The pointer is sent last and fetched last: a kill at any moment leaves a whole copy on both sides.

    Args:
        location: "s3://bucket/prefix", or a folder on a volume; None keeps no copy.
        stage: The step's verb.
        identity: What the run is; runs of another identity never meet.
        output: The step's output folder.
        names: Files and folders in it that a later attempt needs.
        pointer: The file among them that makes the others count.
        warn: Told once when the location takes nothing any more; the work goes on.
    """

    def __init__(
        self,
        location: str | None,
        *,
        stage: str,
        identity: dict[str, Any],
        output: Path,
        names: tuple[str, ...],
        pointer: str,
        warn: Callable[[str], None] = lambda line: None,
    ) -> None:
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
        self._place = None if not location else place_at(f"{location.rstrip('/')}/{stage}-{digest}")
        self._location, self._output, self._names, self._pointer = location, output, names, pointer
        self._warn, self._warned = warn, False
        self._sent: dict[str, tuple[int, int]] = {}

    def pull(self) -> None:
        """Bring the copy back, unless the output folder has something to continue from already.

        Raises:
            StorageError: The location cannot be used; better now than after hours of training.
        """
        if self._place is None or (self._output / self._pointer).is_file():
            return
        names = self._place.names()
        if self._pointer in names:
            self._place.get([name for name in names if name != self._pointer], self._output)
            self._place.get([self._pointer], self._output)

    def push(self) -> None:
        """Send what is new; files that are gone here go there too."""
        if self._place is None:
            return
        files = self._files()
        try:
            for name in sorted(files, key=lambda name: name == self._pointer):
                state = os.stat(files[name])
                if self._sent.get(name) != (state.st_mtime_ns, state.st_size):
                    self._place.put(files[name], name)
                    self._sent[name] = (state.st_mtime_ns, state.st_size)
            self._place.remove(sorted(set(self._place.names()) - files.keys()))
        except StorageError as error:
            if not self._warned:
                self._warned = True
                self._warn(f"checkpoints are not copied to {self._location} ({error}); the work goes on")

    def remove(self) -> None:
        """Drop the copy: the step has finished, and nobody will go on from it."""
        if self._place is None:
            return
        try:
            # The pointer first: a kill in between leaves nothing that counts.
            self._place.remove([self._pointer])
            self._place.remove(self._place.names())
        except StorageError as error:
            self._warn(f"the checkpoints' copy in {self._location} stays ({error}); remove it by hand")

    def _files(self) -> dict[str, Path]:
        found = {}
        for name in self._names:
            path = self._output / name
            for file in path.rglob("*") if path.is_dir() else [path]:
                if file.is_file() and not file.name.endswith(".tmp"):
                    found[file.relative_to(self._output).as_posix()] = file
        return found


def place_at(location: str) -> Place:
    """A bucket's prefix, or a folder."""
    return _Bucket(location) if location.startswith("s3://") else _Folder(Path(location))


class _Folder:
    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self) -> list[str]:
        return [file.relative_to(self._root).as_posix() for file in self._root.rglob("*") if file.is_file()]

    def get(self, names: Iterable[str], folder: Path) -> None:
        for name in names:
            _copy(self._root / name, folder / name)

    def put(self, path: Path, name: str) -> None:
        _copy(path, self._root / name)

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            (self._root / name).unlink(missing_ok=True)
            for folder in (self._root / name).parents:
                if folder == self._root.parent or not folder.is_dir() or any(folder.iterdir()):
                    break
                folder.rmdir()


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

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            self._store.delete(self._place.bucket, f"{self._place.prefix}{name}")


def _copy(source: Path, target: Path) -> None:
    from autonad.files import write_atomic

    write_atomic(target, lambda temporary: shutil.copyfile(source, temporary))
