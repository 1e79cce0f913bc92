"""From what annotation files say about images to a layout: which image is meant, and what is left over."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autonad.console import as_text
from autonad.data.annotations.documents import end_of
from autonad.data.annotations.matching import ImageIndex
from autonad.data.annotations.sketch import Notes, Sketch, class_names
from autonad.data.faults import Fault
from autonad.data.layouts.layout import Layout, Record, Wanted
from autonad.data.layouts.tree import Tree, suffix_of
from autonad.errors import DatasetError


@dataclass(frozen=True, slots=True)
class Found:
    """An image that an annotation file describes.

    Attributes:
        file: The annotation file.
        image: The image file; the annotation file itself where that holds the image.
        notes: See `Sketch.notes`.
        split: The split that the user put it into, if any.
        is_empty: Whether the file is known to say that it shows nothing.
        is_embedded: See `Record`.
    """

    file: Path
    image: Path
    notes: Callable[[tuple[int, int]], Notes]
    split: str | None = None
    is_empty: bool = False
    is_embedded: bool = False


@dataclass
class Collection:
    """What a reader has found in a source.

    Attributes:
        format: Name of the reader.
        tree: Its files.
        index: The images among them.
        files: How many annotation files were read.
        found: The images that they describe.
        labels: The labels that they use, in the order that gives the class indices.
        faults: What is wrong with files, rather than with images.
    """

    format: str
    tree: Tree
    index: ImageIndex
    files: int = 0
    found: list[Found] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @classmethod
    def of(cls, format: str, tree: Tree) -> Collection:
        """An empty one, of all images in a source."""
        return cls(format, tree, ImageIndex(tree.root, map(tree.path, tree.images(recursive=True))))

    @property
    def source(self) -> Path:
        """The folder that holds the files."""
        return self.tree.root

    def item(self, path: Path) -> str:
        """What a file is called in messages."""
        return as_text(path.relative_to(self.source).as_posix())

    def folders(self, path: Path | None) -> tuple[str, ...]:
        """The folders below the source in which a file lies."""
        return () if path is None else path.relative_to(self.source).parts[:-1]

    def fault(self, path: Path, error: DatasetError) -> None:
        """Note that an annotation file cannot be used."""
        self.faults.append(Fault("error", "annotation", self.item(path), str(error)))

    def fault_within(self, path: Path, reference: str, error: DatasetError) -> None:
        """Note that what an annotation file says about one image cannot be used."""
        self.faults.append(
            Fault("error", "annotation", end_of(reference, 300) or "?", f"{self.item(path)}: {error}")
        )

    def warn(self, kind: str, item: str, message: str) -> None:
        """Note what the user should know."""
        self.faults.append(Fault("warning", kind, item, message))

    def add(self, found: Found, reference: str) -> None:
        """Add an image, unless its file is missing (`found.image` is then the source folder)."""
        if found.image == self.source:
            message = f"{self.item(found.file)} describes it, but it is not there; put it back or take it out"
            self.faults.append(Fault("error", "missing-image", end_of(reference, 300) or "?", message))
        else:
            self.found.append(found)

    def layout(self, wanted: Wanted, *, looked_for: str, expected: str) -> Layout:
        """The records of the source.

        Args:
            wanted: Names that the user gives, and names to fall back to; with these a source without
                annotations has only unlabelled images.
            looked_for: Which annotation files the format has, for the message when there are none.
            expected: What an image lacks that none of them describes.

        Raises:
            DatasetError: There are no annotation files, or the classes cannot be told.
        """
        if not self.files and wanted.known is None:
            said = f" ({self.faults[0].item}: {self.faults[0].message})" if self.faults else ""
            raise DatasetError(
                f"{self.source} is not in the format {self.format}: it holds no {looked_for}{said}"
            )
        if not self.found and wanted.known is None and self.faults:
            fault = self.faults[0]
            raise DatasetError(f"{self.source} holds no annotated image; {fault.item}: {fault.message}")
        names = class_names(self.labels, wanted.classes, wanted.known, self.source)
        by_image = defaultdict(list)
        for one in self.found:
            by_image[one.image].append(one)
        records = [self._record(one[0], names) for one in by_image.values() if len(one) == 1]
        faults = [*self.faults, *self._ambiguous(by_image.values())]
        faults += [
            Fault("error", "missing-mask", self.item(path), f"it has no annotation; expected {expected}")
            for path in self.index.images
            if path not in by_image
        ]
        empty = sum(one[0].is_empty for one in by_image.values() if len(one) == 1)
        if empty:
            message = f"{empty} images have no shapes; in the format {self.format} they are free of defects"
            faults.append(Fault("warning", "no-shapes", self.source.name, message))
        return Layout(self.format, self.source, names, tuple(records), tuple(faults))

    def _record(self, found: Found, classes: tuple[str, ...]) -> Record:
        item = self.item(found.image)
        drawing = Sketch(found.file, item, classes, found.notes)
        return Record.of(
            found.image, item, (), published_split=found.split, drawing=drawing, is_embedded=found.is_embedded
        )

    def _ambiguous(self, found: Iterable[Sequence[Found]]) -> list[Fault]:
        faults = []
        for several in found:
            if len(several) > 1:
                files = ", ".join(sorted(self.item(one.file) for one in several)[:3])
                message = f"it is described {len(several)} times ({files}); keep one description"
                faults.append(Fault("error", "ambiguous", self.item(several[0].image), message))
        return faults


def annotation_files(tree: Tree, *suffixes: str) -> list[Path]:
    """Files of a source with one of these suffixes (lower case), in a stable order."""
    return [tree.path(key) for key in tree.files if suffix_of(key) in suffixes]


def mentions(path: Path, *words: bytes, limit: int = 2**26) -> bool:
    """Whether the beginning of a file holds all of these words; a quick look, nothing is parsed."""
    try:
        with path.open("rb") as handle:
            content = handle.read(limit)
    except OSError:
        return False
    return all(word in content for word in words)


def evidence(tree: Tree, suffix: str, words: Sequence[bytes], what: str) -> str | None:
    """What a look at the first files of a suffix shows: how many look right; None if none does."""
    files = annotation_files(tree, suffix)
    looked = files[:20]
    matching = sum(mentions(path, *words) for path in looked)
    if not matching:
        return None
    count = str(matching) if len(files) == len(looked) else f"{len(files)}"
    return f"{count} {what}, such as {next(p for p in looked if mentions(p, *words)).relative_to(tree.root)}"
