"""The three operators in their unified two-step form (Eq. 23-26).

Step I is the same for all of them: three 1×1 projections q, k and v, which is what cross weight sharing
shares. Step II differs. Every parameter is laid out so that a narrower operator is a prefix of a wider one
along its channel axes, and a small kernel the centre of a large one.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autonad.network.memory_format import has_channels_last, transpose_channels
from autonad.network.pooling import adaptive_average
from autonad.space import Block

# How much attention reduces the resolution of keys and values, per stage (as in SegFormer).
SPATIAL_REDUCTION = (8, 4, 2, 1)


def build_mixer(block: Block, width: int, head_width: int, stage: int) -> nn.Module:
    """The mixing operator of one block.

    Args:
        block: Operator and kernel.
        width: Channels of the stage.
        head_width: Channels per head.
        stage: Index of the stage, from 0; it decides attention's spatial reduction.
    """
    if block.operator == "attention":
        return Attention(width, head_width, SPATIAL_REDUCTION[stage])
    if block.operator == "convolution":
        assert block.kernel is not None
        return Convolution(width, head_width, block.kernel)
    return SpatialShift(width)


class Projections(nn.Module):
    """Step I (Eq. 23): q, k and v as three separate 1×1 projections, shared by all operators."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.q = nn.Conv2d(width, width, 1)
        self.k = nn.Conv2d(width, width, 1)
        self.v = nn.Conv2d(width, width, 1)


class Attention(Projections):
    """Multi-head self-attention (Eq. 24), keys and values at a reduced resolution.

    Averaging and a 1×1 projection commute, so keys and values are projected after the reduction: only
    attention pays for what only attention uses.
    """

    def __init__(self, width: int, head_width: int, reduction: int) -> None:
        super().__init__(width)
        self.head_width, self.reduction = head_width, reduction
        self.out = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Mix every position with every other, (B, C, H, W) → (B, C, H, W)."""
        _, _, height, width = x.shape
        context = x
        if self.reduction > 1:
            context = adaptive_average(x, -(-height // self.reduction), -(-width // self.reduction))
        q, k, v = self._heads(self.q(x)), self._heads(self.k(context)), self._heads(self.v(context))
        mixed = F.scaled_dot_product_attention(q, k, v)  # (B, heads, H·W, head_width)
        return self.out(mixed.transpose(2, 3).reshape(x.shape))

    def _heads(self, x: Tensor) -> Tensor:
        """(B, heads·d, h, w) → (B, heads, h·w, d)."""
        return x.unflatten(1, (-1, self.head_width)).flatten(3).transpose(2, 3)


class Convolution(Projections):
    """Convolution as projected, shifted and summed maps (Eq. 25, after ACmix).

    At each in-head index, the values of the H heads of q, k and v are projected by W^P to k² maps; the maps
    are shifted by their kernel offsets and summed into the output channels, each with its own weight per
    offset. All of it is linear in q, k and v, so it runs as one grouped k×k convolution whose kernel is the
    product of the two factors; W^P and the output weights are what is stored and shared.
    """

    def __init__(self, width: int, head_width: int, kernel: int) -> None:
        super().__init__(width)
        self.head_width, self.kernel = head_width, kernel
        heads = width // head_width
        # W^P, one H → k² tensor for each of q, k and v: (H, k, k).
        self.map_q = nn.Parameter(torch.empty(heads, kernel, kernel))
        self.map_k = nn.Parameter(torch.empty(heads, kernel, kernel))
        self.map_v = nn.Parameter(torch.empty(heads, kernel, kernel))
        # The weight of each shifted map in each output channel: (C, k, k).
        self.spread = nn.Parameter(torch.empty(width, kernel, kernel))

    def forward(self, x: Tensor) -> Tensor:
        """Mix each position with its k×k neighbours, (B, C, H, W) → (B, C, H, W)."""
        depth = self.head_width
        maps = torch.cat((self.map_q, self.map_k, self.map_v))  # (3H, k, k)
        weight = (self._by_depth(self.spread).unsqueeze(2) * maps).flatten(0, 1)  # (d·H, 3H, k, k)
        # The rows of the projections, and not the features, are brought into the order of the groups.
        project = torch.stack([self._by_depth(p.weight) for p in (self.q, self.k, self.v)], dim=1)
        bias = torch.stack([self._by_depth(cast("Tensor", p.bias)) for p in (self.q, self.k, self.v)], dim=1)
        grouped = F.conv2d(x, project.flatten(0, 2), bias.flatten())  # (B, d·3·H, h, w)
        mixed = F.conv2d(grouped, weight.to(grouped.dtype), padding=self.kernel // 2, groups=depth)
        return transpose_channels(mixed, depth)

    def _by_depth(self, parameter: Tensor) -> Tensor:
        """(H·d, ...) → (d, H, ...)."""
        return parameter.unflatten(0, (-1, self.head_width)).transpose(0, 1)


class SpatialShift(Projections):
    """The all-MLP operator (Eq. 26): shifted q and k, split attention over the three branches, and an MLP.

    The direction of a shift is the channel's index modulo 4, which is Eq. 18-19 up to an order of channels
    and keeps a narrow layer a prefix of a wide one.
    """

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.reweight = SplitAttention(width)
        self.out = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Mix each position with its four neighbours, (B, C, H, W) → (B, C, H, W)."""
        down, up, right, left = 0, 1, 2, 3
        first = spatial_shift(self.q(x), (down, up, right, left))  # Eq. 18
        second = spatial_shift(self.k(x), (right, left, down, up))  # Eq. 19
        return self.out(self.reweight(first, second, self.v(x)))


def spatial_shift(x: Tensor, directions: tuple[int, int, int, int]) -> Tensor:
    """Move channel c by one pixel in direction `directions[c mod 4]`; the border keeps its value.

    Args:
        x: (B, C, H, W), C a multiple of 4.
        directions: 0 down, 1 up, 2 right, 3 left.
    """
    parts = []
    for offset, direction in enumerate(directions):
        part = x[:, offset::4]
        axis = 2 if direction < 2 else 3
        size = part.shape[axis]
        if direction % 2 == 0:  # Out of place: a view shifted onto itself would smear along the row.
            moved = torch.cat((part.narrow(axis, 0, 1), part.narrow(axis, 0, size - 1)), dim=axis)
        else:
            moved = torch.cat((part.narrow(axis, 1, size - 1), part.narrow(axis, size - 1, 1)), dim=axis)
        parts.append(moved)
    if has_channels_last(x):
        moved = torch.stack([part.permute(0, 2, 3, 1) for part in parts], dim=4)  # (B, H, W, C/4, 4)
        return moved.flatten(3).permute(0, 3, 1, 2)
    return torch.stack(parts, dim=2).flatten(1, 2)


class SplitAttention(nn.Module):
    """Recalibrate the importance of three branches per channel (split attention of Vision Permutator)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(width, width, 1, bias=False)
        # One projection per branch, not one of 3C rows: a prefix of 3C rows would mix branches between
        # widths.
        self.excite = nn.ModuleList(nn.Conv2d(width, width, 1, bias=False) for _ in range(3))

    def forward(self, *branches: Tensor) -> Tensor:
        """Three branches of (B, C, H, W) → their weighted sum (B, C, H, W)."""
        summary = sum(branch.mean((2, 3), keepdim=True) for branch in branches)  # (B, C, 1, 1)
        hidden = F.gelu(self.squeeze(summary))
        scores = torch.stack([excite(hidden) for excite in self.excite])  # (3, B, C, 1, 1)
        first, second, third = torch.softmax(scores, dim=0)
        one, two, three = branches
        return first * one + second * two + third * three
