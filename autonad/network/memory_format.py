"""How feature maps lie in memory, and what oneDNN makes of them: channels last is what convolutions read."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def channels_last(x: Tensor) -> Tensor:
    """The same values, (B, C, H, W), with the channels last in memory; untouched while it is exported."""
    return x if torch.jit.is_tracing() else x.contiguous(memory_format=torch.channels_last)


def has_channels_last(x: Tensor) -> bool:
    """Whether (B, C, H, W) lies with its channels last, and not at once with its columns last."""
    return x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


def for_dilation(x: Tensor) -> Tensor:
    """The layout in which a dilated convolution of (B, C, H, W) is fastest.

    In float32 on a processor oneDNN finds the gradient of dilated kernels 1.5 times as fast with the columns
    last, which pays for the copies many times over.
    """
    plain = x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    return x.contiguous() if plain else x


def convolved(convolution: nn.Conv2d, x: Tensor) -> Tensor:
    """A convolution that keeps the resolution, (B, C, H, W) → (B, C', H, W).

    In bfloat16 on a processor oneDNN leaves the gradient of a 5×5 kernel unwritten around its centre where
    the map is a single position: it is whatever was in memory, often no number. Such a position sees the
    centre alone.
    """
    if x.shape[2:] == (1, 1) and x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        middle = convolution.kernel_size[0] // 2
        return F.conv2d(x, convolution.weight[:, :, middle : middle + 1, middle : middle + 1])
    return convolution(x)


def transpose_channels(x: Tensor, outer: int) -> Tensor:
    """Channels in the order (outer, inner) → the order (inner, outer), (B, C, H, W) → (B, C, H, W)."""
    if has_channels_last(x) and x.device.type == "cpu":
        return F.channel_shuffle(x, outer)
    return x.unflatten(1, (outer, -1)).transpose(1, 2).reshape(x.shape)
