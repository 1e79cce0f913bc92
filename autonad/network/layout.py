"""How feature maps lie in memory: channels last, which convolutions on processors and GPUs read without copies."""

from __future__ import annotations

import torch
from torch import Tensor


def channels_last(x: Tensor) -> Tensor:
    """The same values, (B, C, H, W), with the channels last in memory; untouched while it is exported."""
    return x if torch.jit.is_tracing() else x.contiguous(memory_format=torch.channels_last)
