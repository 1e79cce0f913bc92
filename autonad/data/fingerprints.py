"""What an image and its mask are known by, kept beside the manifest so that no image is decoded twice.

`fingerprints.parquet` has one row per image: `sha256` and `mask_sha256` of the files it was made of,
`content` (sha256 of the pixels), `labels` (sha256 of the mask's pixels; "" without a mask), and `descriptor`
(half precision, see `similarity.describe`). A row whose files have changed is made anew, and so is one of
another `scheme`, which says how the others are computed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from autonad.data.dataset import UNLABELLED, Dataset
from autonad.data.descriptors import PRECISION, DescriptorFile, Rows, Selected
from autonad.data.runs import Runs
from autonad.data.similarity import describe
from autonad.reading.table_checks import COUNT, TEXT, Column, read_table

FINGERPRINTS = "fingerprints.parquet"
_SCHEME = 2  # 1, which is not written: all channels of grey images, masks pixel by pixel
_DESCRIPTOR_BYTES = 1024 * PRECISION().itemsize
_TABLE = {
    **dict.fromkeys(("image", "sha256", "mask_sha256", "content", "labels"), TEXT),
    "descriptor": Column("bytes"),
    "scheme": COUNT,
}


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What one image and its mask are known by: enough to compare them with all others.

    Attributes:
        content: sha256 of the image's pixels, so that another compression of equal pixels is recognised.
        labels: sha256 of the mask's pixels; empty without a mask.
        descriptors: float16 (N, 1024), where its descriptor lies, alone or with others.
        position: At which place.
    """

    content: str
    labels: str
    descriptors: Rows
    position: int = 0

    @property
    def descriptor(self) -> np.ndarray:
        """float16 (1024,), for near-duplicates; see `similarity.describe`."""
        found: np.ndarray = self.descriptors[self.position]
        return found

    @classmethod
    def of(
        cls, image: np.ndarray, mask: np.ndarray | None, file: DescriptorFile | None = None
    ) -> Fingerprint:
        """Fingerprint of an image uint8 (H, W, 3) with its index mask uint8 (H, W).

        Args:
            image: The image.
            mask: Its mask; None if it has none.
            file: Where its descriptor is kept; None keeps it in memory.

        Raises:
            StorageError: The disk refuses.
        """
        pixels = np.ascontiguousarray(image[..., 0] if _is_grey(image) else image)
        content = hashlib.sha256(repr(pixels.shape).encode())
        content.update(pixels.data)
        labels = "" if mask is None else hashlib.sha256(Runs.of(mask).content()).hexdigest()
        return cls.kept(content.hexdigest(), labels, describe(image).astype(PRECISION), file)

    @classmethod
    def kept(
        cls, content: str, labels: str, descriptor: np.ndarray, file: DescriptorFile | None
    ) -> Fingerprint:
        """A fingerprint whose descriptor float16 (1024,) lies in a file; without one, in memory."""
        if file is None:
            return cls(content, labels, descriptor[None])
        return cls(content, labels, file, file.add(descriptor))


def descriptors_of(prints: Sequence[Fingerprint]) -> Rows:
    """Descriptors float16 (N, 1024) of many fingerprints; those of one file stay there."""
    if not prints:
        return np.zeros((0, 1), dtype=PRECISION)
    file = prints[0].descriptors
    if isinstance(file, DescriptorFile) and all(one.descriptors is file for one in prints):
        return Selected(file, [one.position for one in prints])
    return np.stack([one.descriptor for one in prints])


def fingerprints_of(
    dataset: Dataset,
    pool: Executor,
    advance: Callable[[int, int], None] = lambda done, total: None,
    file: DescriptorFile | None = None,
) -> list[Fingerprint]:
    """Fingerprint of each row of a dataset's manifest; what is not on file is made from the images.

    Args:
        dataset: The dataset.
        pool: Where images are decoded.
        advance: Told how many of how many images were decoded.
        file: Where descriptors are kept; None keeps them in memory.

    Raises:
        DatasetError: An image or a mask cannot be read.
        StorageError: The disk refuses.
    """
    stored = _read(dataset, file)
    rows: list[Any] = list(dataset.manifest.itertuples())
    keys = [(row.image, row.sha256, row.mask_sha256) for row in rows]
    missing = [row for row, key in zip(rows, keys, strict=True) if key not in stored]

    def make(row: Any) -> Fingerprint:
        mask = None if row.split == UNLABELLED else dataset.read_mask(row)
        return Fingerprint.of(dataset.read_image(row), mask, file)

    for done, (row, made) in enumerate(zip(missing, pool.map(make, missing), strict=True), start=1):
        stored[row.image, row.sha256, row.mask_sha256] = made
        advance(done, len(missing))
    return [stored[key] for key in keys]


def fingerprint_table(manifest: pd.DataFrame, fingerprints: dict[str, Fingerprint]) -> pd.DataFrame:
    """The content of `fingerprints.parquet` for a manifest, given the fingerprint of each of its images."""
    found = [fingerprints[image] for image in manifest["image"]]
    return pd.DataFrame(
        {
            **{name: manifest[name].to_numpy() for name in ("image", "sha256", "mask_sha256")},
            "content": [one.content for one in found],
            "labels": [one.labels for one in found],
            "descriptor": [one.descriptor.tobytes() for one in found],
            "scheme": np.full(len(found), _SCHEME, dtype=np.int64),
        }
    )


def _read(dataset: Dataset, file: DescriptorFile | None) -> dict[tuple[str, str, str], Fingerprint]:
    """Fingerprints on file by image and the hashes of its files; none if the file is absent or damaged."""
    path = dataset.root / FINGERPRINTS
    if not path.is_file():
        return {}
    try:
        table = read_table(path, _TABLE)
    except (OSError, ValueError):
        return {}  # the images hold everything needed
    return {
        (row.image, row.sha256, row.mask_sha256): Fingerprint.kept(
            row.content, row.labels, np.frombuffer(row.descriptor, dtype=PRECISION), file
        )
        for row in _rows(table[table["scheme"] == _SCHEME])
        if len(row.descriptor) == _DESCRIPTOR_BYTES
    }


def _is_grey(image: np.ndarray) -> bool:
    """Whether the channels of an image uint8 (H, W, 3) are equal."""
    if image.strides[2] == 0:
        return True
    first, second, third = image[..., 0], image[..., 1], image[..., 2]
    # Colour shows in the first row of most images that have any.
    return all(
        bool((a[rows] == b[rows]).all())
        for rows in (slice(1), slice(1, None))
        for a, b in ((first, second), (first, third))
    )


def _rows(table: pd.DataFrame) -> Any:
    return table.itertuples()
