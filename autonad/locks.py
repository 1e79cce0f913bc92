"""One writer at a time: a lock on a folder or file that ends with its process and says who holds it.

The kernel holds the lock (flock), so that of a process which died blocks nobody and is taken over; on a
shared file system that supports it, it holds between machines too. What the lock file says only tells others
whom they would disturb. It is a hidden file beside what it protects, so that what is protected may be
replaced as a whole, and is removed at the end.
"""

from __future__ import annotations

import datetime
import errno
import fcntl
import getpass
import json
import os
import shlex
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from autonad.console import abridged
from autonad.errors import BusyError, StorageError, redact

_TRIES = 100
_SECONDS_BETWEEN_TRIES = 0.05
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
_MOST_OF_A_COMMAND = 120  # characters
SECRET_OPTIONS = frozenset({"--token", "--cookies"})
_MOST_OF_A_LOCK = 2**16  # bytes


@contextmanager
def exclusive(path: Path, what: str, *, patience_s: float = 0.0) -> Iterator[None]:
    """Hold what `path` names for this process, until the end of the block.

    A file system without locks refuses none; there the promise is not kept.

    Args:
        path: A folder or file, which need not exist yet.
        what: What it is to the user, for the message ("output runs/model").
        patience_s: How long to wait for another process, s.

    Raises:
        BusyError: Another process holds it; says which, since when, and what it does.
        StorageError: The lock file cannot be written.
    """
    place = lock_file(path)
    made = [folder for folder in place.parents if not folder.exists()]
    handle = None
    try:
        handle = _acquire(place, time.monotonic() + patience_s)
        os.ftruncate(handle, 0)
        os.write(handle, json.dumps(_self()).encode())
    except BlockingIOError as error:
        raise BusyError(
            f"{what} is being written by {_holder(place)}; wait until that has ended, then repeat the command"
        ) from error
    except OSError as error:
        _release(place, handle, made)
        if error.errno not in _NO_LOCKS:
            raise StorageError(
                f"cannot write {place}: {error.strerror}; free some space or choose a writable folder"
            ) from error
        place.unlink(missing_ok=True)
        handle = None
    try:
        yield
    finally:
        _release(place, handle, made)


def lock_file(path: Path) -> Path:
    """The file that stands for a folder or file: beside it, or in it where nothing may be put beside it."""
    path = Path(os.path.realpath(path))
    if path == path.parent:
        return path / ".lock"
    beside = path.with_name(f".{path.name}.lock")
    refused = path.is_dir() and not beside.exists() and not os.access(path.parent, os.W_OK)
    return path / ".lock" if refused else beside


def user_name() -> str:
    """The user's name; "uid-1000" in a container whose user id has no entry in /etc/passwd."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"


def command_line(arguments: list[str]) -> str:
    """A command as a shell takes it, in one line that can be seen; passwords and tokens are redacted."""
    program = Path(arguments[0])
    name = "autonad" if program.name == "__main__.py" else program.name
    return " ".join(_quoted(redact(one)) for one in (name, *_without_secrets(arguments[1:])))


def _without_secrets(arguments: list[str]) -> Iterator[str]:
    secret = False
    for word in arguments:
        option, equals, _ = word.partition("=")
        hidden = f"{option}=***" if equals and option in SECRET_OPTIONS else word
        yield "***" if secret else hidden
        secret = not secret and word in SECRET_OPTIONS


def _quoted(argument: str) -> str:
    """A word for a shell; what cannot be seen in it as $'…' has it (POSIX, bash, zsh)."""
    if argument.isprintable():
        return shlex.quote(argument)
    escaped = "".join(
        f"\\{c}" if c in "\\'" else c if c.isprintable() else "".join(f"\\{b:03o}" for b in os.fsencode(c))
        for c in argument
    )
    return f"$'{escaped}'"


def _acquire(place: Path, deadline: float) -> int:
    """The open, locked file."""
    replaced = 0
    while True:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        except FileNotFoundError:
            replaced += 1  # the previous holder removed the folder just now
            if replaced > _TRIES:
                raise
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(handle), os.stat(place)):
                return handle
        except FileNotFoundError:
            pass
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(handle)
                raise
            time.sleep(_SECONDS_BETWEEN_TRIES)
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _release(place: Path, handle: int | None, made: list[Path]) -> None:
    if handle is not None:
        # Removed while it is held: whoever opened it meanwhile notices and opens it anew.
        with suppress(OSError):
            place.unlink()
    with suppress(OSError):
        for folder in made:  # What was made for the lock alone is empty, the deepest first.
            folder.rmdir()
    if handle is not None:
        os.close(handle)


def _self() -> dict[str, str | int]:
    since = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "user": user_name(),
        "since": since,
        "command": abridged(command_line(sys.argv), _MOST_OF_A_COMMAND),
    }


def _holder(place: Path) -> str:
    from autonad.reading.bounds import folded, parse_json, read_bytes

    try:
        told = parse_json(read_bytes(place, _MOST_OF_A_LOCK))
        who = f"{told['user']} on {told['host']} (process {told['pid']}) since {told['since']}"
        return folded(f"{who}: {told['command']}", 2 * _MOST_OF_A_COMMAND)
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
