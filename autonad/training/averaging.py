"""Averaged weights, which are steadier than the last ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from autonad.errors import CheckpointError


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
        self._own: dict[str, Tensor] = {}  # what the module learns with, while it holds the average

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Move towards the module's present weights."""
        if self.decay is None:
            return
        self.updates += 1
        weight = 1.0 - min(self.decay, (1 + self.updates) / (10 + self.updates))
        own = module.state_dict()
        torch._foreach_lerp_(list(self.shadow.values()), [own[name] for name in self.shadow], weight)

    @contextmanager
    def applied(self, module: nn.Module) -> Iterator[None]:
        """Within this context the module holds the averaged weights."""
        try:
            if self.decay is not None:
                self._own = {name: tensor.clone() for name, tensor in module.state_dict().items()}
                module.load_state_dict(self.shadow)
            yield
        finally:
            self.give_back(module)

    def give_back(self, module: nn.Module) -> None:
        """Put a module's own weights back, also where `applied` was broken off; else nothing happens."""
        if self._own:
            module.load_state_dict(self._own)
            self._own = {}

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint keeps."""
        return self.shadow | {"updates": torch.tensor(self.updates)} if self.shadow else {}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Back to what `tensors` gave.

        Raises:
            CheckpointError: They are those of another module.
        """
        if self.decay is None:
            return
        expected = self.tensors()
        if {name: tensor.shape for name, tensor in tensors.items()} != {
            name: tensor.shape for name, tensor in expected.items()
        }:
            raise CheckpointError(
                "the checkpoint's averaged weights do not fit the network; give --replace to start over"
            )
        self.updates = int(tensors["updates"])
        for name, tensor in self.shadow.items():
            tensor.copy_(tensors[name])
