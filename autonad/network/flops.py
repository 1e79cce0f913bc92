"""Floating-point operations of one forward pass, counted without computing it."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from autonad.network.model import AutoNADNet
from autonad.space import Architecture


def count_flops(network: nn.Module, input_size: tuple[int, int]) -> int:
    """Operations of convolutions and matrix products for one image: two for each multiply-add.

    What works on single values (norms, activations, resizing of logits) is left out, as is usual.

    Args:
        network: A module on the meta device, (1, 3, H, W) → anything.
        input_size: Height and width of the image, pixels.
    """
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network(torch.empty(1, 3, *input_size, device="meta"))
    return int(counter.get_total_flops())


def architecture_flops(architecture: Architecture, num_classes: int, input_size: tuple[int, int]) -> int:
    """Operations of one pass of an architecture's network; see `count_flops`.

    Args:
        architecture: What would be built.
        num_classes: Classes including background.
        input_size: Height and width of an image, pixels.
    """
    with torch.device("meta"):
        network = AutoNADNet(architecture, num_classes).eval()
    return count_flops(network, input_size)
