"""The shapes of one image as an index mask, and what there is to say about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autonad.console import some
from autonad.data.annotations.marks import Mark
from autonad.data.annotations.raster import paint
from autonad.data.dataset import BACKGROUND, check_classes
from autonad.data.faults import Fault
from autonad.data.images import IGNORE
from autonad.errors import DatasetError

IGNORED = "ignore"
_BACKGROUND = frozenset({BACKGROUND, "_background_", "__background__"})
_IGNORED = frozenset({IGNORED, "__ignore__", "_ignore_"})


@dataclass(frozen=True, slots=True)
class Notes:
    """What an annotation file says about one image.

    Attributes:
        marks: Its shapes; a later one wins.
        size: Height and width that the file says the image has, if it does.
        undrawable: Annotations that mark no area, each in words.
    """

    marks: tuple[Mark, ...]
    size: tuple[int, int] | None = None
    undrawable: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sketch:
    """What an annotation file says about an image: a `Drawing` (see `layouts/layout.py`).

    Attributes:
        file: The annotation file.
        item: The image's name in messages.
        classes: Names by index, background first.
        notes: Gives what the file says, from memory or by reading it; called with the image's height and
            width, which relative positions need.
    """

    file: Path
    item: str
    classes: tuple[str, ...]
    notes: Callable[[tuple[int, int]], Notes]

    @property
    def files(self) -> tuple[Path, ...]:
        """The annotation file."""
        return (self.file,)

    def draw(self, size: tuple[int, int]) -> tuple[np.ndarray, list[Fault]]:
        """The mask of the image; see `Drawing.draw`."""
        notes = self.notes(size)
        if notes.size is not None and notes.size != size:
            raise DatasetError(
                f"{self.file.name} is about an image of {notes.size[0]} × {notes.size[1]} pixels, this one "
                f"has {size[0]} × {size[1]}, so its shapes would be displaced; use the annotated image"
            )
        if notes.undrawable:
            listed = "; ".join(notes.undrawable[:3]) + (" ..." if len(notes.undrawable) > 3 else "")
            raise DatasetError(
                f"{len(notes.undrawable)} annotations of {self.file.name} cannot be drawn: {listed}; "
                "outline the defect by a polygon, or take the annotation out"
            )
        try:
            painted = paint([(m.shape, class_index(m.label, self.classes)) for m in notes.marks], size)
        except DatasetError as error:
            raise DatasetError(f"{self.file.name}: {error}") from error
        said = (
            (painted.overlap, "shape-overlap", "pixels belong to several shapes; the later shape wins"),
            (painted.clipped, "shape-clipped", "shapes reach out of the image and are cut at its border"),
            (painted.outside, "shape-outside", "shapes lie outside of the image or are empty; check them"),
            (painted.thin, "shape-thin", "shapes are thinner than a pixel; the pixels they pass are taken"),
        )
        faults = [
            Fault("warning", kind, self.item, f"{self.file.name}: {n} {text}") for n, kind, text in said if n
        ]
        return painted.mask, faults


@dataclass(frozen=True, slots=True)
class Told:
    """Notes that are in memory."""

    notes: Notes

    def __call__(self, size: tuple[int, int]) -> Notes:
        """See `Sketch.notes`."""
        return self.notes


def class_index(label: str, classes: Sequence[str]) -> int:
    """The index that a label stands for: 255 for "ignore", 0 for the background.

    Raises:
        DatasetError: It is none of the classes.
    """
    if label in _IGNORED:
        return IGNORE
    if label in _BACKGROUND:
        return 0
    if label not in classes:
        raise DatasetError(f"the label {label!r:.60} is none of the classes {some(classes[1:], 8)}")
    return classes.index(label)


def class_names(
    found: Iterable[str], classes: Sequence[str] | None, known: Sequence[str] | None, source: Path
) -> tuple[str, ...]:
    """Names by index of the labels that annotation files hold.

    Args:
        found: The labels, in their order; those for background and "ignore" are left out.
        classes: Names that the user gives instead.
        known: Names to fall back to where no label was found.
        source: Folder of the annotation files, for the message.

    Raises:
        DatasetError: There is no class, there are too many, or names are doubled.
    """
    labels = [label for label in dict.fromkeys(found) if label not in _IGNORED | _BACKGROUND]
    names = classes if classes is not None else labels or known
    if not names:
        raise DatasetError(
            f"the annotations in {source} name no class of defect; check that defects are drawn, or name the "
            "classes"
        )
    return check_classes(names)


def label_of(value: object) -> str:
    """A label as text without blanks around it.

    Raises:
        DatasetError: It is neither text nor a number, or empty.
    """
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not text:
        raise DatasetError(f"a shape has the label {value!r:.60}; give it the name of a class")
    return text
