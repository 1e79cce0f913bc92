"""Samples of any depth to 8 bits, as a whole set is scaled; numpy alone, so that a detector can do it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from autonad.errors import DatasetError

Range = tuple[float, float]
_ALL_BITS = (0.0, 65535.0)
_GREY_LEVELS = (0.0, 255.0)
_ROWS = 256


@dataclass(frozen=True)
class ImageReading:
    """How the images of a set are read.

    Attributes:
        integers: Samples of more than 8 bits that become 0 and 255; None if the set has none: all 16 bits.
        floats: The same for samples that are floats; None if the set has none: grey levels.
        page: Which page of files with several, from 1; None keeps these out.
        turned: Whether images are turned as their EXIF says; if not, pixels are taken as stored.
    """

    integers: Range | None = None
    floats: Range | None = None
    page: int | None = None
    turned: bool = True

    @classmethod
    def from_dict(cls, content: Any) -> ImageReading:
        """What `dataclasses.asdict` made of one.

        Raises:
            KeyError, TypeError, ValueError: It is something else.
        """
        page, turned = content["page"], content["turned"]
        return cls(_range(content["integers"]), _range(content["floats"]), page, turned)

    def range_of(self, is_float: bool) -> Range:
        """Deep samples that become 0 and 255."""
        return (self.floats or _GREY_LEVELS) if is_float else (self.integers or _ALL_BITS)


def to_uint8(samples: np.ndarray, reading: ImageReading, *, inverted: bool = False) -> np.ndarray:
    """Samples as an image of 8 bits.

    Args:
        samples: (H, W) or (H, W, 3), bytes, booleans, integers or floats. Bytes stay as they are.
        reading: What becomes 0 and 255.
        inverted: Whether the largest sample is black.

    Returns:
        uint8 (H, W, 3), not to be written to: the channels of a grey image are one.

    Raises:
        DatasetError: A sample is no finite number.
    """
    if samples.dtype == np.bool_:
        samples = samples.astype(np.uint8) * np.uint8(255)
    if samples.dtype == np.uint8:
        scaled = 255 - samples if inverted else samples
    else:
        is_float = samples.dtype.kind == "f"
        if is_float and not np.isfinite(samples).all():
            count = int((~np.isfinite(samples)).sum())
            raise DatasetError(
                f"{count} of its samples are no finite numbers (NaN or infinite); replace them, or leave the "
                "file out"
            )
        low, high = reading.range_of(is_float)
        scaled = np.empty(samples.shape, dtype=np.uint8)
        for start in range(0, len(samples), _ROWS):  # so that a large image needs little more than itself
            rows = slice(start, start + _ROWS)
            grey = (samples[rows].astype(np.float64) - low) * (255.0 / (high - low))
            scaled[rows] = np.clip((255.0 - grey if inverted else grey) + 0.5, 0, 255)
    return scaled if scaled.ndim == 3 else coloured(scaled)


def coloured(grey: np.ndarray) -> np.ndarray:
    """Grey levels (H, W) as an image (H, W, 3) whose channels are one and the same memory."""
    return np.broadcast_to(grey[..., None], (*grey.shape, 3))


def _range(value: Any) -> Range | None:
    return None if value is None else (float(value[0]), float(value[1]))
