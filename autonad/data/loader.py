"""Batches for training: decode once, fit to the network's input, augment, normalise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from autonad.data.dataset import Dataset
from autonad.detector.fitting import Placement, fit, place
from autonad.detector.normalise import Normalisation

if TYPE_CHECKING:  # albumentations takes seconds to import and is not needed to evaluate
    from autonad.data.transforms import Augmentation


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
