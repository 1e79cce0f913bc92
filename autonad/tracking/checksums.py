"""Files that are fetched from a tracking server are the files that were sent: a list of sha256 goes along.

The list itself is guarded by its own sha256, which is a tag of the run or of the model version.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from autonad.errors import TrackingError
from autonad.files import read_json, sha256_file

DIGESTS = "digests.json"


def digests(files: dict[str, Path]) -> tuple[str, str]:
    """Text of `digests.json` for some files (name on the server → local file), and its sha256.

    Raises:
        StorageError: A file is missing.
    """
    text = json.dumps({name: sha256_file(path) for name, path in sorted(files.items())}, indent=1)
    return text, hashlib.sha256(text.encode()).hexdigest()


def verify(folder: Path, tag: str | None, names: set[str], what: str) -> None:
    """Make sure that fetched files are those that were sent.

    Args:
        folder: Where they and `digests.json` are.
        tag: Sha256 of `digests.json` as the server's database has it; None if it has none.
        names: Files that are needed, relative to the folder.
        what: What they are to the user ("version 3 of autonad-steel-edge").

    Raises:
        TrackingError: A file is missing or was changed; names it.
    """
    remedy = "it was changed after it was logged, so nothing of it is used; restore it from a backup"
    path = folder / DIGESTS
    if tag is None or not path.is_file():
        raise TrackingError(f"{what} has no {DIGESTS}, so its files cannot be checked; log it again")
    if sha256_file(path) != tag:
        raise TrackingError(f"{DIGESTS} of {what} does not have the sha256 that was recorded: {remedy}")
    expected = read_json(path, f"{DIGESTS} of {what}")
    for name in sorted(names | (set(expected) & _present(folder))):
        if not (folder / name).is_file():
            raise TrackingError(f"{what} lacks {name}; restore it from a backup, or log it again")
        if name not in expected:
            raise TrackingError(f"{what} says nothing about {name} in {DIGESTS}; log it again")
        if sha256_file(folder / name) != expected[name]:
            raise TrackingError(f"{name} of {what} does not have the sha256 that was recorded: {remedy}")


def _present(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
