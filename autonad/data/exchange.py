"""A whole folder put in another's place: at every moment one of them is there."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from pathlib import Path

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
# What kernels and file systems answer that cannot exchange two names; macOS has no such call at all.
_CANNOT = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTTY}


def put_in_place(building: Path, output: Path) -> None:
    """Let a finished folder become `output`; what was there before is removed.

    Where the file system can exchange two names, that is one step. Elsewhere the old folder steps aside
    first; a kill in between leaves it where `bring_back` finds it.

    Args:
        building: The finished folder, a sibling.
        output: Its place.

    Raises:
        OSError: The disk refuses; what was there before is there again.
    """
    if not output.exists():
        os.replace(building, output)
    elif _exchange(building, output):
        shutil.rmtree(building, ignore_errors=True)
    else:
        old = set_aside(output)
        shutil.rmtree(old, ignore_errors=True)
        os.replace(output, old)
        try:
            os.replace(building, output)
        except OSError:
            os.replace(old, output)
            raise
        shutil.rmtree(old, ignore_errors=True)


def set_aside(output: Path) -> Path:
    """Where the old folder is while another takes its place."""
    return output.with_name(f".{output.name}.old")


def bring_back(output: Path) -> None:
    """Undo what a kill left half done: a folder that stepped aside for one that never came."""
    old = set_aside(output)
    if not output.exists() and old.is_dir() and not old.is_symlink():
        os.replace(old, output)


def _exchange(first: Path, second: Path) -> bool:
    """Exchange two names in one step; False where that cannot be done."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    if call(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _CANNOT:
        return False
    raise OSError(number, os.strerror(number), str(second))
