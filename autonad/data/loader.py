"""Batches for training: decode once, fit to the network's input, augment, normalise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pandas as pd

from autonad.data.dataset import Dataset
from autonad.data.images import IGNORE
from autonad.errors import DatasetError

if TYPE_CHECKING:  # albumentations takes seconds to import and is not needed to evaluate
    from autonad.data.transforms import Augmentation


@dataclass(frozen=True)
class Normalisation:
    """Mean and standard deviation of each colour channel, in units of full scale (0 to 1)."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @classmethod
    def of(cls, dataset: Dataset, rows: pd.DataFrame) -> Normalisation:
        """Statistics over all pixels of the given rows (of the training split, never of the test split).

        Raises:
            DatasetError: There are no rows, or an image cannot be read.
        """
        if rows.empty:
            raise DatasetError("the normalisation needs at least one image; the training split is empty")
        count, total, squares = 0, np.zeros(3), np.zeros(3)
        for row in rows.itertuples():
            # An image's histograms give exact sums without a copy in floating point.
            image = dataset.read_image(row)
            for channel in range(3):
                histogram = np.bincount(image[..., channel].ravel(), minlength=256)
                total[channel] += histogram @ _LEVELS
                squares[channel] += histogram @ _LEVELS**2
            count += image.shape[0] * image.shape[1]
        mean = total / count
        # A constant image has no spread; one grey level keeps the division finite.
        std = np.maximum(np.sqrt(np.maximum(squares / count - mean**2, 0)), 1 / 255)
        return cls(_triple(mean), _triple(std))

    def apply(self, image: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Normalised copy of a uint8 (H, W, 3) image as float32 (3, H, W)."""
        if out is None:
            out = np.empty((3, *image.shape[:2]), dtype=np.float32)
        for channel, (plane, mean, std) in enumerate(zip(cv2.split(image), self.mean, self.std, strict=True)):
            np.multiply(plane, np.float32(1 / (255 * std)), out=out[channel])
            out[channel] -= np.float32(mean / std)
        return out


@dataclass(frozen=True)
class Placement:
    """How an image lies in the network's input, so that a prediction can be cut out and resized back.

    Attributes:
        native: Height and width of the image file.
        resized: Height and width of the image inside the input.
        top: Rows of padding above it.
        left: Columns of padding to its left.
    """

    native: tuple[int, int]
    resized: tuple[int, int]
    top: int
    left: int

    def restore(self, array: np.ndarray) -> np.ndarray:
        """Cut a prediction at input size out of its padding and bring it to native size.

        Args:
            array: (H, W) of classes, at input size.

        Returns:
            The same kind of array at native size.
        """
        height, width = self.resized
        inside = np.ascontiguousarray(array[self.top : self.top + height, self.left : self.left + width])
        return cv2.resize(inside, self.native[::-1], interpolation=cv2.INTER_NEAREST)


def place(native: tuple[int, int], size: tuple[int, int], *, keep_aspect: bool) -> Placement:
    """Where an image of `native` height and width lies in an input of `size`."""
    if not keep_aspect:
        return Placement(native, size, 0, 0)
    ratio = min(size[0] / native[0], size[1] / native[1])
    height = min(size[0], max(1, round(native[0] * ratio)))
    width = min(size[1], max(1, round(native[1] * ratio)))
    return Placement(native, (height, width), (size[0] - height) // 2, (size[1] - width) // 2)


def fit(
    image: np.ndarray, mask: np.ndarray | None, *, size: tuple[int, int], keep_aspect: bool
) -> tuple[np.ndarray, np.ndarray, Placement]:
    """Bring an image and its mask to the network's input size.

    With `keep_aspect` the image is centred and its border reflected outwards, which puts no false edge
    beside real defects; the mask says "ignore" there.

    Args:
        image: uint8 (h, w, 3).
        mask: uint8 (h, w), or None for an image without one (then all of it is "ignore").
        size: Height and width of the input.
        keep_aspect: Pad instead of squashing.

    Returns:
        uint8 (H, W, 3), uint8 (H, W) and the placement.
    """
    native = (image.shape[0], image.shape[1])
    if mask is None:
        mask = np.full(native, IGNORE, dtype=np.uint8)
    if mask.shape != native:
        raise DatasetError(f"the mask has shape {mask.shape}, its image {native}; they must be equal")
    at = place(native, size, keep_aspect=keep_aspect)
    target = at.resized[::-1]
    shrinking = at.resized[0] < native[0] or at.resized[1] < native[1]
    if at.resized != native:
        image = cv2.resize(image, target, interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR)
        # "Exact" takes the centre of each pixel; plain nearest takes its corner and shifts the mask.
        mask = cv2.resize(mask, target, interpolation=cv2.INTER_NEAREST_EXACT)
    if at.resized != size:
        bottom, right = size[0] - at.resized[0] - at.top, size[1] - at.resized[1] - at.left
        edges = (at.top, bottom, at.left, right)
        image = cv2.copyMakeBorder(image, *edges, cv2.BORDER_REFLECT_101)
        mask = cv2.copyMakeBorder(mask, *edges, cv2.BORDER_CONSTANT, value=IGNORE)
    return np.ascontiguousarray(image), np.ascontiguousarray(mask), at


class SegmentationData:
    """Fitted, augmented, normalised batches of some rows of a dataset.

    What sample `i` looks like in epoch `e` follows from (seed, e, i) alone: neither order, nor a resumed
    run, nor the number of processes changes it.

    Args:
        dataset: Where the files are.
        rows: Manifest rows; sample `i` is the i-th of them.
        size: Height and width of the network's input.
        keep_aspect: Pad instead of squashing; see `fit`.
        normalisation: Applied last.
        augmentation: None for evaluation.
        seed: Of the augmentation.
        cache_mib: Memory for fitted images; what does not fit is decoded again each time.
    """

    def __init__(
        self,
        dataset: Dataset,
        rows: pd.DataFrame,
        *,
        size: tuple[int, int],
        keep_aspect: bool,
        normalisation: Normalisation,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        cache_mib: int = 1024,
    ) -> None:
        # Images are small: OpenCV's threads cost more than they bring, and would compete with torch's.
        cv2.setNumThreads(0)
        self.dataset, self.rows = dataset, rows.reset_index(drop=True)
        self.size, self.keep_aspect = (int(size[0]), int(size[1])), keep_aspect
        self.normalisation, self.augmentation, self.seed = normalisation, augmentation, seed
        self._records: list[Any] = list(self.rows.itertuples())
        self._cache: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._room = cache_mib * 2**20 // (4 * self.size[0] * self.size[1])

    def __len__(self) -> int:
        return len(self._records)

    @property
    def labels(self) -> np.ndarray:
        """Whether sample i shows class c (beyond background): bool (N, C), column 0 always False."""
        present = np.array([list(row.pixels) for row in self._records]).reshape(len(self), -1) > 0
        present[:, 0] = False
        return present

    def placement(self, index: int) -> Placement:
        """How sample `index` lies in the input."""
        row = self._records[index]
        return place((int(row.height), int(row.width)), self.size, keep_aspect=self.keep_aspect)

    def fitted(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Image uint8 (H, W, 3) and mask uint8 (H, W) of a sample before augmentation; do not change them.

        Raises:
            DatasetError: A file is missing, unreadable or does not match the manifest.
        """
        if index in self._cache:
            return self._cache[index]
        row = self._records[index]
        image, mask, _ = fit(
            self.dataset.read_image(row),
            self.dataset.read_mask(row),
            size=self.size,
            keep_aspect=self.keep_aspect,
        )
        if len(self._cache) < self._room:
            self._cache[index] = (image, mask)
        return image, mask

    def batch(self, indices: Sequence[int] | np.ndarray, epoch: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Samples ready for the network.

        Args:
            indices: Positions of the samples.
            epoch: Gives every epoch its own augmentation.

        Returns:
            Images float32 (B, 3, H, W), normalised and contiguous; masks int64 (B, H, W), 255 = ignore.
        """
        images = np.empty((len(indices), 3, *self.size), dtype=np.float32)
        masks = np.empty((len(indices), *self.size), dtype=np.int64)
        for position, index in enumerate(int(i) for i in indices):
            image, mask = self.fitted(index)
            if self.augmentation is not None:
                image, mask = self.augmentation.augment(image, mask, (self.seed, epoch, index))
            self.normalisation.apply(image, out=images[position])
            masks[position] = mask
        return images, masks


_LEVELS = np.arange(256) / 255.0


def _triple(values: np.ndarray) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])
