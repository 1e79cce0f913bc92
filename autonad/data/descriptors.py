"""Descriptors of many images in a temporary file, so that an import's memory does not grow by them."""

from __future__ import annotations

import mmap
import tempfile
import weakref
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import IO, Any, Protocol

import numpy as np

from autonad.data.pictures import SIDE
from autonad.errors import StorageError

PRECISION = np.float16
_BUFFER = 2**16  # bytes


class Rows(Protocol):
    """What is read of descriptors (N, 1024): some of them at a time, as an array."""

    def __len__(self) -> int: ...

    def __getitem__(self, key: Any, /) -> Any: ...


class DescriptorFile:
    """Descriptors float16 (N, length) that only grow; safe to be used by several threads.

    The file has no name and vanishes with its owner or its process. What is read is a copy: no page of the
    file stays in the process's memory.
    """

    def __init__(self, folder: Path | None = None, length: int = SIDE * SIDE) -> None:
        """Begin an empty file.

        Args:
            folder: On whose disk it lies; None takes the system's for temporary files.
            length: Numbers of one descriptor.

        Raises:
            StorageError: The disk refuses.
        """
        try:
            self._file = tempfile.TemporaryFile(dir=folder, buffering=_BUFFER)  # noqa: SIM115
        except OSError as error:
            raise _refused(error) from error
        weakref.finalize(self, _close, self._file)
        self._folder, self._length = folder, length
        self._lock, self._count, self._flushed = Lock(), 0, 0

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, key: Any, /) -> np.ndarray:
        """Some of them, as NumPy indexes the first axis."""
        with self._lock:
            count = self._count
            if self._flushed < count:
                self._attempt(self._file.flush)
                self._flushed = count
        if not count:
            return np.zeros((0, self._length), dtype=PRECISION)[key]
        with mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ) as pages:
            held = np.frombuffer(pages, dtype=PRECISION, count=count * self._length)
            held = held.reshape(count, self._length)
            found = np.array(held[key])
            del held  # else the file could not be unmapped
        return found

    def add(self, descriptor: np.ndarray) -> int:
        """Append one descriptor (length,); its position.

        Raises:
            StorageError: The disk refuses.
        """
        return self.extend(descriptor[None])

    def extend(self, descriptors: np.ndarray) -> int:
        """Append descriptors (N, length); the position of the first.

        Raises:
            StorageError: The disk refuses.
        """
        content = np.asarray(descriptors, dtype=PRECISION).tobytes()
        with self._lock:
            self._attempt(self._file.write, content)
            self._count += len(descriptors)
            return self._count - len(descriptors)

    def beside(self, length: int) -> DescriptorFile:
        """An empty file on the same disk for other descriptors of the same images."""
        return DescriptorFile(self._folder, length)

    def _attempt(self, action: Any, *arguments: bytes) -> None:
        try:
            action(*arguments)
        except OSError as error:
            raise _refused(error) from error


class Selected:
    """Some descriptors of a file, in an order of their own."""

    def __init__(self, file: DescriptorFile, positions: Sequence[int]) -> None:
        self.file, self._positions = file, np.asarray(positions, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._positions)

    def __getitem__(self, key: Any, /) -> Any:
        """See `DescriptorFile.__getitem__`."""
        return self.file[self._positions[key]]


def _close(file: IO[bytes]) -> None:
    with suppress(OSError):  # A full disk refuses what is left in the buffer once more.
        file.close()


def _refused(error: OSError) -> StorageError:
    return StorageError(
        f"cannot write descriptors of images: {error.strerror or error}; free some space, then repeat the "
        "command (the dataset is as it was)"
    )
