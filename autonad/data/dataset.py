"""The one on-disk layout of a dataset: a manifest, class names, images, index masks.

    manifest.parquet   one row per image: image, mask, group, batch, split, sha256, mask_sha256, height,
    width,
                       pixels (count of each class index)
    classes.json       class names (index 0 is the background), source format, faults found on import
    images/  masks/    PNG, JPEG or BMP; index PNG of the same size, 255 = ignore
    quarantine/        faulty items with the reason for each; never read by training

Ingested batches add batches.json, ingested.parquet and fingerprints.parquet (see `ledger.py` and
`fingerprints.py`). An image that still waits for its mask is in the split "unlabelled", with an empty `mask`
and no pixels; training and evaluation never see it.

Readers of published layouts and the generator of synthetic images all write this layout; everything else
reads it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from autonad.data.images import IGNORE, MAX_PIXELS, read_image, read_mask
from autonad.errors import DatasetError, one_line
from autonad.reading.bounds import Unreadable, folded, parse_json, read_bytes
from autonad.reading.shape_checks import Shape, check_shape
from autonad.reading.table_checks import TEXT, Column, read_table

BACKGROUND = "background"
SPLITS = ("train", "val", "test")
UNLABELLED = "unlabelled"
COLUMNS = ("image", "mask", "group", "batch", "split", "sha256", "mask_sha256", "height", "width", "pixels")
MANIFEST = "manifest.parquet"
CLASSES = "classes.json"
# As the file has them; sides of an image and its pixels fit into a sample's memory by far.
_TABLE = {
    **dict.fromkeys(("image", "mask", "group", "batch", "split", "sha256"), TEXT),
    "mask_sha256": Column("text", optional=True),
    **dict.fromkeys(("height", "width"), Column("count", least=1, most=10**6)),
    "pixels": Column("counts", least=0, most=10**12),
}
# While an ingest brings new classes, classes.json names both lists; the manifest decides which one holds.
NEXT_CLASSES = "next_classes"


class FaultFile(Shape):
    """A fault that an import found."""

    severity: Literal["error", "warning", "info"]
    kind: str
    item: str
    message: str


class AboutFile(Shape):
    """What is relied on in classes.json, beside the names."""

    faults: list[FaultFile] = Field([])
    reading: dict[str, Any] | None = None


class Dataset:
    """A dataset on disk, opened for reading.

    Attributes:
        root: Its folder.
        classes: Names by index; index 0 is "background".
        manifest: One row per image (see the module's text), sorted by image, indexed from 0.
        about: The other entries of classes.json: "format", and "faults" found on import.
    """

    def __init__(
        self, root: Path, classes: Iterable[str], manifest: pd.DataFrame, about: dict[str, Any]
    ) -> None:
        self.root = root
        self.classes = tuple(classes)
        self.manifest = manifest
        self.about = about

    @classmethod
    def open(cls, path: Path | str) -> Dataset:
        """Open a dataset folder.

        Raises:
            DatasetError: The folder is missing, is no dataset, is empty or has a damaged manifest.
        """
        root = Path(path)
        if not root.is_dir():
            old = root.with_name(f".{root.name}.old") if root.name else root
            remedy = "make one with `autonad import-data` or `synthesize`"
            if old.is_dir():
                remedy = f"an import was cut off when it was to replace it; `mv {old} {root}` brings it back"
            raise DatasetError(f"dataset {root} does not exist; {remedy}")
        if not is_dataset(root):
            raise DatasetError(
                f"{root} is no dataset: it lacks {MANIFEST} or {CLASSES}; make one from your images with "
                "`autonad import-data`"
            )
        about = read_about(root)
        classes = check_classes(about.pop("classes"))
        upcoming = tuple(about.pop(NEXT_CLASSES, classes))
        manifest, classes = _read_manifest(root / MANIFEST, classes, upcoming)
        if manifest.empty:
            raise DatasetError(f"dataset {root} holds no images; import some with `autonad import-data`")
        return cls(root, classes, manifest, about)

    @property
    def num_classes(self) -> int:
        """Classes including the background."""
        return len(self.classes)

    @property
    def image_reading(self) -> dict[str, Any] | None:
        """How its sources' image files became pixels, plain JSON values; None if it does not say."""
        about = self.about.get("reading")
        return about.get("images") if isinstance(about, dict) else None

    def split(self, name: str) -> pd.DataFrame:
        """Rows of one split ("train", "val" or "test"), indexed from 0.

        Raises:
            DatasetError: The split is unknown or holds no images.
        """
        rows = self.manifest[self.manifest["split"] == name].reset_index(drop=True)
        if rows.empty:
            known = folded(", ".join(sorted(self.manifest["split"].unique())), 100)
            raise DatasetError(f"dataset {self.root} has no images in split {name!r}; it has {known}")
        return rows

    @cached_property
    def fingerprint(self) -> str:
        """Sha256 (hex) of classes and manifest, whatever the order of rows."""
        rows = self.manifest[list(COLUMNS)].sort_values("image").to_dict(orient="records")
        canonical = json.dumps(
            [self.classes, rows], default=lambda value: value.tolist(), separators=(",", ":")
        )
        return hashlib.sha256(canonical.encode()).hexdigest()

    def read_image(self, row: Any) -> np.ndarray:
        """Image of a manifest row (or of a path relative to the root) as uint8 (H, W, 3).

        Raises:
            DatasetError: The file is missing, unreadable, gigantic, or of another size than the manifest
                says.
        """
        image = read_image(self._path(row, "image"), max_pixels=_most_pixels(row))
        self._check_size(row, image, "image")
        return image

    def read_mask(self, row: Any) -> np.ndarray:
        """Mask of a manifest row (or of a path relative to the root) as uint8 (H, W); 255 is "ignore".

        Raises:
            DatasetError: The image has no mask yet, or the file is missing or unreadable, has another size
                than its image, or holds a value that is neither a class index nor 255.
        """
        path = self._path(row, "mask")
        if path == self.root:
            raise DatasetError(
                f"an image of {self.root} has no mask yet: it is unlabelled; ingest its mask, or leave the "
                f"split {UNLABELLED!r} out"
            )
        mask = read_mask(path, max_pixels=_most_pixels(row))
        if mask.ndim != 2:
            raise DatasetError(f"mask {path} is a colour image; save one class index per pixel")
        self._check_size(row, mask, "mask")
        unknown = unknown_values(mask, self.num_classes)
        if unknown:
            raise DatasetError(
                f"mask {path} holds the values {unknown}; this dataset has the class indices 0 to "
                f"{self.num_classes - 1}, and 255 for pixels to ignore",
                "unknown-value",
            )
        return mask

    def _path(self, row: Any, column: str) -> Path:
        if isinstance(row, str | Path):
            return self.root / row
        return self.root / (row[column] if isinstance(row, pd.Series | dict) else getattr(row, column))

    def _check_size(self, row: Any, array: np.ndarray, what: str) -> None:
        if isinstance(row, str | Path):
            return
        get = row.__getitem__ if isinstance(row, pd.Series | dict) else lambda name: getattr(row, name)
        expected = (int(get("height")), int(get("width")))
        if array.shape[:2] != expected:
            raise DatasetError(
                f"{what} {self._path(row, what)} is {array.shape[0]} × {array.shape[1]} pixels, "
                f"the manifest says {expected[0]} × {expected[1]}; restore the file, or import the data "
                "again",
                "size-mismatch",
            )


def _most_pixels(row: Any) -> int:
    """What an image of a manifest row may have: it was imported, so as many as it had then."""
    if isinstance(row, str | Path):
        return MAX_PIXELS
    get = row.__getitem__ if isinstance(row, pd.Series | dict) else lambda name: getattr(row, name)
    return max(MAX_PIXELS, int(get("height")) * int(get("width")))


def is_dataset(root: Path) -> bool:
    """Whether a folder has the two files that make it a dataset."""
    return (root / MANIFEST).is_file() and (root / CLASSES).is_file()


def unknown_values(mask: np.ndarray, num_classes: int) -> list[int]:
    """Values of an index mask that are neither a class index nor 255."""
    present = np.flatnonzero(np.bincount(mask.ravel(), minlength=256))
    return [int(value) for value in present if value >= num_classes and value != IGNORE]


def count_pixels(mask: np.ndarray, num_classes: int) -> list[int]:
    """Pixels of each class index in an index mask; ignored pixels are not counted."""
    return [int(n) for n in np.bincount(mask.ravel(), minlength=256)[:num_classes]]


def check_classes(names: Iterable[str]) -> tuple[str, ...]:
    """Class names as a tuple that starts with "background".

    Raises:
        DatasetError: There is no class besides the background, a name is empty or doubled, or there are over
            254.
    """
    classes = tuple(str(name).strip() for name in names)
    if classes[:1] != (BACKGROUND,):
        classes = (BACKGROUND, *classes)
    if len(classes) < 2 or len(classes) > IGNORE:
        raise DatasetError(f"got {len(classes) - 1} defect classes; name between 1 and 254 of them")
    if len(set(classes)) != len(classes) or not all(classes):
        named = f"{list(classes[1:])!r:.300}"
        raise DatasetError(f"class names are {named}; give each defect one name of its own")
    return classes


def read_about(root: Path) -> dict[str, Any]:
    """The content of a dataset's classes.json, which names its classes.

    Raises:
        DatasetError: It is missing or damaged.
    """
    path = root / CLASSES
    try:
        content = parse_json(read_bytes(path))
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"the list of classes at {path} cannot be read: {one_line(error)}; restore it, or import the "
            "data again"
        ) from error
    about = content if isinstance(content, dict) else {"classes": content}
    for key in ("classes", NEXT_CLASSES):
        names = about.get(key, [] if key == NEXT_CLASSES else None)
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise DatasetError(
                f'{path} must hold {{"{key}": ["background", "scratch", ...]}}; got '
                f"{folded(repr(content), 80)}"
            )
    try:
        check_shape(about, AboutFile)
    except Unreadable as error:
        raise DatasetError(f"{path} is damaged: {error}; restore it, or import the data again") from error
    return about


