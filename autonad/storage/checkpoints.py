"""A checkpoint folder's copy outside of the pod, from which the next attempt goes on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from autonad.errors import StorageError
from autonad.storage.places import place_at

Resume = bool | Literal["or-restart"]
"""False starts over. True continues from the output folder's checkpoint and refuses one of another
configuration. "or-restart" continues from one of the same configuration and starts over from any other, as a
pipeline wants it."""


OWNER = "owner.json"
"""Beside the checkpoints of a copy: whose they are."""


class Mirror:
    """Keeps what a step continues from at a location, and brings it back into an empty output folder.

    The pointer is sent last and fetched last: a kill at any moment leaves a whole copy on both sides.

    Args:
        location: "s3://bucket/prefix", or a folder on a volume; None keeps no copy.
        stage: The step's verb.
        identity: What the run is; runs of another identity never meet.
        output: The step's output folder.
        names: Files and folders in it that a later attempt needs.
        pointer: The file among them that makes the others count.
        owner: Run of the step in MLflow, or the execution where none is logged, by which it is known later
            whether anybody needs the copy; None without both.
        warn: Told once when the location takes nothing any more; the work goes on.

    Attributes:
        name: Of the copy's folder at the location.
    """

    def __init__(
        self,
        location: str | None,
        *,
        stage: str,
        identity: dict[str, Any],
        output: Path,
        names: tuple[str, ...],
        pointer: str,
        owner: str | None = None,
        warn: Callable[[str], None] = lambda line: None,
    ) -> None:
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
        self.name = f"{stage}-{digest}"
        self._place = None if not location else place_at(f"{location.rstrip('/')}/{self.name}")
        self._location, self._output, self._names, self._pointer = location, output, names, pointer
        self._owner, self._warn, self._warned = {"run": owner, "stage": stage}, warn, False
        self._sent: dict[str, tuple[int, int]] = {}

    def pull(self) -> None:
        """Bring the copy back, unless the output folder has something to continue from already.

        From then on it is this run's, whoever left it.

        Raises:
            StorageError: The location cannot be used; better now than after hours of training.
        """
        if self._place is None or (self._output / self._pointer).is_file():
            return
        names = self._place.names()
        if self._pointer in names:
            others = [name for name in names if name not in (self._pointer, OWNER)]
            self._place.get(others, self._output)
            self._place.get([self._pointer], self._output)
            try:
                self._place.write(json.dumps(self._owner), OWNER)
            except StorageError as error:
                self._tell(error)

    def push(self) -> None:
        """Send what is new; files that are gone here go there too."""
        if self._place is None:
            return
        files = self._files()
        try:
            if not self._sent:
                self._place.write(json.dumps(self._owner), OWNER)
            for name in sorted(files, key=lambda name: name == self._pointer):
                state = os.stat(files[name])
                if self._sent.get(name) != (state.st_mtime_ns, state.st_size):
                    self._place.put(files[name], name)
                    self._sent[name] = (state.st_mtime_ns, state.st_size)
            self._place.remove(sorted(set(self._place.names()) - files.keys() - {OWNER}))
        except StorageError as error:
            self._tell(error)

    def remove(self) -> None:
        """Drop the copy: the step has finished, and nobody will go on from it."""
        if self._place is None:
            return
        try:
            # The pointer first: a kill in between leaves nothing that counts.
            self._place.remove([self._pointer])
            self._place.remove(self._place.names())
        except StorageError as error:
            self._warn(f"the checkpoints' copy in {self._location} stays ({error}); remove it by hand")

    def _tell(self, error: StorageError) -> None:
        if not self._warned:
            self._warned = True
            self._warn(f"checkpoints are not copied to {self._location} ({error}); the work goes on")

    def _files(self) -> dict[str, Path]:
        found = {}
        for name in self._names:
            path = self._output / name
            for file in path.rglob("*") if path.is_dir() else [path]:
                if file.is_file() and not file.name.endswith(".tmp"):
                    found[file.relative_to(self._output).as_posix()] = file
        return found
