"""Rules for a wanted overkill or miss rate; false alarms are allowed to the classes that find most for them.

All classes begin with rules that call nothing NG. Step by step the class is loosened that finds most for each
image that it newly rejects, a class of few defects counting as much as one of many. For a wanted overkill
the steps end where no other one fits, for a wanted miss rate where it is reached. What is less sure goes to
REVIEW, as far as the review load allows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from autonad.detector.rules import Rules
from autonad.evaluation.candidates import LEVELS, Candidates
from autonad.evaluation.class_rules import class_rules
from autonad.evaluation.loosening import Task, loosen, merit, widen_review
from autonad.evaluation.operating import good_images
from autonad.evaluation.proportions import least_promise, upper_bound

# Regions of these probabilities do not depend on those of the other classes.
_FREE = tuple(index for index, level in enumerate(LEVELS) if level >= 0.5)
_FAMILIES = (_FREE, *((index,) for index in range(len(LEVELS)) if index not in _FREE))


@dataclass(frozen=True)
class Goal:
    """What rules shall keep to.

    Attributes:
        kind: Which rate is wanted.
        rate: At most this, a fraction.
        review_load: Share of good images that may go to REVIEW.
        confidence: Of the promise.
        areas: Least areas that are tried, pixels.
    """

    kind: Literal["overkill", "miss"]
    rate: float
    review_load: float
    confidence: float
    areas: tuple[float, ...]


@dataclass(frozen=True)
class Choice:
    """Rules, and how they were come by.

    Attributes:
        rules: Those chosen.
        path: Rules from the strictest to the loosest, of which the curves are drawn.
        least: The smallest rate that the parts at hand can promise.
        parts: How many there are.
    """

    rules: Rules
    path: list[Rules]
    least: float
    parts: int


def choose_rules(candidates: Candidates, goal: Goal) -> Choice:
    """Choose rules on a validation split.

    If its parts are enough to promise the wanted rate, the one-sided upper bound (Clopper and Pearson) of the
    rate over parts keeps to it; if they are not, the rate that was seen does, and promises less.

    Args:
        candidates: Of the validation split.
        goal: What is wanted.
    """
    good, _ = good_images(candidates)
    shown = candidates.defect_images
    basis = good if goal.kind == "overkill" else shown
    parts = len(np.unique(candidates.groups[basis]))
    least = least_promise(parts, goal.confidence)
    limit = _most_events(goal, int(basis.sum()), parts)
    counts = np.bincount(candidates.defect_class, minlength=len(candidates.classes))
    weights = 1 / np.maximum(counts, 1)[candidates.defect_class]
    best: tuple[tuple[float, ...], Rules] | None = None
    path: list[Rules] = []
    for levels in _FAMILIES:
        fronts = [
            class_rules(candidates, value, levels=levels, areas=goal.areas, good=good, weights=weights)
            for value in range(1, len(candidates.classes))
        ]
        load = int(goal.review_load * good.sum())
        free = Task(fronts, good, shown, weights, None, None, load)
        task = replace(free, allowed=limit) if goal.kind == "overkill" else replace(free, misses=limit)
        chosen = widen_review(task, loosen(task)[-1])
        worth = merit(task, chosen)
        if best is None or worth > best[0]:
            best = worth, _rules(candidates.classes, task, chosen)
            path = [_rules(candidates.classes, task, step) for step in loosen(free)]
    assert best is not None
    return Choice(best[1], path, least, parts)


def _most_events(goal: Goal, images: int, parts: int) -> int:
    """How many images the event may happen on."""
    promising = least_promise(parts, goal.confidence) <= goal.rate

    def keeps(count: int) -> bool:
        rate = count / max(images, 1)
        return (upper_bound(rate, parts, goal.confidence) if promising else rate) <= goal.rate

    low, high = 0, images
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if keeps(middle) else (low, middle - 1)
    return low


def _rules(classes: tuple[str, ...], task: Task, chosen: tuple[int, ...]) -> Rules:
    picked = [front.rules[index] for front, index in zip(task.fronts, chosen, strict=True)]
    return Rules(mm_per_pixel=None, classes=dict(zip(classes[1:], picked, strict=True)))
