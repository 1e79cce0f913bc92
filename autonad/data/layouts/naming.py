"""Names of images as people write them in tables and lists, and the images that they mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from autonad.data.layouts.pairing import normal


def path_key(text: str) -> str:
    """A path as names are compared: NFC, forward slashes, no blanks around it, no "./" before it."""
    key = normal(text.strip()).replace("\\", "/")
    while key.startswith("./"):
        key = key[2:]
    return key


class Names:
    """Finds the images that a name may mean: a path, the end of one, a bare name with or without suffix."""

    def __init__(self, items: Sequence[str], root: Path) -> None:
        """Index the items, paths relative to `root`."""
        self._root = path_key(str(root)).rstrip("/") + "/"
        self._exact = {path_key(item): item for item in items}
        self._by_name, self._by_stem = _index(items, str), _index(items, _without_suffix)
        self._by_folded = _index(items, str.casefold)

    def find(self, name: str) -> list[str]:
        """Items that the name means: none, one, or several that it does not tell apart."""
        key = path_key(name)
        key = key.removeprefix(self._root)
        if key in self._exact:
            return [self._exact[key]]
        for index, form in ((self._by_name, str), (self._by_stem, str), (self._by_folded, str.casefold)):
            wanted = form(key)
            ends = [
                (own, item) for own, item in index.get(wanted.rsplit("/", 1)[-1], ()) if _agree(own, wanted)
            ]
            # A long path may end in "images/a.png" and in "a.png": the longer is meant.
            longest = max((own.count("/") for own, _ in ends if wanted.endswith(own)), default=-1)
            if longest >= 0:
                ends = [end for end in ends if end[0].count("/") == longest and wanted.endswith(end[0])]
            if ends:
                return [item for _, item in ends]
        return []


def _agree(a: str, b: str) -> bool:
    """Whether one path is the end of the other."""
    return f"/{a}".endswith(f"/{b}") or f"/{b}".endswith(f"/{a}")


def _without_suffix(key: str) -> str:
    folder, slash, name = key.rpartition("/")
    return folder + slash + (name.rpartition(".")[0] or name)


def _index(items: Iterable[str], form: Callable[[str], str]) -> dict[str, list[tuple[str, str]]]:
    """Items by the last part of their key in one form."""
    index: dict[str, list[tuple[str, str]]] = {}
    for item in items:
        key = form(path_key(item))
        index.setdefault(key.rsplit("/", 1)[-1], []).append((key, item))
    return index
