"""Which images are done: a file that only grows, so that what is done is not done again."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autonad.errors import StorageError
from autonad.reading.bounds import Unreadable, folded, parse_json
from autonad.reading.shape_checks import Shape, check_shape


@dataclass(frozen=True)
class _Place:
    """Where an entry lies, and what is asked of it often."""

    stamp: str
    offset: int
    output: str
    readable: bool


class SourceFile(Shape):
    """Whose results they are."""

    source: str


class FirstFile(Shape):
    """The first line."""

    detector: SourceFile


class EntryFile(Shape):
    """Each further line."""

    image: str
    stamp: str
    output: str
    problem: str | None


class Finished:
    """Results of images, one JSON line each; the newest line of an image counts.

    A kill costs at most the last line. Only keys, stamps and places are held in memory.

    Args:
        path: The file; created if it is missing.
        detector: What the results belong to: model, rules, options. Results of another detector are dropped.

    Attributes:
        dropped: Outputs of the results that were dropped.

    Raises:
        StorageError: The file cannot be used, or another process is writing it.
    """

    def __init__(self, path: Path, detector: dict[str, Any]) -> None:
        self.path = path
        self.dropped: tuple[str, ...] = ()
        self._places: dict[str, _Place] = {}
        self._outputs: dict[str, str] = {}
        self._detector = json.loads(json.dumps(detector))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b")
        except OSError as error:
            raise self._refused(error) from error
        try:
            self._lock()
            self._read()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Finished:
        return self

    def __exit__(self, *_: object) -> None:
        # What a full disk did not take is lost, as it would be after a kill.
        with suppress(OSError):
            self._file.close()

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def __len__(self) -> int:
        return len(self._places)

    def is_done(self, key: str, stamp: str) -> bool:
        """Whether this content of an image is done; one that could not be read is tried again."""
        place = self._places.get(key)
        return place is not None and place.stamp == stamp and place.readable

    def output_of(self, key: str, *, with_suffix: bool = False) -> str:
        """A name for what is written of an image, without suffix; no two images have the same.

        That is the image's own name without its suffix, unless another image already has it.

        Args:
            key: The image.
            with_suffix: Leave the name without suffix to another image.
        """
        if key in self._places:
            return self._places[key].output
        stem = key if with_suffix else key.rpartition(".")[0] or key
        name = stem if self._outputs.setdefault(stem, key) == key else key
        number = 2
        while self._outputs.setdefault(name, key) != key:
            name, number = f"{key}-{number}", number + 1
        return name

    def add(self, entry: dict[str, Any]) -> None:
        """Add the result of an image: `image`, `stamp`, `output`, `problem`, and what else is known.

        Raises:
            StorageError: The disk is full.
        """
        try:
            offset = self._file.seek(0, os.SEEK_END)
            self._file.write(json.dumps(entry, sort_keys=True).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise self._refused(error) from error
        self._keep(entry, offset)

    def entries(self) -> Iterator[dict[str, Any]]:
        """All results, in the order of their images."""
        for key in sorted(self._places):
            self._file.seek(self._places[key].offset)
            yield json.loads(self._file.readline())

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StorageError(
                f"another process is writing to {self.path.parent}; wait for it, or choose another folder"
            ) from error

    def _read(self) -> None:
        self._file.seek(0)
        first = self._file.readline()
        try:
            known = check_shape(parse_json(first), FirstFile)["detector"] if first.endswith(b"\n") else None
        except Unreadable as error:
            raise StorageError(
                f"{self.path} is not a list of results ({error}); delete it, or choose another folder"
            ) from error
        if known is not None and known["source"] != self._detector["source"]:
            raise StorageError(
                f"{self.path.parent} holds the results of {folded(str(known['source']))}, not of "
                f"{folded(str(self._detector['source']))}; choose another folder, or delete it"
            )
        self._load()
        if known != self._detector:
            self.dropped = tuple(place.output for place in self._places.values())
            self._places.clear()
            self._outputs.clear()
            self._begin()

    def _load(self) -> None:
        while line := self._file.readline():
            offset = self._file.tell() - len(line)
            try:
                if not line.endswith(b"\n"):
                    raise ValueError("torn")
                self._keep(check_shape(parse_json(line), EntryFile), offset)
            except ValueError:
                # A line that a kill tore; all behind it is done again.
                self._file.truncate(offset)
                return

    def _begin(self) -> None:
        try:
            self._file.truncate(0)
            self._file.write(json.dumps({"detector": self._detector}, sort_keys=True).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise self._refused(error) from error

    def _keep(self, entry: dict[str, Any], offset: int) -> None:
        self._places[entry["image"]] = _Place(
            entry["stamp"], offset, entry["output"], entry["problem"] is None
        )
        self._outputs[entry["output"]] = entry["image"]

    def _refused(self, error: OSError) -> StorageError:
        return StorageError(
            f"cannot write {self.path}: {error.strerror}; free some space or choose a writable folder, then "
            "repeat the command: what is done is not done again"
        )
