"""Which files of a source are images, by their names."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class ImageNames:
    """Which files are images, by their names.

    Attributes:
        suffixes: Those of images that are read, such as ".png".
        why_unread: Why files with a suffix are pictures that are not read; None if they are no pictures.
    """

    suffixes: frozenset[str]
    why_unread: Callable[[str], str | None]

    def is_image(self, key: str) -> bool:
        """Whether a file is one, read or not."""
        suffix = suffix_of(key)
        return suffix in self.suffixes or self.why_unread(suffix) is not None

    def problem(self, key: str) -> str | None:
        """Why a file's name tells that it is not read; None if it does not."""
        return self.why_unread(suffix_of(key))


def suffix_of(key: str) -> str:
    """Suffix of a file's name in lower case, with its dot; "" if it has none."""
    return os.path.splitext(key)[1].lower()
