"""Downloading many objects at once: each file appears whole, or not at all."""

from __future__ import annotations

import hashlib
import os
import queue
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from autonad.errors import StorageError
from autonad.files import temporary_beside
from autonad.storage.location import SCHEME
from autonad.storage.refusals import DROPPED, GONE, code_of, explained

_MEBIBYTE = 2**20
_MD5_ETAG = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class StoredObject:
    """One object of a listing.

    Attributes:
        key: Of the object.
        size: In bytes.
        etag: Changes with its content.
        written: When, seconds since 1970.
    """

    key: str
    size: int
    etag: str
    written: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class Download:
    """How the download of one object ended; `problem` says why there is no file, where there is none."""

    object: StoredObject
    problem: str | None = None


@dataclass(frozen=True)
class Downloader:
    """Reads objects of one bucket through a client of boto3.

    Attributes:
        client: The client; safe to be used by several threads.
        bucket: Where the objects lie.
        place: The store's address in messages.
        attempts: Tries of every download that breaks off.
        connections: Downloads at the same time.
    """

    client: Any
    bucket: str
    place: str
    attempts: int
    connections: int

    def run(self, objects: list[tuple[StoredObject, Path]]) -> Iterator[Download]:
        """Download objects to files in the order in which they arrive; see `Store.download`."""
        waiting = objects[::-1]
        arrived: queue.SimpleQueue[Download | BaseException] = queue.SimpleQueue()
        stop = threading.Event()

        def work() -> None:
            while not stop.is_set():
                try:
                    item, path = waiting.pop()
                except IndexError:
                    return
                try:
                    arrived.put(self._fetch(item, path, stop))
                except BaseException as error:
                    arrived.put(error)
                    return

        total = len(waiting)
        with ThreadPoolExecutor(max(1, min(self.connections, total))) as pool:
            for _ in range(min(self.connections, total)):
                pool.submit(work)
            try:
                for _ in range(total):
                    found = arrived.get()
                    if isinstance(found, BaseException):
                        raise found
                    yield found
            finally:
                stop.set()

    def _fetch(self, item: StoredObject, path: Path, stop: threading.Event) -> Download:
        url = f"{SCHEME}{self.bucket}/{item.key}"
        for attempt in range(1, self.attempts + 1):
            try:
                with explained(f"reading {url}", self.place):
                    return self._read(item, path)
            except _Broken as broken:
                if attempt == self.attempts:
                    raise StorageError(
                        f"the connection to {self.place} broke off while {url} was read "
                        f"({attempt} times: {broken}); check the network, then repeat the command: what has "
                        "arrived is kept"
                    ) from broken
                if stop.wait(0.1 * 2**attempt):
                    raise
        raise AssertionError("the loop returns or raises")

    def _read(self, item: StoredObject, path: Path) -> Download:
        """Read one object once.

        Raises:
            _Broken: The body ended early or is not what the ETag says.
        """
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=item.key)
        except ClientError as error:
            if code_of(error) in GONE:
                return Download(item, "it vanished or changed while it was read; repeat the command")
            if code_of(error) == "InvalidObjectState":
                return Download(item, "it lies in an archive; restore it there, then repeat the command")
            raise
        body = answer["Body"]
        if answer["ETag"].strip('"') != item.etag or answer["ContentLength"] != item.size:
            body.close()
            return Download(item, "it changed while it was read; repeat the command")
        temporary = str(temporary_beside(Path(path)))
        try:
            md5 = _save(body, item.size, temporary)
            # The ETag is the MD5 unless the object came in parts or is encrypted with a key of the store's.
            plain = answer.get("ServerSideEncryption") in {None, "AES256"} and (
                "SSECustomerAlgorithm" not in answer
            )
            if plain and _MD5_ETAG.fullmatch(item.etag) and md5 != item.etag:
                raise _Broken("its MD5 is not its ETag")
            os.replace(temporary, path)
        except BaseException:
            body.close()
            with suppress(OSError):
                os.unlink(temporary)
            raise
        return Download(item)


class _Broken(Exception):
    """A body that did not come as announced."""


def _save(body: Any, size: int, path: str) -> str:
    """Write a body of a known size to a file; its MD5."""
    md5, length = hashlib.md5(usedforsecurity=False), 0
    with open(path, "wb") as file:
        for chunk in _chunks(body, size):
            length += len(chunk)
            md5.update(chunk)
            file.write(chunk)
    if length != size:
        raise _Broken(f"{length} of {size} bytes came")
    return md5.hexdigest()


def _chunks(body: Any, size: int) -> Iterator[bytes]:
    try:
        if size <= _MEBIBYTE:  # one call for all of it is much quicker
            yield body.read()
            return
        while chunk := body.read(_MEBIBYTE):
            yield chunk
    except DROPPED as error:
        raise _Broken(type(error).__name__) from error
