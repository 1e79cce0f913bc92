"""The encoder: stages of a patch embedding followed by blocks (Fig. 3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autonad.network import mixers
from autonad.network.shared_parts import Make, anew
from autonad.space import Block, Stage


def group_norm(width: int, group: int) -> nn.GroupNorm:
    """Group normalisation with groups of a fixed size: their boundaries do not move with the width."""
    return nn.GroupNorm(width // group, width)


class PatchEmbedding(nn.Module):
    """Halve the resolution (stage 1: reduce it by the stem's stride) and set the width.

    Stage 1 uses two 3×3 convolutions of stride 2 in place of one large patch, which trains more steadily from
    scratch (Xiao et al. 2021, "Early convolutions help transformers see better"); of a stem with stride 2 the
    second one keeps the resolution.

    Args:
        in_width: Channels that come in.
        width: Channels of the stage.
        head_width: Channels of a group of the normalisation, and between the two convolutions of stage 1.
        stem_stride: Stride of stage 1, 2 or 4; None for the other stages.
    """

    def __init__(self, in_width: int, width: int, head_width: int, stem_stride: int | None) -> None:
        super().__init__()
        first = stem_stride is not None
        stride = 2 if stem_stride is None else stem_stride // 2
        self.stem = nn.Conv2d(in_width, head_width, 3, stride=2, padding=1) if first else None
        self.project = nn.Conv2d(head_width if first else in_width, width, 3, stride=stride, padding=1)
        self.norm = group_norm(width, head_width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, width, ⌈H/2⌉, ⌈W/2⌉); in stage 1 the stem's stride divides."""
        if self.stem is not None:
            x = F.gelu(self.stem(x))
        return self.norm(self.project(x))


class FeedForward(nn.Module):
    """Two 1×1 projections with a non-linearity between."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.expand = nn.Conv2d(width, hidden, 1)
        self.reduce = nn.Conv2d(hidden, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C, H, W)."""
        return self.reduce(F.gelu(self.expand(x)))


class EncoderBlock(nn.Module):
    """Normalise, mix positions, add; normalise, feed forward, add. Both branches have a layer scale."""

    def __init__(self, block: Block, width: int, head_width: int, stage: int) -> None:
        super().__init__()
        self.norm1 = group_norm(width, head_width)
        self.mixer = mixers.build_mixer(block, width, head_width, stage)
        self.scale1 = nn.Parameter(torch.empty(width))
        self.norm2 = group_norm(width, head_width)
        self.feed_forward = FeedForward(width, round(width * block.ffn_ratio))
        self.scale2 = nn.Parameter(torch.empty(width))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C, H, W)."""
        x = x + self.scale1.view(-1, 1, 1) * self.mixer(self.norm1(x))
        return x + self.scale2.view(-1, 1, 1) * self.feed_forward(self.norm2(x))


class EncoderStage(nn.Module):
    """A patch embedding and the blocks of one stage."""

    def __init__(
        self,
        stage: Stage,
        in_width: int,
        head_width: int,
        index: int,
        stem_stride: int | None,
        make: Make = anew,
    ) -> None:
        super().__init__()
        self.embed = make(f"{index}.embed", PatchEmbedding, in_width, stage.width, head_width, stem_stride)
        self.blocks = nn.Sequential(
            *(
                make(f"{index}.{position}", EncoderBlock, block, stage.width, head_width, index)
                for position, block in enumerate(stage.blocks)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_width, H, W) → (B, width, h, w)."""
        return self.blocks(self.embed(x))


class Encoder(nn.Module):
    """All stages; returns the features of each."""

    def __init__(
        self, stages: tuple[Stage, ...], head_width: int, stem_stride: int, make: Make = anew
    ) -> None:
        super().__init__()
        widths = (3, *(stage.width for stage in stages))
        self.stages = nn.ModuleList(
            EncoderStage(stage, in_width, head_width, index, stem_stride if index == 0 else None, make)
            for index, (stage, in_width) in enumerate(zip(stages, widths, strict=False))
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, 3, H, W) → features at 1/stem_stride of the input and at half of each before, rounded up."""
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features
