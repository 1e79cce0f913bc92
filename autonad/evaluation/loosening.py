"""Rules of several classes loosened together, step by step, within what is allowed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autonad.evaluation.class_rules import ClassRules


@dataclass(frozen=True)
class Task:
    """What is optimised.

    Attributes:
        fronts: The rules of each class.
        good: (N,) images on which false alarms count.
        shown: (N,) images with a defect.
        weights: (D,) what finding a defect is worth.
        allowed: Good images that may be NG; None without a limit.
        misses: Images with a defect that need not be NG; None loosens as far as it goes.
        load: Good images that may go to REVIEW.
    """

    fronts: list[ClassRules]
    good: np.ndarray
    shown: np.ndarray
    weights: np.ndarray
    allowed: int | None
    misses: int | None
    load: int


def loosen(task: Task) -> list[tuple[int, ...]]:
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


def _strictest(task: Task) -> tuple[int, ...]:
    """Per class the rule with the fewest false alarms, then the least REVIEW, then that notices most."""
    chosen = []
    for front in task.fronts:
        alarms = front.false_ng[:, task.good].sum(1)
        reviews = (front.false_seen & ~front.false_ng)[:, task.good].sum(1)
        chosen.append(int(np.lexsort((-(front.noticed @ task.weights), reviews, alarms))[0]))
    return tuple(chosen)


def widen_review(task: Task, current: tuple[int, ...]) -> tuple[int, ...]:
    """Rules that find as much with as few false alarms, and notice more; of these the strictest."""
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
        order = np.lexsort((reviews, found, -noticed, ~fits))
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
    def of(cls, task: Task, chosen: tuple[int, ...], without: int | None = None) -> _State:
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


def merit(task: Task, chosen: tuple[int, ...]) -> tuple[float, ...]:
    """Limits kept first; then what is found, or what it costs; then what is noticed."""
    state = _State.of(task, chosen)
    missed = int((task.shown & ~state.ng).sum())
    over = max(0, state.reviews - task.load)
    found, noticed = float(state.found @ task.weights), float(state.noticed @ task.weights)
    if task.misses is not None:
        return (-max(0, missed - task.misses), -over, -state.alarms, found, noticed)
    assert task.allowed is not None
    return (-max(0, state.alarms - task.allowed), -over, found, noticed)
