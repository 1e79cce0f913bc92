"""A folder of somebody else's, walked once: its regular files, and everything that is none.

Nothing is opened. A link is followed where it leads to something inside the folder, a linked folder once. A
link out of the folder, a loop, a pipe or a device is a problem with a name: neither read nor lost.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from autonad.errors import DatasetError

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
LEADS_OUT = "it is a link that leads out of the folder; copy the file itself there"


@dataclass(frozen=True)
class Walked:
    """What a folder holds, by path relative to it, with forward slashes.

    Attributes:
        files: Size in bytes, and time of change in nanoseconds, of each regular file.
        folders: Its folders, "" for itself among them.
        problems: Why anything else cannot be read, and what to do about it.
    """

    files: dict[str, tuple[int, int]] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    problems: dict[str, str] = field(default_factory=dict)


def walk(root: Path, *, links_out: bool = False) -> Walked:
    """Walk a folder; hidden files and folders are left out.

    Args:
        root: The folder, which may itself be a link.
        links_out: Whether links may lead out of it, as in a folder of our own making.

    Raises:
        DatasetError: It cannot be listed.
    """
    found = Walked()
    real = os.path.realpath(root)
    linked: set[str] = set()
    waiting = [(str(root), "", real)]
    while waiting:
        folder, key, place = waiting.pop()
        found.folders.add(key)
        try:
            with os.scandir(folder) as entries:
                visible = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError as error:
            problem = f"the folder cannot be listed: {error.strerror}; check its permissions"
            if not key:
                raise DatasetError(f"{root}: {problem}") from error
            found.problems[key] = problem
            continue
        for entry in visible:
            inner = f"{key}/{entry.name}" if key else entry.name
            if entry.is_symlink():
                target = os.path.realpath(entry.path)
                if not links_out and not _is_within(target, real):
                    found.problems[inner] = LEADS_OUT
                    continue
                if os.path.isdir(target):
                    if _is_within(place, target):
                        found.problems[inner] = "it is a link to a folder that it lies in; remove it"
                    elif target in linked:
                        found.problems[inner] = "it is a second link to one folder, read once; remove it"
                    else:
                        linked.add(target)
                        waiting.append((entry.path, inner, target))
                    continue
            elif entry.is_dir(follow_symlinks=False):
                waiting.append((entry.path, inner, f"{place}/{entry.name}"))
                continue
            _note(found, entry, inner)
    return found


def irregular(path: Path) -> str | None:
    """Why a path is no regular file that can be read, found without opening it; None if it is one."""
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        return _refusal(error, is_link=path.is_symlink())
    return None if stat.S_ISREG(mode) else _wrong_kind(mode)


def _note(found: Walked, entry: os.DirEntry[str], key: str) -> None:
    try:
        about = entry.stat()
    except OSError as error:
        found.problems[key] = _refusal(error, is_link=entry.is_symlink())
        return
    if stat.S_ISREG(about.st_mode):
        found.files[key] = (about.st_size, about.st_mtime_ns)
    else:
        found.problems[key] = _wrong_kind(about.st_mode)


def _wrong_kind(mode: int) -> str:
    kind = _KINDS.get(stat.S_IFMT(mode), "a folder" if stat.S_ISDIR(mode) else "no regular file")
    return f"it is {kind}; take it out of the folder"


def _refusal(error: OSError, *, is_link: bool) -> str:
    if is_link and isinstance(error, FileNotFoundError):
        return "it is a link to nowhere; remove it, or restore what it leads to"
    if is_link:
        return f"it is a link that cannot be followed ({error.strerror}); remove it"
    return f"it cannot be read: {error.strerror}"


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


def by_parts(keys: Iterable[str]) -> list[str]:
    """Keys sorted as paths are: by folder first."""
    return sorted(keys, key=lambda key: key.split("/"))
