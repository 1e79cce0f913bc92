"""A generated split with known masks, and networks whose answers are known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from autonad.detector.fitting import Placement, fit, place
from autonad.detector.joining import native_logits
from autonad.detector.tiles import Box, Strip

CLASSES = ("background", "crack", "hole", "stain")


@dataclass
class ToyDataset:
    """Stands in for `Dataset`: images and masks in memory."""

    images: list[np.ndarray]
    masks: list[np.ndarray]
    classes: tuple[str, ...] = CLASSES

    def read_image(self, row: Any) -> np.ndarray:
        return self.images[row.number]

    def read_mask(self, row: Any) -> np.ndarray:
        return self.masks[row.number]


class ToyData:
    """Stands in for `SegmentationData`, with the real placement; the first channel carries the mask."""

    def __init__(
        self, dataset: ToyDataset, size: tuple[int, int] = (64, 64), keep_aspect: bool = True
    ) -> None:
        self.dataset, self.size, self.keep_aspect = dataset, size, keep_aspect
        self.rows = pd.DataFrame(
            [
                {
                    "image": f"images/{n:02d}.png",
                    "mask": f"masks/{n:02d}.png",
                    "group": f"part{n // 2}",
                    "number": n,
                    "height": dataset.masks[n].shape[0],
                    "width": dataset.masks[n].shape[1],
                }
                for n in range(len(dataset.images))
            ]
        )

    def __len__(self) -> int:
        return len(self.rows)

    def image_of(self, index: int) -> int:
        return index

    def native_logits(self, image: int, logits_of: Callable[[Box], np.ndarray]) -> Iterator[Strip]:
        mask = self.dataset.masks[image]
        native = (mask.shape[0], mask.shape[1])
        return native_logits(logits_of, native, size=self.size, keep_aspect=self.keep_aspect, tiles=None)

    def placement(self, index: int) -> Placement:
        mask = self.dataset.masks[index]
        return place((mask.shape[0], mask.shape[1]), self.size, keep_aspect=self.keep_aspect)

    def batch(self, indices: Any, epoch: int = 0) -> tuple[np.ndarray, np.ndarray]:
        images, masks = [], []
        for index in indices:
            image, mask, _ = fit(
                self.dataset.images[index],
                self.dataset.masks[index],
                size=self.size,
                keep_aspect=self.keep_aspect,
            )
            images.append(np.stack([mask, image[..., 1], image[..., 2]]).astype(np.float32))
            masks.append(mask.astype(np.int64))
        return np.stack(images), np.stack(masks)


def toy_split() -> SimpleNamespace:
    """Nine images of different sizes: eight with one rectangle of a defect each, the last one clean."""
    rng = np.random.default_rng(0)
    images, masks = [], []
    for n in range(9):
        height, width = int(rng.integers(50, 150)), int(rng.integers(50, 150))
        image = rng.integers(90, 160, (height, width, 3), dtype=np.uint8)
        mask = np.zeros((height, width), np.uint8)
        if n < 8:
            top, left = height // 4, width // 5
            mask[top : top + height // 3, left : left + width // 3] = n % 3 + 1
            image[mask > 0] //= 3
        images.append(image)
        masks.append(mask)
    dataset = ToyDataset(images, masks)
    return SimpleNamespace(dataset=dataset, data=ToyData(dataset), classes=CLASSES)


def oracle(images: np.ndarray) -> np.ndarray:
    """Logits of the true class, read from the toy's first channel; padding is background."""
    truth = np.where(images[:, 0] == 255, 0, images[:, 0])
    return (truth[:, None] == np.arange(4)[None, :, None, None]).astype(np.float32) * 10


def blind(images: np.ndarray) -> np.ndarray:
    """Logits that see nothing but background."""
    logits = np.zeros((len(images), 4, *images.shape[2:]), np.float32)
    logits[:, 0] = 1
    return logits
