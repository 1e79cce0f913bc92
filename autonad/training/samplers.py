"""Which images a step trains on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def epoch_order(repeats: NDArray[np.float64], seed: int, epoch: int) -> NDArray[np.int64]:
    """Image indices of one epoch, shuffled.

    Args:
        repeats: (N,) how often each image is shown per epoch, at least 1; fractions are rounded up or down by
            chance.
        seed: Seed of the run.
        epoch: Epoch, from 0; with the seed it decides the order alone.
    """
    rng = np.random.default_rng([seed, epoch, 3])
    whole = np.floor(repeats + rng.random(len(repeats))).astype(np.int64)
    return rng.permutation(np.repeat(np.arange(len(repeats)), whole))


def batches(order: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    """Cut an epoch into batches; a last incomplete one is dropped unless it is the only one."""
    full = [order[start : start + size] for start in range(0, len(order) - size + 1, size)]
    return full or [order]


def repeat_factors(pixels: Sequence[Sequence[int]], threshold: float) -> NDArray[np.float64]:
    """Repeat-factor sampling (Gupta et al. 2019, LVIS): rare classes are seen more often.

    A class in a share f of the images has the factor max(1, √(threshold / f)); an image takes the largest of
    its classes.

    Args:
        pixels: Per image, the pixels of each class; class 0 is background.
        threshold: Share of images below which a class is repeated; 0 switches it off.

    Returns:
        (N,) factors, at least 1.
    """
    present = np.asarray(pixels)[:, 1:] > 0  # (N, defect classes)
    share = np.maximum(present.mean(axis=0), 1e-9)
    factors = np.maximum(1.0, np.sqrt(threshold / share))
    return np.maximum(1.0, (present * factors).max(axis=1, initial=1.0))
