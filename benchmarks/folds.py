"""Cross-validation by group, and every image's confusion: comparing searches on few images needs both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from autonad.data.split import deal
from autonad.errors import DatasetError


def k_folds(rows: pd.DataFrame, k: int, seed: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Grouped, stratified cross-validation: fold i is tested, fold i + 1 validates, the others train.

    Args:
        rows: Manifest rows with the columns `group` and `pixels`.
        k: Number of folds, at least 3.
        seed: Of the order in which equal groups are dealt out.

    Returns:
        For each fold the positions (for `iloc`) of training, validation and test rows, ascending.

    Raises:
        DatasetError: `k` is below 3, or there are fewer groups than folds.
    """
    if k < 3:
        raise DatasetError(
            f"cross-validation got {k} folds; it needs at least 3 (test, validation, training)"
        )
    fold = deal(rows, np.full(k, 1 / k), seed)
    return [
        (
            np.flatnonzero((fold != i) & (fold != (i + 1) % k)),
            np.flatnonzero(fold == (i + 1) % k),
            np.flatnonzero(fold == i),
        )
        for i in range(k)
    ]


def read_matrices(path: Path, num_classes: int) -> np.ndarray:
    """(N, C, C) confusion per image at input size, from the `per_image.parquet` of an evaluation."""
    flat = np.stack(pd.read_parquet(path)["confusion_input"].to_list())
    return flat.reshape(-1, num_classes, num_classes).astype(np.int64)
