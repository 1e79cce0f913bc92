"""Names of images as people write them in tables and lists, and the images that they mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
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
        self._indices: dict[Callable[[str], str], _Index] = {}

    def find(self, name: str) -> list[str]:
        """Items that the name means: none, one, or several that it does not tell apart."""
        key = path_key(name)
        key = key.removeprefix(self._root)
        if key in self._exact:
            return [self._exact[key]]
        return next((found for form in _FORMS if (found := self._in(form).find(form(key)))), [])

    def _in(self, form: Callable[[str], str]) -> _Index:
        """The items in one form; most tables need but the first."""
        if form not in self._indices:
            self._indices[form] = _Index((form(key), item) for key, item in self._exact.items())
        return self._indices[form]


class _Index:
    """Items by their keys in one form, and by every ending of these."""

    def __init__(self, keys: Iterable[tuple[str, str]]) -> None:
        self._whole: dict[str, list[str]] = {}
        self._ends: dict[str, list[str]] = {}
        for key, item in keys:
            self._whole.setdefault(key, []).append(item)
            for end in endings(key):
                self._ends.setdefault(end, []).append(item)

    def find(self, wanted: str) -> list[str]:
        # A long path may end in "images/a.png" and in "a.png": the longer is meant.
        whole = (self._whole[end] for end in endings(wanted) if end in self._whole)
        return next(whole, None) or self._ends.get(wanted, [])


def endings(path: str) -> Iterator[str]:
    """A path, and what is left of it without its first folders, the longest first."""
    yield path
    while "/" in path:
        path = path.partition("/")[2]
        yield path


def _folded(key: str) -> str:
    return key.casefold()


def _without_suffix(key: str) -> str:
    folder, slash, name = key.rpartition("/")
    return folder + slash + (name.rpartition(".")[0] or name)


_FORMS = (str, _without_suffix, _folded)
