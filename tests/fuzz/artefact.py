"""What an artefact is: a file that the product wrote, and what reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Artefact:
    """A file, and what reads it.

    Attributes:
        path: Below the folder of all.
        mutations: Kind of its damages, see `mutations.SPECIAL`.
        read: Reads it, and whatever is read with it, from the folder.
    """

    path: str
    mutations: str
    read: Callable[[Path], object]
