"""How pixels become the network's numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from autonad.errors import DatasetError

_LEVELS = np.arange(256) / 255.0


@dataclass(frozen=True)
class Normalisation:
    """Mean and standard deviation of each colour channel, in units of full scale (0 to 1)."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @classmethod
    def of(cls, images: Iterable[np.ndarray]) -> Normalisation:
        """Statistics over all pixels of images uint8 (h, w, 3), of the training split, not of the test split.

        Raises:
            DatasetError: There are no images.
        """
        count, total, squares = 0, np.zeros(3), np.zeros(3)
        for image in images:
            # An image's histograms give exact sums without a copy in floating point.
            for channel in range(3):
                histogram = np.bincount(image[..., channel].ravel(), minlength=256)
                total[channel] += histogram @ _LEVELS
                squares[channel] += histogram @ _LEVELS**2
            count += image.shape[0] * image.shape[1]
        if count == 0:
            raise DatasetError("the normalisation needs at least one image; the training split is empty")
        mean = total / count
        # A constant image has no spread; one grey level keeps the division finite.
        std = np.maximum(np.sqrt(np.maximum(squares / count - mean**2, 0)), 1 / 255)
        return cls(_triple(mean), _triple(std))

    def apply(self, image: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Normalised copy of a uint8 (H, W, 3) image as float32 (3, H, W)."""
        if out is None:
            out = np.empty((3, *image.shape[:2]), dtype=np.float32)
        for channel, (mean, std) in enumerate(zip(self.mean, self.std, strict=True)):
            plane = np.ascontiguousarray(image[..., channel])
            np.multiply(plane, np.float32(1 / (255 * std)), out=out[channel])
            out[channel] -= np.float32(mean / std)
        return out


def _triple(values: np.ndarray) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])
