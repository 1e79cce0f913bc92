"""Adaptive average pooling that exports to ONNX for every output size."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from autonad.network.memory_format import has_channels_last


def adaptive_average(x: Tensor, height: int, width: int) -> Tensor:
    """Average `x` down to (height, width), as `torch.nn.functional.adaptive_avg_pool2d` does.

    Written as two matrix products, because the adaptive operator itself cannot be exported when the output
    does not divide the input. A side smaller than the output is averaged over overlapping single pixels.

    Args:
        x: (B, C, H, W).
        height: Rows of the result.
        width: Columns of the result.

    Returns:
        (B, C, height, width).
    """
    # While tracing, sizes are tensors; as integers they are found in the cache.
    rows = _averages(int(x.shape[2]), height, x.dtype, x.device)  # (height, H)
    columns = _averages(int(x.shape[3]), width, x.dtype, x.device)  # (width, W)
    if not has_channels_last(x):
        return rows @ (x @ columns.T)
    batch, channels, *_ = x.shape
    lines = x.permute(0, 2, 3, 1).flatten(0, 1)  # (B·H, W, C)
    narrow = columns.expand(len(lines), *columns.shape).bmm(lines)  # (B·H, width, C)
    small = rows.expand(batch, *rows.shape).bmm(narrow.reshape(batch, -1, width * channels))
    return small.view(batch, height, width, channels).permute(0, 3, 1, 2)


@lru_cache(maxsize=256)
def _averages(size: int, bins: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The averaging matrix (bins, size): bin i covers floor(i·size/bins) up to ceil((i+1)·size/bins)."""
    matrix = []
    for index in range(bins):
        start, stop = index * size // bins, -(-(index + 1) * size // bins)
        matrix.append([1.0 / (stop - start) if start <= column < stop else 0.0 for column in range(size)])
    # One that was first needed while predicting is used in training too, where gradients need a plain tensor.
    with torch.inference_mode(False):
        return torch.tensor(matrix, dtype=dtype, device=device)
