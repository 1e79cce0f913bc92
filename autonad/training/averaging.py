"""Averaged weights, which are steadier than the last ones."""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import Tensor, nn


class Average:
    """Exponential moving average of a module's weights; does nothing without a decay.

    The decay rises with the number of updates, as min(decay, (1 + n) / (10 + n)), so early weights are
    forgotten.
    """

    def __init__(self, module: nn.Module, decay: float | None) -> None:
        self.decay, self.updates = decay, 0
        self.shadow = (
            {n: t.detach().clone() for n, t in module.state_dict().items()} if decay is not None else {}
        )

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Move towards the module's present weights."""
        if self.decay is None:
            return
        self.updates += 1
        weight = 1.0 - min(self.decay, (1 + self.updates) / (10 + self.updates))
        own = module.state_dict()
        torch._foreach_lerp_(list(self.shadow.values()), [own[name] for name in self.shadow], weight)

    def applied(self, module: nn.Module) -> _Swapped | nullcontext[None]:
        """Within this context the module holds the averaged weights."""
        return nullcontext() if self.decay is None else _Swapped(module, self.shadow)

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint keeps."""
        return self.shadow | {"updates": torch.tensor(self.updates)} if self.shadow else {}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Back to what `tensors` gave."""
        if self.decay is not None:
            self.updates = int(tensors["updates"])
            for name, tensor in self.shadow.items():
                tensor.copy_(tensors[name])


class _Swapped:
    """Other weights in a module for the time of a `with` block."""

    def __init__(self, module: nn.Module, weights: dict[str, Tensor]) -> None:
        self.module, self.weights = module, weights

    def __enter__(self) -> None:
        self.own = {name: tensor.clone() for name, tensor in self.module.state_dict().items()}
        self.module.load_state_dict(self.weights)

    def __exit__(self, *_: object) -> None:
        self.module.load_state_dict(self.own)
