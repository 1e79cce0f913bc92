"""Batches for training: decode once, fit to the network's input, augment, normalise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from autonad.data.dataset import Dataset
from autonad.data.sample_cache import SampleCache
from autonad.data.tile_samples import TileSample, all_tiles
from autonad.detector.fitting import fit
from autonad.detector.joining import native_logits
from autonad.detector.normalise import Normalisation
from autonad.detector.tiles import Box, Strip, Tiling

if TYPE_CHECKING:  # what changes training images is not needed to evaluate
    from autonad.data.transforms import Augmentation


class SegmentationData:
    """Fitted, augmented, normalised batches of some rows of a dataset.

    A sample is an image, or a tile of one where images are cut. What sample `i` looks like in epoch `e`
    follows from (seed, e, i) alone: neither order, nor a resumed run, nor the number of processes changes it.
    Several threads may ask for batches at once.

    Args:
        dataset: Where the files are.
        rows: Manifest rows; without tiles, sample `i` is the i-th of them.
        size: Height and width of the network's input.
        keep_aspect: Pad instead of squashing; see `fit`.
        normalisation: Applied last.
        tiling: How images are cut; None fits whole images.
        samples: Tiles to show, those of an image behind one another; None shows all.
        augmentation: None for evaluation.
        seed: Of the augmentation.
        kept_mib: For fitted images in memory, and for what this does not hold in a temporary file; what fits
            into neither is decoded again each time.
    """

    def __init__(
        self,
        dataset: Dataset,
        rows: pd.DataFrame,
        *,
        size: tuple[int, int],
        keep_aspect: bool,
        normalisation: Normalisation,
        tiling: Tiling | None = None,
        samples: Sequence[TileSample] | None = None,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        kept_mib: tuple[int, int] = (1024, 0),
    ) -> None:
        self.dataset, self.rows = dataset, rows.reset_index(drop=True)
        self.size, self.keep_aspect = (int(size[0]), int(size[1])), keep_aspect
        self.normalisation, self.augmentation, self.seed = normalisation, augmentation, seed
        self.tiling = tiling
        self._records: list[Any] = list(self.rows.itertuples())
        self._tiles = [] if tiling is None else list(_tiles(self._records, tiling, samples))
        self._cache = SampleCache(self.size, *kept_mib)
        self._opened: tuple[int, np.ndarray, np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self._records if self.tiling is None else self._tiles)

    def image_of(self, index: int) -> int:
        """Position among the rows of the image that sample `index` shows."""
        return index if self.tiling is None else self._tiles[index].image

    def spread(self, count: int) -> list[int]:
        """At most so many samples, evenly spread."""
        return np.unique(np.linspace(0, len(self) - 1, min(count, len(self))).round().astype(int)).tolist()

    def native_logits(self, image: int, logits_of: Callable[[Box], np.ndarray]) -> Iterator[Strip]:
        """Logits of the image at a position among the rows, at its own size.

        Args:
            image: The position.
            logits_of: (C, H, W) of the image's samples, at input size; called once for each, in their order.
        """
        native = (int(self._records[image].height), int(self._records[image].width))
        return native_logits(
            logits_of, native, size=self.size, keep_aspect=self.keep_aspect, tiles=self.tiling
        )

    def fitted(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Image uint8 (H, W, 3) and mask uint8 (H, W) of a sample before augmentation; do not change them.

        Raises:
            DatasetError: A file is missing, unreadable or does not match the manifest.
        """
        kept = self._cache.get(index)
        if kept is not None:
            return kept
        image, mask = self._decoded(self.image_of(index))
        fitted = self._fit(index, image, mask)
        self._cache.put(index, *fitted)
        self._remember(index, image, mask)
        return fitted

    def _decoded(self, position: int) -> tuple[np.ndarray, np.ndarray]:
        """An image with its mask; the last one is kept where several tiles are cut from it."""
        opened = self._opened  # another thread may put another image there
        if opened is not None and opened[0] == position:
            return opened[1:]
        row = self._records[position]
        image, mask = self.dataset.read_image(row), self.dataset.read_mask(row)
        if self.tiling is not None:
            self._opened = (position, image, mask)
        return image, mask

    def _remember(self, index: int, image: np.ndarray, mask: np.ndarray) -> None:
        """Keep all tiles of a sample's image, which is decoded now."""
        first = stop = index
        while first > 0 and self.image_of(first - 1) == self.image_of(index):
            first -= 1
        while stop < len(self) and self.image_of(stop) == self.image_of(index):
            stop += 1
        for other in range(first, stop):
            if other not in self._cache and not self._cache.full:
                self._cache.put(other, *self._fit(other, image, mask))

    def _fit(self, index: int, image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self.tiling is not None:
            image, mask = self._tiles[index].cut(image, mask, self.tiling)
        image, mask, _ = fit(image, mask, size=self.size, keep_aspect=self.keep_aspect)
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


def _tiles(records: list[Any], tiling: Tiling, samples: Sequence[TileSample] | None) -> Sequence[TileSample]:
    if samples is not None:
        return samples
    return all_tiles([(int(row.height), int(row.width)) for row in records], tiling)
