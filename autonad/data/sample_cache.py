"""Samples that are kept from one epoch to the next: in memory, and where that is full in a temporary file."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import weakref
from contextlib import suppress
from typing import IO

import numpy as np


class SampleCache:
    """Images with their masks, all of one size, by number; several threads may use it at once.

    A file that cannot be written, or only a part of it, holds less and does no harm. It grows only while it
    leaves free as much as it holds, so that several of them share a disk; one that fills up is given back.

    Args:
        size: Height and width.
        memory_mib: What is kept in memory.
        file_mib: What is kept at most in a temporary file, which ends with this object.
    """

    def __init__(self, size: tuple[int, int], memory_mib: int, file_mib: int) -> None:
        self._size = size
        self._bytes = 4 * size[0] * size[1]  # three channels and the mask
        self._memory: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._memory_room = memory_mib * 2**20 // self._bytes
        self._slots: dict[int, int] = {}  # where a sample begins in the file
        self._file: IO[bytes] | None = None
        self._file_bytes = file_mib * 2**20
        self._lock = threading.Lock()

    def __contains__(self, index: int) -> bool:
        return index in self._memory or index in self._slots

    @property
    def full(self) -> bool:
        """Whether nothing more is kept."""
        return len(self._memory) >= self._memory_room and not self._fits_file()

    def get(self, index: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Image uint8 (H, W, 3) and mask uint8 (H, W) of a number, not to be changed; None if not kept."""
        if index in self._memory:
            return self._memory[index]
        if index not in self._slots or self._file is None:
            return None
        try:
            read = os.pread(self._file.fileno(), self._bytes, self._slots[index])
        except OSError:
            read = b""
        if len(read) < self._bytes:  # The disk does not give back what it took: the sample is decoded again.
            return None
        pixels = np.frombuffer(read, np.uint8)
        rows, columns = self._size
        area = rows * columns
        return pixels[: 3 * area].reshape(rows, columns, 3), pixels[3 * area :].reshape(rows, columns)

    def put(self, index: int, image: np.ndarray, mask: np.ndarray) -> None:
        """Keep a sample where there is room."""
        with self._lock:
            if index in self:
                return
            if len(self._memory) < self._memory_room:
                self._memory[index] = image, mask
            elif self._fits_file():
                self._write(index, image, mask)

    def _fits_file(self) -> bool:
        return (len(self._slots) + 1) * self._bytes <= self._file_bytes

    def _write(self, index: int, image: np.ndarray, mask: np.ndarray) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
                weakref.finalize(self, self._file.close)
            start = len(self._slots) * self._bytes
            if shutil.disk_usage(self._file.fileno()).free < start + 2 * self._bytes:
                self._file_bytes = 0  # Whoever else writes to this disk needs the rest.
                return
            pixels = image.tobytes() + mask.tobytes()
            if os.pwrite(self._file.fileno(), pixels, start) == self._bytes:
                self._slots[index] = start
                return
        except OSError:
            pass
        self._give_back()

    def _give_back(self) -> None:
        """Free the disk that is full all the same, as a checkpoint may be what needs it next."""
        self._file_bytes = 0
        self._slots.clear()
        if self._file is not None:
            with suppress(OSError):
                self._file.truncate(0)
