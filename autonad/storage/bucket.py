"""A bucket as the source of a production batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from autonad.storage.download import StoredObject
from autonad.storage.location import SCHEME, Location
from autonad.storage.source import Arrival, Entry
from autonad.storage.store import Store


class BucketSource:
    """A batch below a prefix of a bucket."""

    def __init__(self, store: Store, location: Location) -> None:
        self._store, self._location = store, location

    @property
    def name(self) -> str:
        """s3://bucket/prefix."""
        return self._location.url

    def entries(self) -> list[Entry]:
        """All objects below the prefix."""
        bucket, prefix = self._location.bucket, self._location.prefix
        return [
            Entry(found.key.removeprefix(prefix), f"{SCHEME}{bucket}/{found.key}", found.size, found.etag)
            for found in self._store.list_objects(self._location)
        ]

    def fetch(self, wanted: Sequence[tuple[Entry, Path]]) -> Iterator[Arrival]:
        """Download objects, several at a time."""
        prefix = self._location.prefix
        entries = {prefix + entry.key: entry for entry, _ in wanted}
        objects = [(StoredObject(prefix + entry.key, entry.size, entry.etag), path) for entry, path in wanted]
        for download in self._store.download(self._location.bucket, objects):
            yield Arrival(entries[download.object.key], download.problem)
