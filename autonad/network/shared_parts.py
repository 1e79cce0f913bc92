"""Who makes the parts of a network: each time anew, or once for all networks that have the same part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from torch import nn

M = TypeVar("M", bound=nn.Module)


class Make(Protocol):
    """Makes the part of a network that stands at a place."""

    def __call__(self, place: str, kind: Callable[..., M], *given: object) -> M:
        """What `kind(*given)` makes."""
        ...


def anew(place: str, kind: Callable[..., M], *given: object) -> M:
    """A part of its own, with weights of its own."""
    return kind(*given)


class Kept:
    """Parts without weights, kept by place and arguments.

    Networks that get their weights when they are called, one after another, can have them in common; building
    parts takes longer than all else that binding a path needs. A place is part of the key, so that no network
    has one part twice.
    """

    def __init__(self) -> None:
        self._parts: dict[tuple[object, ...], nn.Module] = {}

    def __call__(self, place: str, kind: Callable[..., M], *given: object) -> M:
        """The part that was made at this place with these arguments, or a new one."""
        key = (place, kind, *given)
        if key not in self._parts:
            self._parts[key] = kind(*given)
        return self._parts[key]  # type: ignore[return-value]  # of this kind, which is part of the key
