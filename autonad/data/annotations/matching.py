"""Which image an annotation file means: paths of another machine, URLs, names with and without folders."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from autonad.data.annotations.documents import end_of
from autonad.data.layouts.pairing import normal
from autonad.data.layouts.published_split import SPLIT_WORDS
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
        self.images = tuple(images)
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        self._by_stem: dict[str, list[Path]] = defaultdict(list)
        self._parts: dict[Path, tuple[str, ...]] = {}
        for path in self.images:
            parts = tuple(normal(part) for part in path.relative_to(source).parts)
            self._parts[path] = parts
            self._by_name[parts[-1]].append(path)
            self._by_stem[parts[-1].rpartition(".")[0]].append(path)

    def __contains__(self, path: Path) -> bool:
        return path in self._parts

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
        parts = tuple(normal(part) for part in re.split(r"[\\/]+", reference) if part not in ("", "."))
        if not parts:
            return None
        candidates = self._by_name.get(parts[-1], [])
        if not candidates and _UPLOADED.match(parts[-1]):
            parts = (*parts[:-1], _UPLOADED.sub("", parts[-1]))
            candidates = self._by_name.get(parts[-1], [])
        return self._best(candidates, parts, tuple(normal(part) for part in near), reference)

    def beside(self, path: Path) -> Path | None:
        """The image of the same name without suffix in the folder of a file.

        Raises:
            DatasetError: There are several.
        """
        parts = tuple(normal(part) for part in path.relative_to(self.source).parts)
        found = [
            image
            for image in self._by_stem.get(parts[-1].rpartition(".")[0], ())
            if self._parts[image][:-1] == parts[:-1]
        ]
        return self._best(found, parts, (), path.name)

    def _best(
        self, candidates: Sequence[Path], parts: tuple[str, ...], near: tuple[str, ...], reference: str
    ) -> Path | None:
        if len(candidates) < 2:
            return candidates[0] if candidates else None
        ranked = sorted(candidates, key=lambda path: self._rank(path, parts, near), reverse=True)
        if self._rank(ranked[0], parts, near) == self._rank(ranked[1], parts, near):
            some = ", ".join(path.relative_to(self.source).as_posix() for path in sorted(ranked)[:3])
            raise DatasetError(
                f"{end_of(reference)} may mean any of {len(ranked)} images ({some}); write it with its folder"
            )
        return ranked[0]

    def _rank(self, path: Path, parts: tuple[str, ...], near: tuple[str, ...]) -> tuple[int, ...]:
        own = self._parts[path]
        common = 0
        for mine, theirs in zip(reversed(own), reversed(parts), strict=False):
            if mine != theirs:
                break
            common += 1
        is_exact = int(own == parts)
        return (is_exact, common, *(int(folder in own[:-1]) for folder in near))


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
