"""A source folder as readers of layouts see it: walked once, without what may not or cannot be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from autonad.console import as_text
from autonad.data.faults import Fault
from autonad.data.images import IMAGE_SUFFIXES
from autonad.errors import DatasetError
from autonad.storage.walking import by_parts, walk


@dataclass(frozen=True)
class Tree:
    """A folder's files by their paths relative to it, with forward slashes; nothing hidden.

    Attributes:
        root: The folder, as the user named it.
        files: Its regular files, sorted by folder and name.
        folder_names: Its folders, "" for itself.
        faults: What may not or cannot be read: links out of it, loops, pipes, files that are too large.
    """

    root: Path
    files: Sequence[str]
    folder_names: frozenset[str]
    faults: tuple[Fault, ...] = ()

    @classmethod
    def of(cls, root: Path, max_bytes: int | None) -> Tree:
        """Walk a folder.

        Args:
            root: The folder.
            max_bytes: Larger files are faults. None for a folder of our own making: then links may leave it.

        Raises:
            DatasetError: It is no folder, or cannot be listed.
        """
        if not root.is_dir():
            raise DatasetError(f"source folder {root} does not exist; check the path")
        found = walk(root, links_out=max_bytes is None)
        faults = [Fault("error", "unreadable", key, why) for key, why in sorted(found.problems.items())]
        files = []
        for key in by_parts(found.files):
            size, _ = found.files[key]
            if max_bytes is not None and size > max_bytes:
                faults.append(too_large(key, size, max_bytes))
            else:
                files.append(key)
        return cls(root, files, frozenset(found.folders), tuple(faults))

    def under(self, folder: str) -> Tree:
        """One of its folders, as a source of its own."""
        prefix = f"{folder}/"
        inner = (key[len(prefix) :] for key in (*self.folder_names, f"{folder}/") if key.startswith(prefix))
        files = [key[len(prefix) :] for key in self.files if key.startswith(prefix)]
        return Tree(self.root / folder, files, frozenset(inner))

    def real(self, key: str) -> str:
        """A file's key in the source; another one only where a source is seen rearranged."""
        return key

    def path(self, key: str) -> Path:
        """Where a file lies."""
        return self.root / self.real(key)

    def has(self, key: str) -> bool:
        """Whether there is such a file."""
        folder, _, name = key.rpartition("/")
        return name in self._by_folder.get(folder, ())

    def images(self, folder: str = "", *, recursive: bool = False) -> list[str]:
        """Image files of a folder, "" for the source itself, in a stable order."""
        if recursive:
            prefix = f"{folder}/" if folder else ""
            return [key for key in self._images if key.startswith(prefix)]
        prefix = f"{folder}/" if folder else ""
        return [prefix + name for name in self._by_folder.get(folder, ()) if is_image(name)]

    def inner(self, folder: str = "") -> list[str]:
        """Names of the folders directly inside a folder."""
        prefix = f"{folder}/" if folder else ""
        inside = (key[len(prefix) :] for key in self.folder_names if key and key.startswith(prefix))
        return sorted(name for name in inside if "/" not in name)

    def with_suffix(self, *suffixes: str, folder: str = "") -> list[str]:
        """Files directly in a folder whose name ends so, in whatever case."""
        prefix = f"{folder}/" if folder else ""
        names = self._by_folder.get(folder, ())
        return [prefix + name for name in names if name.lower().endswith(suffixes)]

    def folder(self, name: str) -> str:
        """The folder of a name, which may be written in another case.

        Raises:
            DatasetError: There is none; the message says what there is.
        """
        found = self.find_folder(name)
        if found is None:
            raise DatasetError(f"{self.root} lacks the folder {name!r}; it holds {self.summary()}")
        return found

    def find_folder(self, name: str) -> str | None:
        """As `folder`, None if there is none."""
        if name in self.folder_names:
            return name
        alike = [key for key in self.folder_names if key.casefold() == name.casefold()]
        return alike[0] if len(alike) == 1 else None

    def text(self, key: str) -> str:
        """Content of a text file: UTF-8 with or without a mark, wrong bytes replaced."""
        try:
            return self.path(key).read_text(encoding="utf-8-sig", errors="replace")
        except OSError as error:
            raise DatasetError(f"{self.path(key)} cannot be read: {error.strerror}") from error

    def head(self, key: str) -> str:
        """The first line of a text file, as far as it is reasonable; "" if it cannot be read."""
        try:
            with self.path(key).open("rb") as file:
                return file.readline(4096).decode("utf-8-sig", "replace")
        except OSError:
            return ""

    def summary(self, most: int = 3) -> str:
        """What there is at the top, the largest first: folders with what they hold, then files."""
        counted = sorted(
            ((len(self.images(name, recursive=True)), name) for name in self.inner()), reverse=True
        )
        said = [f"{as_text(name)}/ ({count} images)" for count, name in counted]
        loose = self._by_folder.get("", ())
        images = sum(is_image(name) for name in loose)
        said += [f"{images} images"] if images else []
        said += [as_text(name) for name in loose if not is_image(name)]
        more = f" and {len(said) - most} more" if len(said) > most else ""
        return (", ".join(said[:most]) or "nothing that is not hidden") + more

    @cached_property
    def _images(self) -> list[str]:
        return [key for key in self.files if is_image(key)]

    @cached_property
    def _by_folder(self) -> Mapping[str, Mapping[str, None]]:
        folders: dict[str, dict[str, None]] = {}
        for key in self.files:
            folder, _, name = key.rpartition("/")
            folders.setdefault(folder, {})[name] = None
        return folders


def is_image(name: str) -> bool:
    """Whether a file's name is one of an image that can be read."""
    return suffix_of(name) in IMAGE_SUFFIXES


def suffix_of(key: str) -> str:
    """Suffix of a file's name in lower case, with its dot; "" if it has none."""
    name = key.rpartition("/")[2]
    dot = name.rfind(".")
    return name[dot:].lower() if dot > 0 else ""


def too_large(key: str, size: int, max_bytes: int) -> Fault:
    """The fault of a file above the limit."""
    message = (
        f"it has {size / 2**20:.0f} MiB, at most {max_bytes / 2**20:g} are read; raise data.max_megabytes if "
        "it is an image"
    )
    return Fault("error", "too-large", key, message)


def split_stem(key: str) -> str:
    """A key without the suffix of its file."""
    folder, slash, name = key.rpartition("/")
    dot = name.rfind(".")
    return folder + slash + (name[:dot] if dot > 0 else name)
