"""One writer at a time: a lock on a dataset that ends with its process and says who holds it."""

from __future__ import annotations

import datetime
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from autonad.data.dvc_user import user_name
from autonad.errors import DatasetError, StorageError

_TRIES = 100


@contextmanager
def exclusive(root: Path, folder: Path) -> Iterator[None]:
    """Hold the lock of a dataset.

    The kernel holds the lock (flock), so that of a process which died does not block; the file's content
    only tells others whom they are waiting for.

    Args:
        root: The dataset, for the message.
        folder: Where the lock file lies; it is created, and removed at the end if nothing else is in it.

    Raises:
        DatasetError: Another process holds the lock; says which.
        StorageError: The folder cannot be written.
    """
    path = folder / "lock"
    try:
        handle = _acquire(path)
    except BlockingIOError as error:
        raise DatasetError(
            f"dataset {root} is being ingested into {_holder(path)}; wait until that has ended, then repeat "
            "the command"
        ) from error
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error.strerror}; choose a dataset in a writable folder"
        ) from error
    try:
        os.ftruncate(handle, 0)
        os.write(handle, json.dumps(_self()).encode())
        yield
    finally:
        # Removed while it is held: whoever opened it meanwhile notices and opens it anew.
        with suppress(OSError):
            path.unlink()
            folder.rmdir()
        os.close(handle)


def _acquire(path: Path) -> int:
    for _ in range(_TRIES):
        try:
            path.parent.mkdir(exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except FileNotFoundError:
            continue  # the previous holder removed the folder just now
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(handle), os.stat(path)):
                return handle
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
    raise BlockingIOError


def _self() -> dict[str, str | int]:
    since = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    return {"host": socket.gethostname(), "pid": os.getpid(), "user": user_name(), "since": since}


def _holder(path: Path) -> str:
    try:
        told = json.loads(path.read_text())
        return f"by {told['user']} on {told['host']} (process {told['pid']}) since {told['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "by another process"
