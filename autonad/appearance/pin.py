"""The pin: what the last search was run on. Manifest and appearance of the images, and no pixels.

manifest.parquet   one row per pinned image: image, group, batch, split, sha256
features.parquet   the appearance of each of them
pin.json           key, classes, calibration of the tests; it completes the folder
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from autonad.data.dataset import Dataset
from autonad.errors import DatasetError, StorageError, one_line
from autonad.files import read_json, sha256_file, write_atomic, write_json
from autonad.reading.bounds import Unreadable, folded
from autonad.reading.shape_checks import Shape
from autonad.reading.table_checks import TEXT, Column, read_table

PIN, MANIFEST, FEATURES = "pin.json", "manifest.parquet", "features.parquet"
BROUGHT = "found.json"
"""Which search a pin was brought back from; it stands there alone where there was none."""
PINNED_COLUMNS = ("image", "group", "batch", "split", "sha256")


class PinFile(Shape):
    """`pin.json`."""

    key: str
    classes: list[str]
    calibration: dict[str, Any] | None


@dataclass(frozen=True)
class Pin:
    """The images that a search was run on.

    Attributes:
        manifest: Columns `PINNED_COLUMNS`, sorted by image.
        features: Their appearance, one row per image, as `extract_features` gives it.
        classes: Class names at the time, background first.
        calibration: Measured false-alarm rates of the tests, as JSON values; None where the pin is too small.
    """

    manifest: pd.DataFrame
    features: pd.DataFrame
    classes: tuple[str, ...]
    calibration: dict[str, Any] | None

    @property
    def key(self) -> str:
        """First 12 hexadecimal digits of the sha256 of classes and manifest."""
        rows = self.manifest[list(PINNED_COLUMNS)].to_dict(orient="records")
        canonical = json.dumps([self.classes, rows], separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    @property
    def shown(self) -> frozenset[str]:
        """Names of the defect classes that a pinned image shows."""
        return frozenset(self.classes[index] for classes in self.features["classes"] for index in classes)

    def save(self, folder: Path) -> None:
        """Write the three files; an interruption leaves no `pin.json`, and so no pin."""
        (folder / PIN).unlink(missing_ok=True)
        write_atomic(folder / MANIFEST, lambda path: self.manifest.to_parquet(path, index=False))
        write_atomic(folder / FEATURES, lambda path: self.features.to_parquet(path, index=False))
        write_json(
            folder / PIN,
            {
                "key": self.key,
                "classes": list(self.classes),
                "images": len(self.manifest),
                "groups": int(self.manifest["group"].nunique()),
                "calibration": self.calibration,
            },
        )

    @classmethod
    def load(cls, folder: Path) -> Pin:
        """Read a pin folder.

        Raises:
            StorageError: It is missing, incomplete, or its files do not belong together.
        """
        about = read_json(folder / PIN, "the pin", PinFile)
        remedy = "restore it with `dvc checkout` or `dvc pull`, or force a new search"
        try:
            pin = cls(
                read_table(folder / MANIFEST, dict.fromkeys(PINNED_COLUMNS, TEXT)),
                _features(folder / FEATURES, len(about["classes"])),
                tuple(about["classes"]),
                about["calibration"],
            )
            key = pin.key
            if list(pin.features["image"]) != list(pin.manifest["image"]):
                raise Unreadable(f"{FEATURES} is of other images than {MANIFEST}")
        except (OSError, ValueError) as error:
            raise StorageError(
                f"the pin in {folder} is damaged ({folded(one_line(error))}); {remedy}"
            ) from error
        if key != about.get("key"):
            raise StorageError(
                f"the pin in {folder} says that its key is {folded(about['key'], 40)}, its manifest "
                f"gives {key}; {remedy}"
            )
        return pin


def _features(path: Path, num_classes: int) -> pd.DataFrame:
    columns = {"image": TEXT, "group": TEXT, "batch": TEXT}
    shown = Column("counts", least=1, most=num_classes - 1)
    table = read_table(path, {**columns, "classes": shown}, others=True)
    figures = table.drop(columns=[*columns, "classes"])
    for name, kind in figures.dtypes.items():
        if kind.kind not in "fi" or np.isinf(figures[name]).any():
            raise Unreadable(f"column {folded(str(name), 60)} of {FEATURES} holds no finite numbers")
    return table


def exists(folder: Path) -> bool:
    """Whether the folder holds a complete pin."""
    return (folder / PIN).is_file()


def pin_rows(dataset: Dataset) -> pd.DataFrame:
    """The labelled images of a dataset, which a search can be run on, indexed from 0."""
    return dataset.manifest[dataset.manifest["mask"] != ""].reset_index(drop=True)


def newer_rows(dataset: Dataset, pin: Pin) -> pd.DataFrame:
    """Rows of a dataset whose content is not pinned, indexed from 0."""
    return dataset.manifest[~dataset.manifest["sha256"].isin(set(pin.manifest["sha256"]))].reset_index(
        drop=True
    )


def withdrawn(dataset: Dataset, pin: Pin) -> list[str]:
    """Pinned images that the dataset no longer holds, or holds with other content."""
    here = dict(zip(dataset.manifest["image"], dataset.manifest["sha256"], strict=True))
    return [row.image for row in _rows(pin.manifest) if here.get(row.image) != row.sha256]


def new_classes(dataset: Dataset, pin: Pin) -> list[str]:
    """Defect classes that the dataset names or shows, and the pin does not."""
    defects = dataset.classes[1:]
    named = [name for name in defects if name not in pin.classes]
    totals = [
        sum(int(pixels[index]) for pixels in dataset.manifest["pixels"])
        for index in range(dataset.num_classes)
    ]
    shown = [name for name, total in zip(defects, totals[1:], strict=True) if total]
    return list(dict.fromkeys([*named, *(name for name in shown if name not in pin.shown)]))


def pinned_dataset(dataset: Dataset, pin: Pin) -> Dataset:
    """The pinned images alone, with the split that they were searched with.

    Masks are those of today: a corrected label is no other image.

    Raises:
        DatasetError: The dataset no longer holds a pinned image, or its file has other content.
    """
    gone = withdrawn(dataset, pin)
    if gone:
        raise DatasetError(
            f"{len(gone)} of {len(pin.manifest)} pinned images are not in dataset {dataset.root} as they "
            f"were, the first is {gone[0]}; restore that version of the data (`dvc checkout`), or run "
            "`autonad decide`, which pins what is there"
        )
    splits = dict(zip(pin.manifest["image"], pin.manifest["split"], strict=True))
    rows = dataset.manifest[dataset.manifest["image"].isin(splits)].reset_index(drop=True)
    rows["split"] = rows["image"].map(splits)
    for row in _rows(rows):
        if sha256_file(dataset.root / row.image) != row.sha256:
            raise DatasetError(
                f"{dataset.root / row.image} has not the content that the pin and the manifest name; restore "
                "it with `dvc checkout`, or import the data again"
            )
    return Dataset(dataset.root, dataset.classes, rows, dataset.about)


def searched_images(dataset: Path, pin: Path | None) -> tuple[Dataset, str | None]:
    """The images that a search is run on, and the key of their pin.

    Args:
        dataset: Dataset folder.
        pin: Pin folder; None takes the whole dataset.

    Raises:
        DatasetError: A pinned image is not in the dataset as it was.
        StorageError: The pin is missing or damaged.
    """
    source = Dataset.open(dataset)
    if pin is None:
        return source, None
    found = Pin.load(pin)
    return pinned_dataset(source, found), found.key


def _rows(table: pd.DataFrame) -> Iterable[Any]:
    # The stubs of pandas give every field the union of all types.
    return table.itertuples()
