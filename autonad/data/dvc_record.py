"""What DVC calls the content of a folder, said only while that is still its content."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autonad.data.dvc_user import ensure_user

# Of an entry that names no hash: it was written by DVC 2, which took carriage returns out of texts.
OLD_HASH = "md5-dos2unix"


@dataclass(frozen=True)
class DvcState:
    """What DVC knows of a folder.

    Attributes:
        md5: What it calls the content, with ".dir" at its end; None if it does not know the folder, or if
            the content is another one now.
        changed: Whether it knows the folder with other content.
    """

    md5: str | None
    changed: bool = False


def dvc_state(folder: Path) -> DvcState:
    """Compare a folder with what DVC recorded of it, in `<folder>.dvc` or else in the `dvc.lock` around it.

    Compared is the md5 over the names and contents of all files, as `dvc status` does. DVC remembers each
    file's md5 with its inode, size and modification time, and reads only files of which one of these is new:
    0.3 s for ten thousand files that it has read before; else each of them is read once.

    Outside of a DVC repository, or where DVC fails, nothing can be compared and nothing is said.
    """
    folder = folder.resolve()
    root = next((parent for parent in folder.parents if (parent / ".dvc").is_dir()), None)
    entry = None if root is None else _entry(folder, root)
    if root is None or entry is None or not folder.is_dir():
        return DvcState(None)
    found = _md5(folder, root, str(entry.get("hash", OLD_HASH)))
    if found is None:
        return DvcState(None)
    return DvcState(found) if found == entry["md5"] else DvcState(None, changed=True)


def _md5(folder: Path, root: Path, kind: str) -> str | None:
    from dvc.exceptions import DvcException
    from dvc.output import Output
    from dvc.repo import Repo

    ensure_user()
    try:
        with _quiet(), Repo(str(root)) as repo:
            value = Output(None, str(folder), repo=repo, cache=False, hash_name=kind).get_hash().value
    except (DvcException, OSError, sqlite3.Error):
        return None
    return None if value is None else str(value)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without DVC's progress bar, which would be drawn into the step's own."""
    logger = logging.getLogger("dvc")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _entry(folder: Path, root: Path) -> dict[str, Any] | None:
    """What is recorded of a folder; None if nothing is."""
    for out in _yaml(folder.with_name(folder.name + ".dvc")).get("outs") or ():
        if out.get("path") == folder.name and out.get("md5"):
            return dict(out)
    for parent in folder.parents:
        if (parent / "dvc.lock").is_file():
            return _locked(_yaml(parent / "dvc.lock"), folder.relative_to(parent).as_posix())
        if parent == root:
            break
    return None


def _locked(lock: dict[str, Any], path: str) -> dict[str, Any] | None:
    """The entry of a path in dvc.lock; of an output before a dependency, which may be older."""
    stages = [stage for stage in (lock.get("stages") or {}).values() if isinstance(stage, dict)]
    for kind in ("outs", "deps"):
        for stage in stages:
            for entry in stage.get(kind) or ():
                if entry.get("path") == path and entry.get("md5"):
                    return dict(entry)
    return None


def _yaml(path: Path) -> dict[str, Any]:
    from autonad.reading.bounds import parse_yaml, read_bytes

    try:
        content = parse_yaml(read_bytes(path).decode())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
