"""The supernet: one store of largest-size tensors that runs any architecture of its space."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.overrides import TorchFunctionMode

from autonad.errors import CheckpointError, ConfigError
from autonad.network.model import AutoNADNet, initialize
from autonad.network.shared_parts import Kept
from autonad.network.sharing import STRATEGIES, Sharing, covering, store_key, take
from autonad.space import Architecture, SearchSpace

# Structures (no weights) that are kept for architectures seen lately.
MAX_CACHED = 256


class SuperNet(nn.Module):
    """All networks of a search space in one set of shared weights (Section IV-B).

    To run an architecture, `AutoNADNet` is built without storage and called with slices of the store, so a
    subnet and its extracted copy are the same code, and gradients flow into the shared tensors.

    Args:
        space: What can be run.
        num_classes: Classes including background.
        sharing: "cross", "entangled" or "classical" (Table VII).

    Raises:
        ConfigError: Unknown sharing strategy.
    """

    def __init__(self, space: SearchSpace, num_classes: int, sharing: Sharing = "cross") -> None:
        super().__init__()
        if sharing not in STRATEGIES:
            raise ConfigError(f"sharing is {sharing!r}; use one of {', '.join(STRATEGIES)}")
        self.space, self.num_classes, self.sharing = space, num_classes, sharing
        self._parts = Kept()
        self._structures: OrderedDict[Architecture, AutoNADNet] = OrderedDict()
        shapes: dict[str, tuple[int, ...]] = {}
        names: dict[str, str] = {}
        for architecture in covering(space, sharing):
            for name, shape in self._shapes(architecture).items():
                key = store_key(sharing, architecture, name, shape)
                shapes[key] = tuple(map(max, shapes.get(key, shape), shape))
                names[key] = name
        self._structures.clear()
        self.store = nn.ParameterDict()
        for key, shape in shapes.items():
            parameter = nn.Parameter(torch.empty(shape))
            initialize(names[key], parameter)
            self.store[_encode(key)] = parameter

    def forward(self, images: Tensor, architecture: Architecture) -> Tensor:
        """Run one architecture.

        Args:
            images: (B, 3, H, W), normalised.
            architecture: A member of the space.

        Returns:
            Logits (B, num_classes, H, W).

        Raises:
            ArchitectureError: The architecture lies outside the space, or the images are too small.
        """
        # No two parameters of a network are one tensor.
        network, weights = self._structure(architecture), self.weights(architecture)
        return functional_call(network, weights, (images,), tie_weights=False)

    def weights(self, architecture: Architecture) -> dict[str, Tensor]:
        """Parameter name → its slice of the store, for one architecture; see `take`."""
        shapes = self._shapes(architecture)
        whole = [self.parameter_of(architecture, name, shape) for name, shape in shapes.items()]
        return dict(zip(shapes, take(whole, list(shapes.values())), strict=True))

    def parameter_of(self, architecture: Architecture, name: str, shape: tuple[int, ...]) -> Tensor:
        """The store's tensor that holds the parameter `name` of an architecture, whole."""
        return self.store[_encode(store_key(self.sharing, architecture, name, shape))]

    def extract(self, architecture: Architecture) -> AutoNADNet:
        """A standalone network with copies of the weights; its output equals the supernet's."""
        weights = self.weights(architecture)
        with torch.device("meta"):
            network = AutoNADNet(architecture, self.num_classes)
        network.to_empty(device=next(self.parameters()).device)
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                parameter.copy_(weights[name])
        return network.train(self.training)

    def adopt(self, other: SuperNet) -> list[str]:
        """Start from another supernet's weights; what depends on the classes keeps its own.

        Args:
            other: A supernet of the same space and sharing; its classes may be others.

        Returns:
            Names of the tensors that were not taken, because their shapes differ.

        Raises:
            CheckpointError: Space or sharing differ.
        """
        for what, ours, theirs in (
            ("space", self.space.key, other.space.key),
            ("sharing", self.sharing, other.sharing),
        ):
            if ours != theirs:
                raise CheckpointError(
                    f"the initial supernet's {what} is {theirs}, this one's is {ours}; take a supernet of "
                    "the same space and sharing, or start without one"
                )
        kept = []
        with torch.no_grad():
            for key, parameter in self.store.items():
                source = other.store[key]
                if source.shape == parameter.shape:
                    parameter.copy_(source)
                else:
                    kept.append(key.replace("/", "."))
        return kept

    def _structure(self, architecture: Architecture) -> AutoNADNet:
        """`AutoNADNet` on the meta device, cached."""
        network = self._structures.get(architecture)
        if network is None:
            self.space.check(architecture)
            with _Skeleton():
                network = AutoNADNet(architecture, self.num_classes, self._parts)
            self._structures[architecture] = network
            if len(self._structures) > MAX_CACHED:
                self._structures.popitem(last=False)
        else:
            self._structures.move_to_end(architecture)
        return network

    def _shapes(self, architecture: Architecture) -> dict[str, tuple[int, ...]]:
        return {name: tuple(p.shape) for name, p in self._structure(architecture).named_parameters()}


class _Skeleton(TorchFunctionMode):
    """Within it modules have shapes and no values: nothing is stored, and nothing is drawn.

    In place of `torch.device("meta")`, under which every layer still runs its own initialisation, half the
    time of building a network.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is torch.empty:
            return func(*args, **{**kwargs, "device": "meta"})
        if func in _INITIALISERS:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


_INITIALISERS = {nn.init.kaiming_uniform_, nn.init.uniform_, torch.Tensor.fill_, torch.Tensor.zero_}


def _encode(key: str) -> str:
    """`nn.ParameterDict` takes no dots in its keys."""
    return key.replace(".", "/")
