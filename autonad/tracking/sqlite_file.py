"""A store in an sqlite file: there whole or not at all, and at home wherever its folder is moved."""

from __future__ import annotations

import fcntl
import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import unquote

from autonad.errors import TrackingError, cause_of

# Where MLflow writes down where files are.
_PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
# A store in which one of these has a row was in use. Every store has one experiment from the beginning.
_IN_USE = ("SELECT 1 FROM runs", "SELECT 1 FROM registered_models", "SELECT 1 FROM experiments LIMIT 1, 1")


def sqlite_path(uri: str) -> Path | None:
    """File of a sqlite store; None for other stores."""
    match = re.fullmatch(r"sqlite:///([^?]+)(\?.*)?", uri)
    return Path(match[1]).resolve() if match and match[1] != ":memory:" else None


def prepare_file(path: Path, make: Callable[[str], None]) -> None:
    """Make the store in a file ready to be opened.

    A new one is made beside its place and then put there, so that a kill leaves none; half a one in which
    nothing was logged yet is set aside first. Where the folder was moved or copied, the places of the
    files in it are corrected.

    Args:
        path: The file.
        make: Makes a whole store at a sqlite URI.

    Raises:
        TrackingError: The file or its folder cannot be used.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path.parent):
            if not path.exists() or not path.stat().st_size:
                _make(path, make)
        with closing(sqlite3.connect(path, timeout=10)) as connection:
            connection.executescript("BEGIN IMMEDIATE; ROLLBACK")
            _bring_home(connection, path.parent)
    except (OSError, sqlite3.Error) as error:
        raise TrackingError(
            f"the tracking database {path} cannot be used ({cause_of(error)}); choose a writable place in "
            "tracking.uri, move a damaged file away, or go without: --set tracking.enabled=false"
        ) from error


def set_aside_unused(path: Path) -> bool:
    """Move a store away that cannot be opened, if nothing was ever logged to it; returns whether it did."""
    with _alone(path.parent):
        try:
            with closing(sqlite3.connect(path, timeout=10)) as connection:
                tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
                for query in _IN_USE:
                    if query.split()[3] in tables and connection.execute(query).fetchone():
                        return False
            os.replace(path, path.with_name(f"{path.name}.unfinished"))
        except (OSError, sqlite3.Error):
            return False
    return True


def _make(path: Path, make: Callable[[str], None]) -> None:
    draft = path.with_name(f"{path.name}.making")
    for leftover in path.parent.glob(f"{draft.name}*"):
        leftover.unlink()
    make(f"sqlite:///{draft}")
    os.replace(draft, path)


def _bring_home(connection: sqlite3.Connection, folder: Path) -> None:
    """Correct the places of files that lay in `mlruns` beside the database where it was before."""
    here = (folder / "mlruns").as_uri()
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "experiments" not in tables:
        return
    for (place,) in connection.execute("SELECT artifact_location FROM experiments").fetchall():
        found = re.fullmatch(r"(file://.*/mlruns)/([^/]+)", place or "")
        if not found or found[1] == here:
            continue
        there = Path(unquote(found[1].removeprefix("file://")))
        # Somebody may have chosen another place: it is left alone while it is there and nothing is here.
        if not (folder / "mlruns" / found[2]).is_dir() and there.is_dir():
            continue
        with connection:
            for table, column in _PLACES:
                if table in tables:
                    moved = f"UPDATE {table} SET {column} = ? || substr({column}, ?)"  # nosec B608 # of _PLACES
                    begins = (len(found[1]) + 1, f"{found[1]}/")
                    connection.execute(
                        f"{moved} WHERE substr({column}, 1, ?) = ?", (here, begins[0], *begins)
                    )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process after the other; the kernel forgets one that is killed."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
