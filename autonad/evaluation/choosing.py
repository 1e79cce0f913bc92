"""Rules for a wanted overkill or miss rate; false alarms are allowed to the classes that find most for them.

All classes begin with rules that call nothing NG. Step by step the class is loosened that finds most for each
image that it newly rejects, a class of few defects counting as much as one of many. What is less sure goes to
REVIEW, as far as the review load allows.

How far to go is found on other parts than the order of the steps: rules that were the best of thousands on
some images do worse on others. The steps are tried one after the other, and the last one before the first
whose upper bound exceeds the wanted rate is taken. So the bound holds with the confidence that is stated,
however many steps there are (fixed-sequence testing, as in "Learn then test", Angelopoulos et al. 2021). If
there are too few parts for that, all serve to choose, the rate that was seen on them keeps to the wanted one,
and nothing is promised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from autonad.detector.rules import Rules
from autonad.evaluation.candidates import LEVELS, Candidates
from autonad.evaluation.class_rules import unbeaten_rules
from autonad.evaluation.loosening import Task, loosen, merit, widen_review
from autonad.evaluation.operating import good_images, outcome_of
from autonad.evaluation.proportions import least_promise, parts_needed, upper_bound

# Wanted and least share of the parts that the order of the steps is found on; the others show how far to go.
_CHOOSING = 1 / 3, 1 / 5
# How far from the surest rules of the order towards certainty is tried.
_TIGHTER = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)

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
class Proof:
    """What rules did on parts that they were not chosen on.

    Attributes:
        count: Images on which the event happened that is to be rare.
        of: Images.
        parts: Parts that these show.
        upper: One-sided upper bound of the rate over parts.
    """

    count: int
    of: int
    parts: int
    upper: float


@dataclass(frozen=True)
class Choice:
    """Rules, and how they were come by.

    Attributes:
        rules: Those chosen.
        path: Rules from the strictest to the loosest.
        proof: What the promise rests on; None where there are too few parts for any.
        parts: Parts that show what the wanted rate is a share of.
    """

    rules: Rules
    path: list[Rules]
    proof: Proof | None
    parts: int


def choose_rules(candidates: Candidates, goal: Goal) -> Choice:
    """Choose rules on a validation split.

    Args:
        candidates: Of the validation split.
        goal: What is wanted.
    """
    good, _ = good_images(candidates)
    shown = candidates.defect_images
    basis = good if goal.kind == "overkill" else shown
    parts = len(np.unique(candidates.groups[basis]))
    proving = _proving(candidates.groups, basis, goal)
    choosing = ~proving if proving.any() else np.ones_like(proving)
    if goal.kind == "overkill":
        good = good & choosing
    else:
        shown = shown & choosing
    chosen, path = _best_path(candidates, goal, good, shown)
    if not proving.any():
        return Choice(chosen, path, None, parts)
    rules, proof = _walk(candidates, goal, path, proving)
    return Choice(rules, path, proof, parts)


def parts_to_promise(goal: Goal) -> int:
    """Parts with which a rate can be promised: those that show it, and those that order the rules."""
    needed = parts_needed(goal.rate, goal.confidence)
    parts = needed
    while _most_proving(parts) < needed:
        parts += 1
    return parts


def lowest_promise(parts: int, confidence: float) -> float:
    """The smallest rate that so many parts can promise, where none of those that show it has an event."""
    return least_promise(_most_proving(parts), confidence)


def _most_proving(parts: int) -> int:
    """Parts that can be spared to show a rate."""
    return round((1 - _CHOOSING[1]) * parts)


def _proving(groups: np.ndarray, basis: np.ndarray, goal: Goal) -> np.ndarray:
    """(N,) images of the parts on which the rate is shown; none if there are too few parts."""
    names = np.unique(groups[basis])
    wanted = round((1 - _CHOOSING[0]) * len(names))
    count = max(wanted, parts_needed(goal.rate, goal.confidence))
    if count > _most_proving(len(names)):
        return np.zeros_like(basis)
    drawn = np.random.default_rng(0).permutation(names)[:count]
    return np.asarray(basis & np.isin(groups, drawn))


def _best_path(
    candidates: Candidates, goal: Goal, good: np.ndarray, shown: np.ndarray
) -> tuple[Rules, list[Rules]]:
    """Rules whose rate on some images is the wanted one, and the path that they lie on.

    Args:
        candidates: Of the validation split.
        goal: What is wanted.
        good: (N,) images on which false alarms count.
        shown: (N,) images with a defect that shall be found.
    """
    worth = shown[candidates.defect_image]
    counts = np.bincount(candidates.defect_class[worth], minlength=len(candidates.classes))
    weights = worth / np.maximum(counts, 1)[candidates.defect_class]
    load = int(goal.review_load * good.sum())
    limit = int(goal.rate * (good if goal.kind == "overkill" else shown).sum())
    best: tuple[tuple[float, ...], Task, tuple[int, ...]] | None = None
    for levels in _FAMILIES:
        fronts = [
            unbeaten_rules(candidates, value, levels=levels, areas=goal.areas, good=good, weights=weights)
            for value in range(1, len(candidates.classes))
        ]
        free = Task(fronts, good, shown, weights, None, None, load)
        task = replace(free, allowed=limit) if goal.kind == "overkill" else replace(free, misses=limit)
        chosen = widen_review(task, loosen(task)[-1])
        merits = merit(task, chosen)
        if best is None or merits > best[0]:
            best = merits, free, chosen
    assert best is not None
    _, free, chosen = best
    path = [_rules(candidates.classes, free, widen_review(free, step)) for step in loosen(free)]
    return _rules(candidates.classes, free, chosen), [*_tightened(path[0]), *path]


def _tightened(rules: Rules) -> list[Rules]:
    """Rules that ask for more and more certainty, the surest first.

    Without a single false alarm on the images at hand, rules may still have some on others.
    """
    steps = []
    for share in _TIGHTER:
        classes = {
            name: rule.model_copy(update={"review": round(rule.review + share * (1 - rule.review), 3)})
            for name, rule in rules.classes.items()
        }
        steps.append(rules.model_copy(update={"classes": classes}))
    return steps


def _walk(
    candidates: Candidates, goal: Goal, path: Sequence[Rules], proving: np.ndarray
) -> tuple[Rules, Proof]:
    """The last rules on a path, from the surest on, that keep to the wanted rate on other parts.

    Those that keep to the review load go before those that do not.
    """
    parts = len(np.unique(candidates.groups[proving]))
    good, _ = good_images(candidates)
    taken: tuple[Rules, Proof] | None = None
    over_before = False
    for rules in path if goal.kind == "overkill" else reversed(path):
        outcome = outcome_of(candidates, rules)
        events = outcome.false_ng if goal.kind == "overkill" else ~outcome.ng
        count, of = int(events[proving].sum()), int(proving.sum())
        proof = Proof(count, of, parts, upper_bound(count / of, parts, goal.confidence))
        if proof.upper > goal.rate:
            taken = taken or (rules, proof)
            break
        over = float((outcome.false_seen & ~outcome.false_ng)[good].mean()) > goal.review_load
        if taken is None or over_before or not over:
            taken, over_before = (rules, proof), over
    assert taken is not None
    return taken


def _rules(classes: tuple[str, ...], task: Task, chosen: tuple[int, ...]) -> Rules:
    picked = [front.rules[index] for front, index in zip(task.fronts, chosen, strict=True)]
    return Rules(mm_per_pixel=None, classes=dict(zip(classes[1:], picked, strict=True)))
