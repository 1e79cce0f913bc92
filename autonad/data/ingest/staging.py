"""Where a batch waits until it is committed: a hidden folder of the dataset that survives a kill.

.ingest/batch/        the batch in its own layout; a file that has not arrived yet is empty
.ingest/listing.json  the version of each file in it
.ingest/made/         masks and images that had to be encoded anew
.ingest/commit/       the next manifest and its companions, see `commit.py`
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from autonad.data.faults import Fault
from autonad.errors import StorageError
from autonad.files import read_json, write_json
from autonad.storage.source import Entry

FOLDER = ".ingest"
# Files that have not arrived are links to an empty one; file systems allow some 32,000 links of a file.
_LINKS = 30_000
# What file systems without hard links say: exFAT, SMB, many of FUSE.
_NO_LINKS = {errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


class Staging:
    """The waiting place of a dataset.

    Args:
        root: The dataset.
    """

    def __init__(self, root: Path) -> None:
        self.folder = root / FOLDER
        self.batch = self.folder / "batch"
        self.made = self.folder / "made"
        self._listing = self.folder / "listing.json"

    def lay_out(self, entries: Iterable[Entry]) -> tuple[list[Entry], list[Fault]]:
        """Lay out the batch; files of an interrupted ingest stay if the source still has that version.

        Args:
            entries: Files with safe names.

        Returns:
            The files that have a place now, and faults for those that cannot have one.

        Raises:
            StorageError: The folder cannot be written.
        """
        try:
            return self._lay_out(list(entries))
        except OSError as error:
            raise StorageError(
                f"cannot write {self.folder}: {error.strerror or error}; free some space or choose a dataset "
                "in a writable folder, then repeat the command"
            ) from error

    def has(self, entry: Entry) -> bool:
        """Whether a file has arrived."""
        return entry.size == 0 or os.stat(self.path(entry)).st_size > 0

    def path(self, entry: Entry) -> Path:
        """Where a file lies once it has arrived."""
        return self.batch / entry.key

    def clear(self) -> None:
        """Remove everything."""
        for name in (self.batch, self.made):
            shutil.rmtree(name, ignore_errors=True)
        self._listing.unlink(missing_ok=True)

    def _lay_out(self, entries: list[Entry]) -> tuple[list[Entry], list[Fault]]:
        self.batch.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.made, ignore_errors=True)
        self.made.mkdir()
        versions = {entry.key: f"{entry.identity} {entry.etag}" for entry in entries}
        before = self._versions()
        present = {
            path.relative_to(self.batch).as_posix()
            for folder, _, files in os.walk(self.batch)
            for path in (Path(folder, file) for file in files)
        }
        for key in present:
            if before.get(key) != versions.get(key) or key not in versions:
                (self.batch / key).unlink()
        present = {key for key in present if before.get(key) == versions.get(key)} & versions.keys()
        write_json(self._listing, versions)
        placed, faults = [], []
        folders: set[Path] = set()
        empty: Path | None = None
        for number, entry in enumerate(sorted(entries, key=lambda entry: entry.key)):
            path = self.path(entry)
            try:
                if path.parent not in folders:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    folders.add(path.parent)
                if entry.key not in present:
                    if empty is None or number % _LINKS == 0:
                        empty = self.made / f"empty-{number}"
                        empty.touch()
                    if not linked(empty, path):
                        path.touch(exist_ok=False)
            except (FileExistsError, NotADirectoryError, IsADirectoryError):
                faults.append(
                    Fault(
                        "error",
                        "unsafe-name",
                        entry.key,
                        "it is a file and a folder at the same time; rename one of them at the source",
                    )
                )
                continue
            placed.append(entry)
        return placed, faults

    def _versions(self) -> dict[str, str]:
        try:
            return dict(read_json(self._listing, "the listing"))
        except (StorageError, ValueError, TypeError):
            return {}


def linked(source: Path, target: Path) -> bool:
    """Give a file a second name; False on a file system where no file has two.

    Raises:
        OSError: The second name is taken, or the disk refuses.
    """
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return False
    return True
