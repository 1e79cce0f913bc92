"""How much memory the activations of one pass need at once, counted from shapes alone."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from autonad.network.model import AutoNADNet
from autonad.space import Architecture

MIB = 2**20


def count_parameters(architecture: Architecture, num_classes: int) -> int:
    """Scalars in the tensors of a network, counted without making the tensors."""
    with torch.device("meta"):
        return AutoNADNet(architecture, num_classes).num_parameters


def peak_activations_mib(architecture: Architecture, num_classes: int, size: tuple[int, int]) -> float:
    """The largest sum of all tensors that are alive at one moment of a pass, without the weights.

    Exact for operators that are run one after the other, each tensor being given back after its last use; a
    runtime that fuses operators needs less.

    Args:
        architecture: The network.
        num_classes: Classes including background.
        size: Height and width of the one image, pixels; fp32.

    Returns:
        MiB.
    """
    with torch.device("meta"), torch.no_grad():
        network = AutoNADNet(architecture, num_classes).eval()
        with _Tensors() as made:
            network(made.add(torch.empty(1, 3, *size)))
    return made.most() / MIB


class _Tensors(TorchDispatchMode):
    """Follows the tensors that operators make, each by the memory that it lies in, from first use to last."""

    def __init__(self) -> None:
        super().__init__()
        self._sizes: list[int] = []  # bytes of each memory, in the order in which they were made
        self._events: list[tuple[int, int]] = []  # number of a memory; +1 when it is made, −1 when given back
        self._known: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = {id(one.untyped_storage()) for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)}
        found = func(*args, **(kwargs or {}))
        for one in tree_leaves(found):
            if isinstance(one, Tensor) and id(one.untyped_storage()) not in given:
                self.add(one)
        return found

    def add(self, tensor: Tensor) -> Tensor:
        """Follow a tensor, unless its memory is followed already."""
        storage = tensor.untyped_storage()
        key, number = id(storage), len(self._sizes)
        if key not in self._known:

            def given_back(_: object) -> None:
                del self._known[key]
                self._events.append((number, -1))

            self._known[key] = weakref.ref(storage, given_back)
            self._sizes.append(storage.nbytes())
            self._events.append((number, 1))
        return tensor

    def most(self) -> int:
        """Bytes that were alive at once; what outlives the pass was made to be kept and is no activation."""
        passing = {number for number, change in self._events if change < 0}
        alive = most = 0
        for number, change in self._events:
            alive += change * self._sizes[number] if number in passing else 0
            most = max(most, alive)
        return most
