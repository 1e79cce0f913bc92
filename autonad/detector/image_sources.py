"""Where images come from: a file, a folder or a bucket, listed again as often as one likes."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from autonad.detector.image_names import ImageNames, suffix_of
from autonad.errors import DatasetError
from autonad.storage.location import SCHEME, parse_url
from autonad.storage.source import BatchSource, Entry, unsafe_key

# A file whose last change is older is not being written any more, seconds.
SETTLED_S = 2.0


@dataclass(frozen=True)
class Found:
    """One image of a source.

    Attributes:
        key: Its path within the source, with forward slashes.
        stamp: Changes whenever its content does.
        settled: Nobody is writing it any more, as far as its age tells.
        problem: Why it cannot be used; None if nothing is known.
        is_foreign: Its name is that of a picture in a format that is not read.
    """

    key: str
    stamp: str
    settled: bool = True
    problem: str | None = None
    is_foreign: bool = False


@dataclass(frozen=True)
class Listing:
    """What a source holds.

    Attributes:
        images: All files that are images by their names, in the order of their keys.
        others: How many files are none.
    """

    images: list[Found]
    others: int = 0


class ImageSource(Protocol):
    """A file, a folder or a bucket."""

    @property
    def name(self) -> str:
        """Its address, without credentials."""

    def scan(self) -> Listing:
        """All images, in the order of their keys."""

    def local(self, found: Found) -> AbstractContextManager[Path]:
        """A file with the image's content, as long as the context is open."""


class FolderImages:
    """A file, or all images below a folder; hidden files and folders are left out.

    Args:
        path: The file or folder.
        names: Which files of a folder are images.
        without: A folder that is not looked into: the one that results are written to.

    Raises:
        DatasetError: There is nothing at the path.
    """

    def __init__(self, path: Path, names: ImageNames, without: Path) -> None:
        if not path.exists():
            raise DatasetError(
                f"source {path} does not exist; check the path, or give a file, a folder or s3://bucket/prefix"
            )
        self._path, self._names, self._without = path.resolve(), names, str(without.resolve())
        self._root = self._path if self._path.is_dir() else self._path.parent

    @property
    def name(self) -> str:
        """The absolute path."""
        return str(self._path)

    def scan(self) -> Listing:
        """All images, in the order of their keys.

        Raises:
            DatasetError: The folder vanished or cannot be listed.
        """
        now = time.time()
        try:
            if self._root != self._path:
                return Listing([self._found(self._path.name, self._path.stat(), now)])
            listed = list(self._below(str(self._root), "", now))
        except OSError as error:
            raise DatasetError(f"{error.filename} cannot be listed: {error.strerror}; mend it") from error
        images = [found for found in listed if found is not None]
        return Listing(sorted(images, key=lambda found: found.key), len(listed) - len(images))

    def local(self, found: Found) -> AbstractContextManager[Path]:
        """The file itself."""
        return nullcontext(self._root / found.key)

    def _below(self, folder: str, prefix: str, now: float) -> Iterator[Found | None]:
        """Images below a folder; None for each file that is none."""
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if entry.path != self._without:
                        yield from self._sub_folder(entry.path, f"{prefix}{entry.name}", now)
                elif not self._names.is_image(entry.name):
                    yield None
                else:
                    try:
                        yield self._found(prefix + entry.name, entry.stat(), now)
                    except OSError as error:  # a link to nowhere, or gone meanwhile
                        yield Found(prefix + entry.name, "gone", problem=error.strerror)

    def _sub_folder(self, folder: str, key: str, now: float) -> Iterator[Found | None]:
        """What lies in a folder of the source; one that cannot be listed keeps nobody from the rest."""
        try:
            yield from list(self._below(folder, f"{key}/", now))
        except FileNotFoundError:
            return  # removed meanwhile
        except OSError as error:
            yield Found(key, "closed", problem=f"the folder cannot be listed: {error.strerror}")

    def _found(self, key: str, about: os.stat_result, now: float) -> Found:
        stamp = f"{about.st_size:x}-{about.st_mtime_ns:x}"
        problem = self._names.problem(key)
        return Found(key, stamp, now - about.st_mtime >= SETTLED_S, problem, problem is not None)


class BucketImages:
    """All images below a prefix of a bucket; each is downloaded when its turn comes.

    Args:
        source: The bucket.
        names: Which objects are images.
    """

    def __init__(self, source: BatchSource, names: ImageNames) -> None:
        self._source, self._names = source, names
        self._entries: dict[str, Entry] = {}

    @property
    def name(self) -> str:
        """s3://bucket/prefix."""
        return self._source.name

    def scan(self) -> Listing:
        """All images, in the order of their keys."""
        entries = [entry for entry in self._source.entries() if not entry.key.endswith("/")]
        listed = [entry for entry in entries if self._names.is_image(entry.key)]
        self._entries = {entry.key: entry for entry in listed}
        images = [self._found(entry) for entry in sorted(listed, key=lambda entry: entry.key)]
        return Listing(images, len(entries) - len(listed))

    def _found(self, entry: Entry) -> Found:
        foreign, stamp = self._names.problem(entry.key), f"{entry.size:x}-{entry.etag}"
        problem = unsafe_key(entry.key) or foreign
        return Found(entry.key, stamp, problem=problem, is_foreign=foreign is not None)

    @contextmanager
    def local(self, found: Found) -> Iterator[Path]:
        """A temporary copy.

        Raises:
            DatasetError: The object vanished, changed or cannot be read.
            StorageError: The store cannot be reached.
        """
        with tempfile.TemporaryDirectory(prefix="autonad-") as folder:
            path = Path(folder, "image" + suffix_of(found.key))
            for arrival in self._source.fetch([(self._entries[found.key], path)]):
                if arrival.problem is not None:
                    raise DatasetError(f"{found.key} cannot be fetched: {arrival.problem}")
            yield path


def open_source(source: str, names: ImageNames, without: Path) -> ImageSource:
    """The source that an address means.

    Args:
        source: A path, or s3://bucket/prefix.
        names: Which files are images.
        without: A folder that is not looked into.

    Raises:
        DatasetError: There is nothing at the path.
        StorageError: The address or the store's settings cannot be used.
    """
    if not source.startswith(SCHEME):
        return FolderImages(Path(source), names, without)
    from autonad.storage.bucket import BucketSource
    from autonad.storage.store import Store

    return BucketImages(BucketSource(Store(), parse_url(source)), names)
