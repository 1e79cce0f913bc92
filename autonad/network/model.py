"""AutoNADNet: one architecture as an ordinary module. It is what is profiled, retrained and exported."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autonad.errors import ArchitectureError
from autonad.network.encoder import Encoder
from autonad.network.memory_format import channels_last
from autonad.network.mfam import FeatureAggregation
from autonad.network.pooling import adaptive_average
from autonad.network.shared_parts import Make, anew
from autonad.space import Architecture

# Residual branches start small, so that a deep and a shallow path of one supernet begin alike (NASViT).
LAYER_SCALE = 0.5


class AutoNADNet(nn.Module):
    """The network of one architecture: exactly the layers that it needs, and no record of any other.

    Args:
        architecture: What to build.
        num_classes: Classes including background.
        make: Makes its blocks, embeddings and edges.

    Parameters are drawn from torch's global generator; seed it for reproducible weights. On the meta device
    nothing is drawn.
    """

    def __init__(self, architecture: Architecture, num_classes: int, make: Make = anew) -> None:
        super().__init__()
        self.architecture, self.num_classes = architecture, num_classes
        self.encoder = Encoder(architecture.stages, architecture.head_width, architecture.stem_stride, make)
        self.mfam = FeatureAggregation(architecture, make)
        self.classify = nn.Conv2d(architecture.mfam_width, num_classes, 1)
        if not self.classify.weight.is_meta:
            for name, parameter in self.named_parameters():
                initialize(name, parameter)

    def forward(self, images: Tensor) -> Tensor:
        """Segment images.

        Args:
            images: (B, 3, H, W), normalised; H and W after scaling at least 32, not necessarily multiples.

        Returns:
            Logits (B, num_classes, H, W).

        Raises:
            ArchitectureError: The images are too small, or have no three channels.
        """
        check_images(images, self.architecture)
        height, width = (int(side) for side in images.shape[2:])
        seen = averaged_down(images, self.architecture.scaled((height, width)))
        logits = self.classify(self.mfam(self.encoder(channels_last(seen)))).contiguous()
        return F.interpolate(logits, size=images.shape[2:], mode="bilinear", align_corners=False)

    @property
    def num_parameters(self) -> int:
        """Number of scalars in the network's tensors."""
        return sum(parameter.numel() for parameter in self.parameters())


def averaged_down(images: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, 3, H, W) → (B, 3, *size); images of that size already stay as they are."""
    # While tracing, sizes are tensors.
    same = tuple(int(side) for side in images.shape[2:]) == size
    return images if same else adaptive_average(images, *size)


def check_images(images: Tensor, architecture: Architecture) -> None:
    """Say what is wrong with an input before a convolution does."""
    least = architecture.least_side
    if images.ndim != 4 or images.shape[1] != 3 or min(images.shape[2:]) < least:
        at = "" if architecture.scale == 1 else f", of which it sees {architecture.scale:g}"
        raise ArchitectureError(
            f"the input has shape {tuple(images.shape)}; the network needs (batch, 3, height, width) with "
            f"height and width of at least {least} pixels{at}"
        )


@torch.no_grad()
def initialize(name: str, parameter: Tensor) -> None:
    """Fill one parameter by its name; the supernet's store and a lone network use the same rule."""
    leaf = name.rsplit(".", 1)[-1]
    if leaf == "bias":
        parameter.zero_()
    elif leaf in ("scale1", "scale2"):
        parameter.fill_(LAYER_SCALE)
    elif leaf == "spread":
        # Near one, and not all the same: the output channels of one in-head index would otherwise stay equal.
        parameter.normal_(1.0, 0.5)
    elif leaf.startswith("map_"):
        parameter.normal_(0.0, 1.0 / math.sqrt(3 * parameter.numel()))
    elif parameter.ndim == 1:
        parameter.fill_(1.0)
    else:
        fan_in = parameter[0].numel()
        nn.init.trunc_normal_(parameter, std=1.0 / math.sqrt(fan_in))
