"""What rules from strict to loose find and cost, with bootstrap intervals over parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from autonad.detector.rules import Rules
from autonad.evaluation.candidates import Candidates
from autonad.evaluation.operating import good_images, outcome_of

# A path of more steps is thinned to so many.
_POINTS = 60


class CurvePoint(NamedTuple):
    """One step of a path on one split; fractions, each with the ends of its interval, None where undefined.

    Attributes:
        split: "val" or "test".
        step: From strict to loose, from 0.
        recall: True defects that an NG region overlaps, over all classes.
        false_alarms_per_image: NG regions nowhere near a defect.
        overkill: Good images that are NG.
        misses: Images with a defect that are not NG.
    """

    split: str
    step: int
    recall: float | None
    recall_low: float | None
    recall_high: float | None
    false_alarms_per_image: float | None
    false_alarms_per_image_low: float | None
    false_alarms_per_image_high: float | None
    overkill: float | None
    overkill_low: float | None
    overkill_high: float | None
    misses: float | None
    misses_low: float | None
    misses_high: float | None


def curve_points(
    split: str, candidates: Candidates, path: Sequence[Rules], *, level: float, resamples: int, seed: int
) -> list[CurvePoint]:
    """Follow a path of rules on a split.

    Args:
        split: Its name.
        candidates: Of the split.
        path: Rules from strict to loose.
        level: Coverage of the percentile intervals.
        resamples: Draws of whole parts.
        seed: Of the draws.
    """
    names, part = np.unique(candidates.groups, return_inverse=True)
    count = len(names)
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    good, _ = good_images(candidates)
    shown = candidates.defect_images
    defect_part = part[candidates.defect_image]

    def sums(values: np.ndarray, of: np.ndarray = part) -> np.ndarray:
        return np.bincount(of, values, count)

    steps = np.linspace(0, len(path) - 1, min(len(path), _POINTS)).round().astype(int)
    points = []
    for number, step in enumerate(steps):
        outcome = outcome_of(candidates, path[step])
        shares = (
            (sums(outcome.found, defect_part), sums(np.ones(len(defect_part)), defect_part)),
            (sums(outcome.false_regions), sums(np.ones(len(part)))),
            (sums(outcome.false_ng & good), sums(good)),
            (sums(~outcome.ng & shown), sums(shown)),
        )
        figures = [value for above, below in shares for value in _share(above, below, draws, level)]
        points.append(CurvePoint(split, number, *figures))
    return points


def _share(
    above: np.ndarray, below: np.ndarray, draws: np.ndarray, level: float
) -> tuple[float | None, float | None, float | None]:
    """A quotient of sums over parts, (G,) each, and the ends of its interval."""
    if not below.sum():
        return None, None, None
    denominators = draws @ below
    usable = denominators > 0
    values = (draws @ above)[usable] / denominators[usable]
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(above.sum() / below.sum()), float(low), float(high)
