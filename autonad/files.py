"""Writing files so that a crash or a full disk never leaves half of one behind."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonad.errors import StorageError

if TYPE_CHECKING:
    from pydantic import BaseModel


_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{16}\.tmp", re.DOTALL)
_LONGEST_START = 200  # bytes of a name that its temporary file begins with; most file systems take 255
# The mask can only be read by setting it, which is not safe once threads run.
_UMASK = os.umask(0o022)
os.umask(_UMASK)


def write_atomic(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then put it in place in one step.

    Args:
        path: Final file; its folder is created.
        write: Receives the temporary path and writes the whole file there.

    Raises:
        StorageError: The folder or the file cannot be written; a previous file at `path` is untouched.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_beside(path)
        write(temporary)
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        # Some libraries create files for their owner alone; what we write has the permissions that the user
        # set.
        temporary.chmod(0o666 & ~_UMASK)
        os.replace(temporary, path)
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error.strerror or error}; free some space or choose a writable folder, "
            "then repeat the command (what was there before is untouched)"
        ) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def temporary_beside(path: Path) -> Path:
    """Create an empty file to be written and renamed to `path`; nobody can have put a link in its place.

    Raises:
        OSError: The folder is missing or refuses.
    """
    # A name may be as long as a file system takes, and has to leave room for what is added.
    start = os.fsdecode(os.fsencode(path.name)[:_LONGEST_START])
    temporary = path.with_name(f".{start}.{secrets.token_hex(8)}.tmp")
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666))
    return temporary


def withdraw(path: Path) -> None:
    """Remove the file that says that a folder is finished, if it is there, before others take its place.

    Raises:
        StorageError: The folder refuses.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            f"cannot replace {path}: {error.strerror}; choose a writable folder, then repeat the command"
        ) from error


def sha256_file(path: Path) -> str:
    """Hexadecimal sha256 of a file's content.

    Raises:
        StorageError: The file is missing or cannot be read.
    """
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}; run the step that writes it") from error


def remove_leftovers(folder: Path) -> None:
    """Delete the temporary files that a killed process left in a folder; nobody else may be writing there."""
    for leftover in folder.glob(".*.tmp"):
        if _TEMPORARY.fullmatch(leftover.name):
            leftover.unlink(missing_ok=True)


def with_name(path: Path) -> Path:
    """The same path, whose last part is a name also where it was `.` or `..`."""
    return path if path.name not in ("", "..") else path.resolve()


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, unless it is there.

    Raises:
        StorageError: It cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"{path} cannot be made a folder: {error.strerror or error}; choose another place"
        ) from error


def write_bytes_atomic(path: Path, content: bytes) -> None:
    """Write bytes in one step; see `write_atomic`."""
    write_atomic(path, lambda temporary: temporary.write_bytes(content))


def write_text_atomic(path: Path, text: str) -> None:
    """Write UTF-8 text in one step; see `write_atomic`."""
    write_bytes_atomic(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write JSON with sorted keys, no NaN and a final newline, so that equal values give equal bytes."""
    write_text_atomic(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def cell(value: Any) -> Any:
    """A value as a cell of a CSV file that no spreadsheet takes for a formula."""
    dangerous = ("=", "+", "-", "@", "\t", "\r")
    return f"'{value}" if isinstance(value, str) and value.startswith(dangerous) else value


def read_json(path: Path, what: str, shape: type[BaseModel] | None = None) -> dict[str, Any]:
    """Read a JSON object that a previous step has written.

    Args:
        path: The file.
        what: What it is to the user, for the message ("the supernet").
        shape: What it must hold, see `autonad.reading.shape_checks`; None takes any object.

    Raises:
        StorageError: The file is missing, is no JSON object of this shape, or cannot be read.
    """
    from autonad.reading.bounds import Unreadable, parse_json, read_bytes
    from autonad.reading.shape_checks import Shape, check_shape

    try:
        return check_shape(parse_json(read_bytes(path)), shape or Shape)
    except FileNotFoundError as error:
        raise StorageError(
            f"{what} is not at {path}; check the folder, or run the step that writes it"
        ) from error
    except (OSError, Unreadable) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise StorageError(
            f"{what} at {path} cannot be read: {reason}; run the step that writes it again"
        ) from error
