"""Rules for a wanted overkill or miss rate: the classes share what false alarms are allowed, where they find most.

All classes begin with rules that call nothing NG. Step by step the class is loosened that finds most for each
image that it newly rejects, a class of few defects counting as much as one of many. For a wanted overkill the
steps end where no other one fits, for a wanted miss rate where it is reached. What is less sure goes to REVIEW,
as far as the review load allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from autonad.detector.rules import Rules
from autonad.evaluation.candidates import LEVELS, Candidates
from autonad.evaluation.class_rules import ClassRules, class_rules
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


@dataclass(frozen=True)
class _Task:
    """What is optimised.

    Attributes:
        fronts: The rules of each class.
        good: (N,) images on which false alarms count.
        shown: (N,) images with a defect.
        weights: (D,) what finding a defect is worth.
        allowed: Good images that may be NG; None without a limit.
        misses: Images with a defect that need not be NG; None wants as many as there are.
        load: Good images that may go to REVIEW.
    """

    fronts: list[ClassRules]
    good: np.ndarray
    shown: np.ndarray
    weights: np.ndarray
    allowed: int | None
    misses: int | None
    load: int


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
        given = (limit, None) if goal.kind == "overkill" else (None, limit)
        task = _Task(fronts, good, shown, weights, *given, load)
        chosen = _widen_review(task, _loosen(task)[-1])
        merit = _merit(task, chosen)
        if best is None or merit > best[0]:
            best = merit, _rules(candidates.classes, task, chosen)
            free = _Task(fronts, good, shown, weights, None, 0, load)
            path = [_rules(candidates.classes, task, step) for step in _loosen(free)]
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


def _loosen(task: _Task) -> list[tuple[int, ...]]:
    """Choices of a rule per class, each one step looser than the last."""
    current = _strictest(task)
    steps = [current]
    while True:
        state = _State.of(task, current)
        if task.misses is not None and int((task.shown & ~state.ng).sum()) <= task.misses:
            return steps
        best: tuple[tuple[float, float], tuple[int, ...]] | None = None
        for number, front in enumerate(task.fronts):
            others = _State.of(task, current, without=number)
            alarms = (front.false_ng | others.false_ng)[:, task.good].sum(1)
            reviews = ((front.false_seen | others.false_seen) & ~(front.false_ng | others.false_ng))[
                :, task.good
            ].sum(1)
            gain = (front.found | others.found) @ task.weights - state.found @ task.weights
            fits = (gain > 1e-12) & (reviews <= max(task.load, state.reviews))
            if task.allowed is not None:
                fits &= alarms <= max(task.allowed, state.alarms)
            if fits.any():
                price = np.maximum(alarms - state.alarms, 0) + 1e-3
                ratio = np.where(fits, gain / price, -1)
                index = int(ratio.argmax())
                option = (float(ratio[index]), float(gain[index]))
                if best is None or option > best[0]:
                    best = option, (*current[:number], index, *current[number + 1 :])
        if best is None:
            return steps
        current = best[1]
        steps.append(current)


def _strictest(task: _Task) -> tuple[int, ...]:
    """Per class the rule with the fewest false alarms, then the least REVIEW, then that notices most."""
    chosen = []
    for front in task.fronts:
        alarms = front.false_ng[:, task.good].sum(1)
        reviews = (front.false_seen & ~front.false_ng)[:, task.good].sum(1)
        chosen.append(int(np.lexsort((-(front.noticed @ task.weights), reviews, alarms))[0]))
    return tuple(chosen)


def _widen_review(task: _Task, current: tuple[int, ...]) -> tuple[int, ...]:
    """Rules that find as much with as few false alarms, and notice more."""
    for number, front in enumerate(task.fronts):
        state, others = _State.of(task, current), _State.of(task, current, without=number)
        false = front.false_ng | others.false_ng
        alarms = false[:, task.good].sum(1)
        reviews = ((front.false_seen | others.false_seen) & ~false)[:, task.good].sum(1)
        found = (front.found | others.found) @ task.weights
        missed = (~(front.ng | others.ng))[:, task.shown].sum(1)
        fits = (alarms <= state.alarms) & (reviews <= max(task.load, state.reviews))
        fits &= (found >= state.found @ task.weights - 1e-12) & (
            missed <= int((task.shown & ~state.ng).sum())
        )
        noticed = (front.noticed | others.noticed) @ task.weights
        order = np.lexsort((reviews, -noticed, ~fits))
        current = (*current[:number], int(order[0]), *current[number + 1 :])
    return current


@dataclass(frozen=True)
class _State:
    """What a rule per class does together; see `Outcome`."""

    ng: np.ndarray
    false_ng: np.ndarray
    false_seen: np.ndarray
    found: np.ndarray
    noticed: np.ndarray
    alarms: int
    reviews: int

    @classmethod
    def of(cls, task: _Task, chosen: tuple[int, ...], without: int | None = None) -> _State:
        """The union over the classes, or over all but one."""
        images, defects = np.zeros(task.good.size, dtype=bool), np.zeros(task.weights.size, dtype=bool)
        ng, false_ng, false_seen = images.copy(), images.copy(), images.copy()
        found, noticed = defects.copy(), defects.copy()
        for number, (front, index) in enumerate(zip(task.fronts, chosen, strict=True)):
            if number != without:
                ng |= front.ng[index]
                false_ng |= front.false_ng[index]
                false_seen |= front.false_seen[index]
                found |= front.found[index]
                noticed |= front.noticed[index]
        alarms = int(false_ng[task.good].sum())
        reviews = int((false_seen & ~false_ng)[task.good].sum())
        return cls(ng, false_ng, false_seen, found, noticed, alarms, reviews)


def _merit(task: _Task, chosen: tuple[int, ...]) -> tuple[float, ...]:
    """Limits kept first; then what is found, or what it costs; then what is noticed."""
    state = _State.of(task, chosen)
    missed = int((task.shown & ~state.ng).sum())
    over = max(0, state.reviews - task.load)
    found, noticed = float(state.found @ task.weights), float(state.noticed @ task.weights)
    if task.misses is not None:
        return (-max(0, missed - task.misses), -over, -state.alarms, found, noticed)
    assert task.allowed is not None
    return (-max(0, state.alarms - task.allowed), -over, found, noticed)


def _rules(classes: tuple[str, ...], task: _Task, chosen: tuple[int, ...]) -> Rules:
    picked = [front.rules[index] for front, index in zip(task.fronts, chosen, strict=True)]
    return Rules(mm_per_pixel=None, classes=dict(zip(classes[1:], picked, strict=True)))
