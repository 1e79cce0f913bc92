"""What a block, a stage and a draw may choose among, and with which probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from autonad.space.architecture import Operator

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Mixer:
    """What a block can mix positions with: an operator, and for convolution its kernel."""

    operator: Operator
    kernel: int | None = None

    @property
    def name(self) -> str:
        """Short name, unique in a space: "attention", "convolution3", "convolution5", "shift"."""
        return f"{self.operator}{self.kernel or ''}"


@dataclass(frozen=True)
class SamplingPrior:
    """Probabilities that replace the uniform ones when an operator is drawn.

    Attributes:
        blocks: (stage, block), both from 0 → mixer name → probability.
        edges: Edge name → edge operator → probability.

    A position that is missing is drawn uniformly; probabilities are renormalised over a space's choices.
    """

    blocks: Mapping[tuple[int, int], Mapping[str, float]] = field(default_factory=dict)
    edges: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


UNIFORM = SamplingPrior()


@dataclass(frozen=True, slots=True)
class StageSpace:
    """Choices of one encoder stage: widths in channels, depths in blocks, feed-forward ratios."""

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    ffn_ratios: tuple[float, ...]


def draw(rng: np.random.Generator, choices: Sequence[T], weights: Sequence[float] | None = None) -> T:
    """One of `choices`, with probability proportional to `weights` (uniform when they are all zero)."""
    if weights is None or sum(weights) <= 0:
        return choices[int(rng.integers(len(choices)))]
    cumulative = np.cumsum(weights)
    # `side="right"`: a choice of weight zero is never drawn.
    return choices[int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right"))]
