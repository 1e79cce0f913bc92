"""The searchable multi-level feature aggregation module (Section IV-C)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from autonad.network.encoder import group_norm
from autonad.network.memory_format import channels_last, convolved, for_dilation
from autonad.network.pooling import adaptive_average
from autonad.network.shared_parts import Make, anew
from autonad.space import Architecture, EdgeOperator

# Side and dilation of the dense edge operators; all four are slices of one 5×5 bank.
DENSE = {"conv1x1": (1, 1), "conv3x3": (3, 1), "conv5x5": (5, 1), "dilated3x3": (3, 2)}
# Side of the depthwise separable ones; both are slices of one 7×7 bank.
DEPTHWISE = {"depthwise3x3": 3, "depthwise7x7": 7}


class Edge(nn.Module):
    """One edge of the graph: an operator chosen among six, normalised and activated.

    "depthwise3x3" and "depthwise7x7" are depthwise separable: a convolution per channel, then a 1×1 that
    changes the width.
    """

    def __init__(self, operator: EdgeOperator, in_width: int, width: int, group: int) -> None:
        super().__init__()
        if operator in DEPTHWISE:
            side = DEPTHWISE[operator]
            self.operator: nn.Module = nn.Sequential()
            self.operator.add_module(
                "depthwise",
                nn.Conv2d(in_width, in_width, side, padding=side // 2, groups=in_width, bias=False),
            )
            self.operator.add_module("pointwise", nn.Conv2d(in_width, width, 1, bias=False))
        else:
            side, dilation = DENSE[operator]
            self.operator = nn.Conv2d(
                in_width, width, side, padding=dilation * (side // 2), dilation=dilation, bias=False
            )
        self.norm = group_norm(width, group)
        self.dilated = operator == "dilated3x3"

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_width, H, W) → (B, width, H, W)."""
        if self.dilated:
            return F.gelu(self.norm(channels_last(self.operator(for_dilation(x)))))
        mixed = convolved(self.operator, x) if isinstance(self.operator, nn.Conv2d) else self.operator(x)
        return F.gelu(self.norm(mixed))


class FeatureAggregation(nn.Module):
    """Refine the encoder's levels along searchable edges, pool the last one at four sizes, and fuse.

    Everything is projected at its own resolution and then upsampled: a 1×1 projection and bilinear upsampling
    commute, and the projection is cheaper on the small map. Sums of per-branch projections stand in place of
    a concatenation, so that no weight mixes branches along one axis.
    """

    def __init__(self, architecture: Architecture, make: Make = anew) -> None:
        super().__init__()
        width, group = architecture.mfam_width, architecture.head_width
        self.pools = architecture.pools
        *lower, last = (stage.width for stage in architecture.stages)
        in_widths = (*(last,) * len(self.pools), *lower, *(width,) * len(lower))
        self.edges = nn.ModuleDict(
            {
                name: make(name, Edge, operator, in_width, width, group)
                for (name, operator), in_width in zip(architecture.edge_items(), in_widths, strict=True)
            }
        )
        self.top = nn.Conv2d(last, width, 1, bias=False)
        self.branches = nn.ModuleList(nn.Conv2d(width, width, 1, bias=False) for _ in self.pools)
        self.top_norm = group_norm(width, group)
        self.levels = nn.ModuleList(nn.Conv2d(width, width, 1, bias=False) for _ in architecture.stages)
        self.fuse_norm = group_norm(width, group)
        self.fuse = nn.Conv2d(width, width, 1)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Features of every stage → (B, mfam_width, h, w) at the resolution of the first."""
        *lower, last = features
        level = self._pyramid(last)
        refined = [level]
        for number in range(len(lower), 0, -1):
            level = self.edges[f"lateral{number}"](lower[number - 1]) + _resize(level, lower[number - 1])
            refined.insert(0, self.edges[f"output{number}"](level))
        fused = self.levels[0](refined[0])
        for project, level in zip(self.levels[1:], refined[1:], strict=True):
            fused = fused + _resize(project(level), fused)
        return F.gelu(self.fuse(F.gelu(self.fuse_norm(fused))))

    def _pyramid(self, last: Tensor) -> Tensor:
        """Pyramid pooling on the last stage (PSPNet), (B, C, h, w) → (B, mfam_width, h, w)."""
        total = self.top(last)
        for number, (side, project) in enumerate(zip(self.pools, self.branches, strict=True), start=1):
            pooled = self.edges[f"pool{number}"](adaptive_average(last, side, side))
            total = total + _resize(project(pooled), last)
        return F.gelu(self.top_norm(total))


def _resize(x: Tensor, like: Tensor) -> Tensor:
    """Bilinear resampling to the height and width of `like`."""
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)
