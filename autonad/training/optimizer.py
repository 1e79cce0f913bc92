"""How weights move: the optimiser, and its learning rate over a run."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from autonad.config import TrainingConfig


def make_optimizer(module: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """Adam or AdamW; only weights of two or more axes decay (norms, biases and scales do not)."""
    weights = [p for p in module.parameters() if p.ndim >= 2]
    others = [p for p in module.parameters() if p.ndim < 2]
    groups = [
        {"params": weights, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    # Fused: one pass over weights, gradients and moments instead of a dozen.
    return kind(groups, lr=config.learning_rate, fused=True)


def learning_rate(config: TrainingConfig, step: int, total: int) -> float:
    """Linear warm-up, then cosine or poly (power 0.9) decay to zero.

    Args:
        config: Peak rate, schedule and share of warm-up.
        step: Steps done before this one.
        total: Steps of the whole run.
    """
    warmup = config.warmup * total
    if step < warmup:
        return config.learning_rate * (step + 1) / (warmup + 1)
    # Chance in `epoch_order` may add a few steps to the expected total.
    share = min(1.0, (step - warmup) / max(1.0, total - warmup))
    decay = 0.5 * (1 + math.cos(math.pi * share)) if config.schedule == "cosine" else (1 - share) ** 0.9
    return config.learning_rate * decay


def total_steps(config: TrainingConfig, num_images: int, repeats: NDArray[np.float64] | None = None) -> int:
    """Expected steps of a whole run; `repeats` says how often each image is shown per epoch (None: once)."""
    shown = num_images if repeats is None else math.floor(repeats.sum())
    return config.epochs * max(1, shown // config.batch_size)
