"""What a search is asked for, a network per target and budget; and what one costs, known beforehand."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from autonad.space import Architecture


@dataclass(frozen=True)
class Goal:
    """One network that a search shall return.

    Attributes:
        target: Number of the target, from 0.
        budget_ms: Upper bound of its latency there; None without one.
        target_name: What the target is called, for messages and folders.
    """

    target: int = 0
    budget_ms: float | None = None
    target_name: str = "the target"

    @property
    def name(self) -> str:
        """`<target>-<budget>`, such as line-3ms; the target alone without a budget."""
        return self.target_name if self.budget_ms is None else f"{self.target_name}-{self.budget_ms:g}ms"


@dataclass(frozen=True)
class Limits:
    """What every network must keep to, whatever its target.

    Attributes:
        max_parameters: Scalars in its tensors; None for any number.
        max_memory_mib: Peak memory of the activations of one pass, MiB; None for any.
    """

    max_parameters: int | None = None
    max_memory_mib: float | None = None


@dataclass(frozen=True)
class Pricing:
    """What an architecture costs, known without evaluating it.

    Attributes:
        latencies_ms: Predicts the latency on each target, ms.
        parameters: Counts the scalars of a network.
        memory_mib: Peak memory of its activations, MiB.
    """

    latencies_ms: tuple[Callable[[Architecture], float], ...]
    parameters: Callable[[Architecture], int]
    memory_mib: Callable[[Architecture], float]

    def excess(self, architecture: Architecture, goal: Goal, limits: Limits) -> tuple[float, float]:
        """By how much an architecture misses a goal: shares of the budget, and of the limits of size.

        Sizes are counted only where the latency fits, which is predicted faster.

        Returns:
            (0, 0) for one that may be evaluated; else larger the farther it is, latency first.
        """
        late = 0.0
        if goal.budget_ms is not None:
            late = max(0.0, self.latencies_ms[goal.target](architecture) / goal.budget_ms - 1)
        if late > 0:
            return late, math.inf
        large = 0.0
        if limits.max_parameters is not None:
            large += max(0.0, self.parameters(architecture) / limits.max_parameters - 1)
        if limits.max_memory_mib is not None:
            large += max(0.0, self.memory_mib(architecture) / limits.max_memory_mib - 1)
        return late, large
