"""How evaluated architectures compare: constraints first, then Algorithm 1's score."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from autonad.errors import SearchError
from autonad.space import Architecture


@dataclass(frozen=True)
class Evaluation:
    """What one architecture scored.

    Attributes:
        architecture: What was evaluated.
        miou: Mean IoU on the validation split with inherited weights, a fraction.
        latency_ms: Latency on the target in ms, predicted or measured.
    """

    architecture: Architecture
    miou: float
    latency_ms: float


@dataclass(frozen=True)
class Ranking:
    """An order of evaluations.

    Attributes:
        latency_weight: λ, mIoU per ms.
        latency_budget_ms: Upper bound in ms; None without one.
    """

    latency_weight: float
    latency_budget_ms: float | None = None

    def score(self, evaluation: Evaluation) -> float:
        """Score(α) = mIoU(α) − λ · Latency(α), Algorithm 1, line 3."""
        return evaluation.miou - self.latency_weight * evaluation.latency_ms

    def violation(self, evaluation: Evaluation) -> float:
        """Milliseconds above the budget; 0 within it."""
        if self.latency_budget_ms is None:
            return 0.0
        return max(0.0, evaluation.latency_ms - self.latency_budget_ms)

    def feasible(self, evaluation: Evaluation) -> bool:
        """Whether an architecture keeps to the budget."""
        return self.violation(evaluation) == 0.0

    def sort(self, evaluations: Iterable[Evaluation]) -> list[Evaluation]:
        """Best first: within the budget by score, behind them the others by violation; ties by latency."""
        return sorted(
            evaluations, key=lambda item: (self.violation(item), -self.score(item), item.latency_ms)
        )


def checked(evaluation: Evaluation) -> Evaluation:
    """Refuse figures that would break or silently distort a ranking.

    Returns:
        The evaluation with plain floats: a float32 would be rounded anew in every score.

    Raises:
        SearchError: mIoU is no fraction, or the latency no finite time.
    """
    key = evaluation.architecture.key
    if not (math.isfinite(evaluation.miou) and 0 <= evaluation.miou <= 1):
        raise SearchError(
            f"architecture {key} has mIoU {evaluation.miou}; it must be a fraction between 0 and 1: check "
            "the supernet's weights and the validation masks"
        )
    if not (math.isfinite(evaluation.latency_ms) and evaluation.latency_ms >= 0):
        raise SearchError(
            f"architecture {key} has a latency of {evaluation.latency_ms} ms; it must be finite and not "
            "negative: profile the target again"
        )
    return Evaluation(evaluation.architecture, float(evaluation.miou), float(evaluation.latency_ms))
