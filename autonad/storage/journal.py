"""A file that only grows, of which a kill at any moment costs at most the last line."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autonad.errors import StorageError, one_line
from autonad.files import write_text_atomic
from autonad.reading.bounds import parse_json
from autonad.reading.shape_checks import Shape, check_shape


class Journal:
    """JSON objects, one a line. What `append` has returned from is on the disk.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, first: Any) -> None:
        """Start over with one entry.

        Raises:
            StorageError: The file cannot be written.
        """
        write_text_atomic(self.path, json.dumps(first, sort_keys=True) + "\n")

    def append(self, entry: Any) -> None:
        """Add an entry.

        Raises:
            StorageError: The disk is full, or the file cannot be written.
        """
        try:
            with self.path.open("a") as handle:
                handle.write(json.dumps(entry, sort_keys=True) + "\n")
                handle.flush()
                os.fsync(handle.fileno())
        except OSError as error:
            raise StorageError(
                f"cannot append to {self.path}: {error.strerror}; free some space, then repeat the command"
            ) from error

    def read(self, what: str) -> list[dict[str, Any]]:
        """All entries; a last line that was torn is dropped, from the file too.

        Args:
            what: What it is to the user, for the message ("the search's state").

        Raises:
            StorageError: The file cannot be read, or a line of it is damaged.
        """
        try:
            *lines, torn = self.path.read_bytes().split(b"\n")
            entries = [check_shape(parse_json(line), Shape) for line in lines]
            if torn:
                os.truncate(self.path, sum(len(line) + 1 for line in lines))
        except (OSError, ValueError) as error:
            raise StorageError(
                f"{what} at {self.path} cannot be read: {one_line(error)}; delete it to start anew"
            ) from error
        return entries


def changed_since(begun: Any, now: Mapping[str, Any]) -> list[str]:
    """Names of what is another now than where a journal was begun; all if its beginning is damaged."""
    known = begun if isinstance(begun, dict) else {}
    return sorted(name for name in now if known.get(name) != now[name])
