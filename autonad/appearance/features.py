"""What an image and its defects look like, in numbers: texture of the whole image, shape of the defects.

Handcrafted on purpose: they are cheap, they have names that a person understands, and they see blur, noise
and compression better than the features of an untrained network (docs/decisions/0012).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
import pandas as pd

from autonad.appearance.morphology import MORPHOLOGY, describe_defects
from autonad.appearance.texture import TEXTURE, describe_texture
from autonad.cores import usable_cores
from autonad.data.dataset import Dataset
from autonad.errors import DatasetError

FEATURES = {**TEXTURE, **MORPHOLOGY}
MIN_SIDE = 16
ROUND = 64  # images per round


def image_features(image: np.ndarray, mask: np.ndarray | None, num_classes: int) -> dict[str, float]:
    """Texture of an image and shape of its defects.

    Args:
        image: uint8 (H, W, 3), both sides at least 16.
        mask: uint8 (H, W) of class indices, 255 = ignore; None if the image is not labelled.
        num_classes: Classes including the background.

    Returns:
        A value for each name in `FEATURES`. Texture is always finite; morphology is NaN without a mask or
        without defects.

    Raises:
        DatasetError: The image is too small or no uint8 (H, W, 3), or the mask does not fit it.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or min(image.shape[:2]) < MIN_SIDE:
        raise DatasetError(
            f"got an image of {image.dtype} {image.shape}; appearance features need uint8 (H, W, 3) with "
            f"sides of at least {MIN_SIDE} pixels"
        )
    if mask is not None and mask.shape != image.shape[:2]:
        raise DatasetError(
            f"the mask has shape {mask.shape}, its image {image.shape[:2]}; they must be equal"
        )
    return describe_texture(image) | describe_defects(image, mask, num_classes)


def extract_features(
    dataset: Dataset,
    rows: pd.DataFrame,
    *,
    mask_of: Callable[[Any], np.ndarray | None] | None = None,
    threads: int | None = None,
) -> pd.DataFrame:
    """Features of images of a dataset, one row each.

    Args:
        dataset: Where the files are.
        rows: Manifest rows. A row whose `mask` is "" is not labelled.
        mask_of: Gives the mask (uint8 (H, W), say a prediction) of a row that has none, or None. It is called
            in this thread. Predicted and drawn masks differ in style: compare like with like.
        threads: Threads that share the work; None: one for each core that this process may use.

    Returns:
        Table sorted by image: image, group, batch, classes (tuple of the defect classes that its mask shows;
        None without a mask), and the features. The same files give the same bits, whatever `threads`.

    Raises:
        DatasetError: There are no rows, or a file is missing, unreadable or does not match the manifest.
    """
    if rows.empty:
        raise DatasetError("features need at least one image; the selection of images is empty")
    cv2.setNumThreads(0)  # our threads share the cores already
    ordered = rows.sort_values("image", kind="stable")
    records = [{str(name): value for name, value in row.items()} for row in ordered.to_dict("records")]
    found: list[dict[str, Any]] = []
    with ThreadPoolExecutor(threads or usable_cores()) as pool:
        # Predicted masks are asked for here and in rounds: a network need not bear threads, nor memory all.
        for start in range(0, len(records), ROUND):
            some = records[start : start + ROUND]
            masks = [None if record["mask"] or mask_of is None else mask_of(record) for record in some]
            found += pool.map(lambda job: _row(dataset, *job), zip(some, masks, strict=True))
    return pd.DataFrame(found)


def _row(dataset: Dataset, record: dict[str, Any], mask: np.ndarray | None) -> dict[str, Any]:
    if mask is None and record["mask"]:
        mask = dataset.read_mask(record)
    features = image_features(dataset.read_image(record), mask, dataset.num_classes)
    shown = None if mask is None else _classes(mask, dataset.num_classes)
    return {**{name: record[name] for name in ("image", "group", "batch")}, "classes": shown, **features}


def _classes(mask: np.ndarray, num_classes: int) -> tuple[int, ...]:
    present = np.flatnonzero(np.bincount(mask.ravel(), minlength=256)[:num_classes])
    return tuple(int(index) for index in present if index)
