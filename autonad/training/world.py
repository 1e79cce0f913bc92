"""The processes of one training run, one per GPU, that train one model together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn


@dataclass(frozen=True)
class World:
    """A process among those that train together; by default it is alone.

    Each has the whole model, computes its share of every batch, and sees the loss of the whole batch. So the
    gradients are those of one process (up to rounding), for losses too that are no mean over images, and all
    processes hold the same weights at all times.

    Attributes:
        device: Where this one computes.
        rank: Number of this process, from 0.
        size: How many processes there are.
    """

    device: torch.device
    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes files, logs and reports."""
        return self.rank == 0

    def share(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """This process's part of a batch.

        All parts are equally long: the first of the batch fill up the last ones, and `gather` drops them.
        """
        length = -(-len(indices) // self.size)
        return np.resize(indices, length * self.size)[self.rank * length : (self.rank + 1) * length]

    def gather(self, part: Tensor, count: int) -> Tensor:
        """The whole batch, of which gradients flow into this process's own part alone.

        Args:
            part: (b, ...) this process's part, as long as everyone's.
            count: Images in the batch.

        Returns:
            (count, ...) in the order of the batch.
        """
        if self.size == 1:
            return part
        parts = [torch.empty_like(part) for _ in range(self.size)]
        dist.all_gather(parts, part.detach().contiguous())
        parts[self.rank] = part
        return torch.cat(parts)[:count]

    def sum_gradients(self, module: nn.Module) -> None:
        """Add up all processes' gradients; a path that was not sampled has none anywhere."""
        if self.size == 1:
            return
        gradients = [p.grad for p in module.parameters() if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        for gradient, total in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(total.view_as(gradient))

    def total(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Add up what every process counted."""
        if self.size == 1:
            return counts
        summed = torch.from_numpy(counts).to(self.device)
        dist.all_reduce(summed)
        return summed.cpu().numpy()

    def wait(self) -> None:
        """Until every process is here."""
        if self.size > 1:
            dist.barrier()


ALONE = World(torch.device("cpu"))
