"""Writing a dataset as a whole: it appears complete in one step, or what was there before stays."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd

from autonad.data.dataset import (
    CLASSES,
    COLUMNS,
    MANIFEST,
    Dataset,
    check_classes,
    count_pixels,
    is_dataset,
    unknown_values,
)
from autonad.data.exchange import bring_back, put_in_place
from autonad.data.images import encode_png
from autonad.errors import DatasetError, StorageError
from autonad.files import cell, write_json

INITIAL = "initial"  # the batch of images that no ingest brought


class DatasetWriter:
    """Collects images and masks in a hidden sibling folder and renames it at the end.

    Use it as a context manager; without a call of `finish` (or of `put`, which is given everything) nothing
    appears. Equal input gives equal files.

    Args:
        output: Folder of the dataset.
        classes: Class names; the background may be left out.
        source: Folder that is being imported, which the output must not contain.
        replace: An older dataset at the output is replaced; else it is refused, as any other content is.

    Raises:
        DatasetError: The output is not empty, or contains the source.
        StorageError: The folder cannot be written.
    """

    def __init__(
        self, output: Path, *, classes: Sequence[str], source: Path | None = None, replace: bool = False
    ) -> None:
        self.output = Path(os.path.abspath(output))
        self.classes = check_classes(classes)
        self._building = self.output.with_name(f".{self.output.name}.building")
        self._rows: list[dict[str, Any]] = []
        self._names: set[str] = set()
        if source is not None and Path(source).resolve().is_relative_to(self.output.resolve()):
            raise DatasetError(f"output {output} contains the source {source}; choose another output folder")
        if self.output.exists() and not self.output.is_dir():
            raise DatasetError(f"output {output} is a file; choose a folder")
        with _storage(self.output):
            bring_back(self.output)
        require_free(output, replace=replace)

    def __enter__(self) -> DatasetWriter:
        shutil.rmtree(self._building, ignore_errors=True)
        with _storage(self.output):
            self.output.parent.mkdir(parents=True, exist_ok=True)
            self._building.mkdir()  # Refused where somebody has put a link.
            for folder in ("images", "masks", "quarantine", self.made.name):
                (self._building / folder).mkdir()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._building, ignore_errors=True)

    @property
    def folder(self) -> Path:
        """Where the dataset is being built."""
        return self._building

    @property
    def made(self) -> Path:
        """Where files may wait for `put`."""
        return self._building / ".made"

    def add(self, image: np.ndarray, mask: np.ndarray, *, name: str, group: str) -> None:
        """Add one image.

        Args:
            image: uint8 (H, W, 3) or (H, W).
            mask: uint8 (H, W) of class indices, 255 = ignore, of the image's size.
            name: File name without suffix; made unique and safe if need be.
            group: The physical part that is shown; images of one group share a split.
        """
        unknown = unknown_values(mask, len(self.classes))
        if unknown:
            raise DatasetError(
                f"mask of {name} holds {unknown}; use class indices below {len(self.classes)} or 255"
            )
        if image.shape[:2] != mask.shape:
            raise DatasetError(
                f"image {name} has shape {image.shape}, its mask {mask.shape}; give both one size"
            )
        stem = unique_name(name, self._names)
        content, mask_content = encode_png(image), encode_png(mask)
        with _storage(self.output):
            (self._building / "images" / f"{stem}.png").write_bytes(content)
            (self._building / "masks" / f"{stem}.png").write_bytes(mask_content)
        self._rows.append(
            {
                "image": f"images/{stem}.png",
                "mask": f"masks/{stem}.png",
                "group": str(group),
                "batch": INITIAL,
                "split": "",
                "sha256": hashlib.sha256(content).hexdigest(),
                "mask_sha256": hashlib.sha256(mask_content).hexdigest(),
                "height": int(mask.shape[0]),
                "width": int(mask.shape[1]),
                "pixels": count_pixels(mask, len(self.classes)),
            }
        )

    def finish(
        self, assign: Callable[[pd.DataFrame], pd.Series], *, about: Mapping[str, Any] | None = None
    ) -> None:
        """Assign splits to what was added, and put the dataset in its place.

        Args:
            assign: Gives the split of each row of the table of all images.
            about: Further entries of classes.json, JSON values without timestamps.

        Raises:
            DatasetError: No image was added.
            StorageError: The disk refuses.
        """
        self.require(len(self._rows))
        table = pd.DataFrame(self._rows, columns=list(COLUMNS)).sort_values("image").reset_index(drop=True)
        table["split"] = assign(table).to_numpy()
        self.put(table, {}, [], about or {})

    def require(self, images: int) -> None:
        """Make sure that there are images.

        Raises:
            DatasetError: There are none.
        """
        if not images:
            raise DatasetError(f"there is no image to write, so {self.output} was not written")

    def put(
        self,
        manifest: pd.DataFrame,
        files: Mapping[str, str | Path],
        reasons: Sequence[Mapping[str, str]],
        about: Mapping[str, Any],
    ) -> None:
        """Write manifest and classes, and put the dataset in its place.

        Args:
            manifest: The whole manifest.
            files: Files that are not there yet, by their place in the dataset; those in `made` are moved.
            reasons: Rows of quarantine/reasons.csv.
            about: Further entries of classes.json, JSON values without timestamps.

        Raises:
            StorageError: The disk refuses.
        """
        with _storage(self.output):
            for place, path in files.items():
                move = os.replace if Path(path).parent == self.made else shutil.copyfile
                move(path, self._building / place)
            shutil.rmtree(self.made)
            manifest.to_parquet(self._building / MANIFEST, index=False)
            write_json(self._building / CLASSES, {**about, "classes": list(self.classes)})
            if reasons:
                table = pd.DataFrame(reasons).sort_values("item")
                table.map(cell).to_csv(self._building / "quarantine" / "reasons.csv", index=False)
            put_in_place(self._building, self.output)


def require_free(output: Path, *, replace: bool) -> None:
    """Make sure that writing a dataset loses nothing.

    Args:
        output: Where it shall be.
        replace: A dataset that is there may be lost.

    Raises:
        DatasetError: The folder is not empty.
    """
    if not output.is_dir() or not any(output.iterdir()):
        return
    if not is_dataset(output):
        raise DatasetError(
            f"output {output} is not empty and no dataset, so it is not overwritten; choose another "
            "folder or empty this one"
        )
    if not replace:
        raise DatasetError(
            f"output {output} is {_described(output)}, so it is not overwritten; add images to it with "
            "`autonad ingest`, choose another folder, or give --replace, which deletes it"
        )


def _described(root: Path) -> str:
    """What an existing dataset would cost to lose; a damaged one is a dataset all the same."""
    try:
        manifest = Dataset.open(root).manifest
    except DatasetError:
        return "a dataset"
    batches = manifest["batch"].nunique()
    return f"a dataset of {len(manifest)} images" + (f" from {batches} batches" if batches > 1 else "")


def unique_name(name: str, taken: set[str]) -> str:
    """A safe file name without suffix that is not `taken` (case-folded names) yet, and is from now on."""
    # Letters of every language stay; what file systems and shells dislike becomes "-".
    stem = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "image"
    stem, number = stem[:150], 2
    candidate = stem
    while candidate.casefold() in taken:
        candidate, number = f"{stem}-{number}", number + 1
    taken.add(candidate.casefold())
    return candidate


class _storage:
    """Turns a refusal of the disk into one clear message."""

    def __init__(self, output: Path) -> None:
        self._output = output

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError):
            raise StorageError(
                f"cannot write dataset {self._output}: {error.strerror or error}; free some space or choose "
                "a writable folder, then repeat the command (what was there before is untouched)"
            ) from error
