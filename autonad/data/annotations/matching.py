"""Which image an annotation file means: paths of another machine, URLs, names with and without folders."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from autonad.data.annotations.documents import end_of
from autonad.data.layouts.naming import endings
from autonad.data.layouts.pairing import normal
from autonad.data.layouts.published_split import SPLIT_WORDS
from autonad.data.layouts.tree import split_stem
from autonad.errors import DatasetError

# Label Studio puts eight digits before the name of a file that was uploaded.
_UPLOADED = re.compile(r"^[0-9a-f]{8}-(?=.)")


class ImageIndex:
    """The images of a source, to be found by what annotation files call them.

    Args:
        source: Folder to which paths are relative.
        images: The files in it.
    """

    def __init__(self, source: Path, images: Iterable[Path]) -> None:
        self.source = source
        self._keys: dict[Path, str] = {}
        self._by_end: dict[str, list[Path]] = defaultdict(list)
        self._by_stem: dict[str, list[Path]] = defaultdict(list)
        for path in images:
            key = normal(path.relative_to(source).as_posix())
            self._keys[path] = key
            self._by_stem[split_stem(key)].append(path)
            for end in endings(key):
                self._by_end[end].append(path)

    @property
    def images(self) -> Collection[Path]:
        """The files."""
        return self._keys.keys()

    def __contains__(self, path: Path) -> bool:
        return path in self._keys

    def find(self, reference: str, *, near: Sequence[str] = ()) -> Path | None:
        """The image that a reference means.

        Of images with its file name, the one whose path agrees with most folders of the reference; of those
        with equally many, the one whose folders agree with `near`.

        Args:
            reference: A path, with either slash and from whatever machine, or a URL.
            near: Folders where it is to be expected, the best first: "train", "images".

        Returns:
            The file; None if no image has the name.

        Raises:
            DatasetError: Several images fit equally well.
        """
        parts = [normal(part) for part in re.split(r"[\\/]+", reference) if part not in ("", ".")]
        if parts and parts[-1] not in self._by_end and _UPLOADED.match(parts[-1]):
            parts[-1] = _UPLOADED.sub("", parts[-1])
        key = "/".join(parts)
        candidates = next((self._by_end[end] for end in endings(key) if end in self._by_end), [])
        return self._best(candidates, key, [normal(part) for part in near], reference)

    def beside(self, path: Path) -> Path | None:
        """The image of the same name without suffix in the folder of a file.

        Raises:
            DatasetError: There are several.
        """
        key = normal(path.relative_to(self.source).as_posix())
        return self._best(self._by_stem.get(split_stem(key), []), key, [], path.name)

    def _best(self, candidates: Sequence[Path], key: str, near: Sequence[str], reference: str) -> Path | None:
        """The candidate whose path is the key, else the one with the best folders."""
        if len(candidates) < 2:
            return candidates[0] if candidates else None

        def rank(path: Path) -> tuple[bool, ...]:
            own = self._keys[path]
            folders = own.split("/")[:-1]
            return (own == key, *(folder in folders for folder in near))

        best, second = sorted(candidates, key=rank, reverse=True)[:2]
        if rank(best) == rank(second):
            some = ", ".join(self._keys[path] for path in sorted(candidates)[:3])
            raise DatasetError(
                f"{end_of(reference)} may mean any of {len(candidates)} images ({some}); write it with its "
                "folder"
            )
        return best


def local_path(reference: str) -> str:
    """The path in what Label Studio calls an image: a URL, an upload, or a file of its storage (`?d=…`)."""
    try:
        split = urlsplit(reference)
    except ValueError:
        return reference
    stored = parse_qs(split.query).get("d")
    path = split.netloc + split.path if split.scheme or split.query else reference
    return unquote(stored[0] if stored else path)


def split_of(parts: Iterable[str]) -> str | None:
    """The split that folder or file names stand for: train, val or test."""
    words = (word for part in parts for word in re.split(r"[^a-z]+", part.lower()))
    return next((SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS), None)
