"""From images to physical parts, the units that are compared and permuted.

Images of one part resemble one another, so that images are no independent samples: tests that take them for
such raise false alarms on most unchanged batches. A part is described by the mean of its images' features.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from autonad.appearance.features import FEATURES
from autonad.appearance.texture import TEXTURE
from autonad.errors import DatasetError

# A few images without a mask are left out; with more of them, textures alone are compared, of all images.
MAX_UNLABELLED = 0.1
CLIP = 6.0  # robust deviations beyond which a part is just "far away"


@dataclass(frozen=True)
class Parts:
    """Parts of a pool of images, in an order that follows from their features alone.

    Attributes:
        values: Mean features, float64 (N, F) in the order of `FEATURES`; NaN where no image has one.
        strata: Label within which parts are exchangeable, (N,): their most frequent defect class, 0 without
            defects; all 0 if the labels are not used.
        in_batch: Whether a part belongs to the batch, (N,).
        images: Images of each part, (N,).
        shares: Share of a part's images that show no defect or class c, (N, C) in the order of `classes`.
        classes: Class indices, 0 for "no defect".
        labelled: Whether class labels are used.
    """

    values: np.ndarray
    strata: np.ndarray
    in_batch: np.ndarray
    images: np.ndarray
    shares: np.ndarray
    classes: tuple[int, ...]
    labelled: bool

    def __len__(self) -> int:
        return len(self.values)


def check_table(table: pd.DataFrame, what: str) -> pd.DataFrame:
    """The table with class lists as tuples (None: not labelled), whatever parquet made of them.

    Raises:
        DatasetError: Columns are missing, there are no rows, or texture features are not finite.
    """
    missing = [name for name in ("image", "group", "classes", *FEATURES) if name not in table]
    if missing or table.empty:
        raise DatasetError(
            f"the {what} lacks {', '.join(missing[:3]) or 'images'}; make the table with `extract_features`"
        )
    broken = table["image"][~np.isfinite(table[list(TEXTURE)].to_numpy(dtype=float)).all(axis=1)]
    if len(broken):
        raise DatasetError(
            f"the {what} has no finite texture for {broken.iloc[0]}; make it anew with `extract_features`"
        )
    classes = pd.Series([_classes(value) for value in table["classes"]], index=table.index, dtype=object)
    return table.assign(classes=classes)


def shown_classes(table: pd.DataFrame) -> set[int]:
    """Defect classes that the images of a checked table show."""
    return {index for shown in table["classes"] if shown is not None for index in shown}


def unlabelled(table: pd.DataFrame) -> np.ndarray:
    """Which images of a checked table have no mask, bool (N,)."""
    return np.array([shown is None for shown in table["classes"]])


def make_parts(reference: pd.DataFrame, batch: pd.DataFrame, *, labelled: bool) -> Parts:
    """Average images to parts.

    Args:
        reference: Checked feature table; parts that the batch shows too must have been left out.
        batch: Checked feature table.
        labelled: Use the class labels; every image must have one.
    """
    pool = pd.concat([reference.assign(_batch=False), batch.assign(_batch=True)], ignore_index=True)
    pool["group"] = pool["group"].astype(str)
    shown = sorted(shown_classes(pool)) if labelled else []
    classes = (0, *shown)
    pool = pool.assign(**{f"_{index}": _shows(pool["classes"], index, labelled) for index in classes})
    grouped = pool.groupby("group", sort=True)
    values = grouped[list(FEATURES)].mean().to_numpy(dtype=np.float64)
    shares = grouped[[f"_{index}" for index in classes]].mean().to_numpy(dtype=np.float64)
    strata = np.zeros(len(values), dtype=np.int64)
    if labelled and shown:
        strata = np.where(shares[:, 1:].any(axis=1), np.array(shown)[shares[:, 1:].argmax(axis=1)], 0)
    # Names of parts may tell the batch from the reference, and ties are broken by order: content orders.
    order = np.lexsort(np.nan_to_num(values, nan=-1e9).T[::-1])
    in_batch = grouped["_batch"].any().to_numpy()
    images = grouped.size().to_numpy()
    return Parts(
        values[order], strata[order], in_batch[order], images[order], shares[order], classes, labelled
    )


def standardise(values: np.ndarray, strata: np.ndarray) -> np.ndarray:
    """Features without the means of their strata, in robust deviations, from the pool alone.

    Nothing here knows which parts are the batch, which keeps a permutation test exact. Centring within the
    class takes away what distinguishes classes, and with it both noise and the effect of another class mix.

    Args:
        values: float64 (N, F), without NaN.
        strata: (N,).

    Returns:
        float64 (N, K) of the K features that vary, clipped to ±6.
    """
    centred = values.copy()
    for stratum in np.unique(strata):
        centred[strata == stratum] -= centred[strata == stratum].mean(axis=0)
    median = np.median(centred, axis=0)
    robust = 1.4826 * np.median(np.abs(centred - median), axis=0)
    deviation = centred.std(axis=0)
    # Mostly equal values have no robust deviation; the plain one then keeps the few others in bounds.
    scale = np.where(robust > 0.2 * deviation, robust, deviation)
    vary = deviation > 1e-9
    return np.clip((centred - median)[:, vary] / scale[vary], -CLIP, CLIP)


def counts_by_class(table: pd.DataFrame) -> Counter[int]:
    """Images of a checked table that show each class; 0 counts those without defects."""
    return Counter(index for shown in table["classes"] if shown is not None for index in shown or (0,))


def _classes(value: Any) -> tuple[int, ...] | None:
    if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str):
        return tuple(int(index) for index in value)
    return None


def _shows(classes: pd.Series, index: int, labelled: bool) -> list[float]:
    if not labelled:
        return [0.0] * len(classes)
    return [float(index in shown if index else not shown) for shown in classes]
