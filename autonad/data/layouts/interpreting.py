"""What the values in masks mean, told from a whole set of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from autonad.data.dataset import check_classes
from autonad.data.histogram import count_values
from autonad.data.images import IGNORE, read_mask
from autonad.errors import DatasetError


def refuse_binary(values: np.ndarray, num_classes: int, folder: Path | str) -> None:
    """Make sure that index masks of several classes hold more than 0 and 255.

    Args:
        values: bool (256,), the values that occur in any mask.
        num_classes: Classes including the background.
        folder: Where the masks lie, for the message.

    Raises:
        DatasetError: They do not, so they are binary masks and cannot tell the classes.
    """
    if num_classes > 2 and np.flatnonzero(values).tolist() == [0, IGNORE]:
        raise DatasetError(
            f"the masks in {folder} hold 0 and 255 only, which cannot tell {num_classes - 1} classes; "
            "save one index per pixel, or make one sub-folder of masks per class"
        )


def is_index(values: np.ndarray) -> bool:
    """Whether masks of one class with these values, bool (256,), are index masks: 1 occurs, no grey does."""
    return bool(values[1] and not values[2:IGNORE].any())


def interpret(
    masks: dict[str, Path], classes: Sequence[str] | None, folder: Path
) -> tuple[tuple[str, ...], bool]:
    """Class names, and whether the masks are binary rather than index masks."""
    values = np.zeros(256, dtype=bool)
    colour = False
    for path in masks.values():
        try:
            mask = read_mask(path)
        except DatasetError:
            continue  # it is named when its image is read
        colour |= mask.ndim == 3
        values |= count_values(mask) > 0
    if not values.any():
        raise DatasetError(f"{folder} holds no readable masks; save one mask per image as PNG")
    present = [int(v) for v in np.flatnonzero(values)]
    names = None if classes is None else check_classes(classes)
    if names is not None and len(names) > 2:
        refuse_binary(values, len(names), folder)
        return names, False
    # With one class, 1 is its index and 255 its mask; {0, 1, 255} is an index mask that ignores.
    index = max(v for v in (0, *present) if v != IGNORE)
    if index == 0 or (names is not None and index > 1):
        return names or check_classes(["defect"]), True
    if names is not None:
        return names, False
    if index < 32 and not colour:
        return check_classes([f"class{i}" for i in range(1, index + 1)]), False
    raise DatasetError(
        f"the masks in {folder} hold {len(present)} values from {present[0]} to {present[-1]}, so "
        "their classes cannot be told; name them (one class means: larger than the threshold), or save "
        "one index per pixel"
    )
