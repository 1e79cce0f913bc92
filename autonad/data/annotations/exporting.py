"""A dataset as annotations that a labelling tool opens, so that a person can correct labels.

    labelme   images and a JSON file beside each, labels.txt
    coco      images/, annotations/instances_SPLIT.json
    masks     images/, masks/ (index PNG), classes.txt

Each has a groups.csv, so that an import of the corrected folder keeps the parts. Importing it unchanged gives
the same masks, pixel by pixel.
"""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autonad.data.annotations.coco_writer import CocoDocument
from autonad.data.annotations.labelme_writer import BACKGROUND_LABEL, IGNORED_LABEL, labelme_document
from autonad.data.dataset import UNLABELLED, Dataset
from autonad.errors import DatasetError, StorageError
from autonad.files import write_json, write_text_atomic

EXPORTS = ("coco", "labelme", "masks")
Advance = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        images: Images with their masks.
        unlabelled: Images without one.
        shapes: Shapes and bitmaps; 0 for masks.
    """

    images: int
    unlabelled: int
    shapes: int


def export_annotations(
    dataset: Dataset,
    output: Path,
    format: str,
    *,
    split: str | None = None,
    include_unlabelled: bool = False,
    advance: Advance = lambda done, total, text: None,
) -> Exported:
    """Write images and annotations.

    Args:
        dataset: What to export.
        output: Folder to write, which must be empty or not exist.
        format: One of `EXPORTS`.
        split: Only images of this split; None takes all.
        include_unlabelled: Also images that wait for a mask; they come without annotation.
        advance: Told how many of how many images are written.

    Raises:
        DatasetError: The format or the split is unknown, the output holds something, or a file of the dataset
            cannot be read.
        StorageError: The output cannot be written.
    """
    if format not in EXPORTS:
        raise DatasetError(f"format {format!r} cannot be exported; use one of {', '.join(EXPORTS)}")
    rows = dataset.manifest if split is None else dataset.split(split)
    if not include_unlabelled and split != UNLABELLED:
        rows = rows[rows["split"] != UNLABELLED]
    if rows.empty:
        raise DatasetError(f"{dataset.root} has no labelled images; ask for the unlabelled ones, too")
    try:
        if output.is_dir() and any(output.iterdir()):
            raise DatasetError(
                f"output {output} is not empty, so it is not overwritten; choose another folder"
            )
        writer = _WRITERS[format](dataset.classes, output)
        for done, row in enumerate(rows.to_dict(orient="records"), start=1):
            _copy(dataset.root / row["image"], output / writer.place(row))
            if row["mask"]:
                writer.add(dataset, row)
            advance(done, len(rows), "images written")
        writer.finish()
    except OSError as error:
        raise StorageError(
            f"cannot write {output}: {error.strerror or error}; free some space or choose a writable folder"
        ) from error
    write_text_atomic(
        output / "groups.csv", _table((writer.place(row), row["group"]) for _, row in rows.iterrows())
    )
    labelled = int((rows["mask"] != "").sum())
    return Exported(labelled, len(rows) - labelled, writer.shapes)


class _Labelme:
    def __init__(self, classes: Sequence[str], output: Path) -> None:
        self.classes, self.output, self.shapes = classes, output, 0

    def place(self, row: Any) -> str:
        return Path(row["image"]).name

    def add(self, dataset: Dataset, row: dict[Any, Any]) -> None:
        image = self.place(row)
        document = labelme_document(image, dataset.read_mask(row), self.classes)
        self.shapes += len(document["shapes"])
        write_json((self.output / image).with_suffix(".json"), document)

    def finish(self) -> None:
        lines = (IGNORED_LABEL, BACKGROUND_LABEL, *self.classes[1:])
        write_text_atomic(self.output / "labels.txt", "".join(f"{line}\n" for line in lines))


class _Coco:
    def __init__(self, classes: Sequence[str], output: Path) -> None:
        self.classes, self.output, self.shapes = classes, output, 0
        self._documents: dict[str, CocoDocument] = {}

    def place(self, row: Any) -> str:
        return f"images/{Path(row['image']).name}"

    def add(self, dataset: Dataset, row: dict[Any, Any]) -> None:
        document = self._documents.setdefault(row["split"], CocoDocument(self.classes))
        self.shapes += document.add(Path(row["image"]).name, dataset.read_mask(row))

    def finish(self) -> None:
        for split, document in self._documents.items():
            write_json(self.output / "annotations" / f"instances_{split}.json", document.document())


class _Masks:
    def __init__(self, classes: Sequence[str], output: Path) -> None:
        self.classes, self.output, self.shapes = classes, output, 0

    def place(self, row: Any) -> str:
        return f"images/{Path(row['image']).name}"

    def add(self, dataset: Dataset, row: dict[Any, Any]) -> None:
        place = self.output / "masks" / f"{Path(row['image']).stem}.png"
        _copy(dataset.root / row["mask"], place)

    def finish(self) -> None:
        write_text_atomic(self.output / "classes.txt", "".join(f"{name}\n" for name in self.classes[1:]))


_WRITERS: dict[str, type[_Labelme] | type[_Coco] | type[_Masks]] = {
    "labelme": _Labelme,
    "coco": _Coco,
    "masks": _Masks,
}


def _copy(source: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copyfile(source, place)
    except FileNotFoundError as error:
        raise DatasetError(f"{source} does not exist; restore it, or import the data again") from error


def _table(rows: Any) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("image", "group"))
    writer.writerows(rows)
    return buffer.getvalue()