def _read_manifest(
    path: Path, classes: tuple[str, ...], upcoming: tuple[str, ...]
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The manifest and the classes that it counts: the present ones, or those of an ingest cut short."""
    remedy = "restore it, or import the data again"
    try:
        manifest = read_table(path, _TABLE)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read: {one_line(error)}; {remedy}") from error
    # "mask_sha256" may be absent in a manifest written by other tools; it then does not distinguish datasets.
    if "mask_sha256" not in manifest:
        manifest["mask_sha256"] = ""
    lengths = {len(value) for value in manifest["pixels"]}
    if lengths == {len(upcoming)}:
        classes = upcoming
    if lengths - {len(classes)}:
        raise DatasetError(
            f"{path} counts pixels of {sorted(lengths)} classes, {CLASSES} names {len(classes)}; {remedy}"
        )
    for column in ("image", "mask"):
        for value in manifest[column]:
            if Path(value).is_absolute() or ".." in Path(value).parts:
                raise DatasetError(
                    f"{path} names {folded(value, 60)!r}, which lies outside of the dataset; {remedy}"
                )
    if manifest["image"].duplicated().any() or (manifest["image"] == "").any():
        raise DatasetError(f"{path} has an image twice, or one without a name; {remedy}")
    return manifest.sort_values("image", kind="stable").reset_index(drop=True), classes
