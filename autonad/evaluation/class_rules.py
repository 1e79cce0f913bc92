"""The rules that are worth considering for one class: no other finds as much for as few false alarms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autonad.detector.rules import ClassRule
from autonad.evaluation.candidates import LEVELS, Candidates

# False alarms that are told apart by their mean probability, per probability and area; the least sure of them
# would all be accepted or refused together.
_THRESHOLDS = 48
# Rules of a class that are combined with those of the others.
_MOST = 200


@dataclass(frozen=True)
class ClassRules:
    """J rules of one class and what each does by itself, to N images and D true defects.

    Attributes:
        rules: J rules; of those that do the same, the simplest alone.
        ng: (J, N) some region makes the image NG.
        false_ng: (J, N) and lies nowhere near a defect.
        false_seen: (J, N) a region nowhere near a defect is NG or for REVIEW.
        found: (J, D) an NG region overlaps the defect.
        noticed: (J, D) a region that is NG or for REVIEW overlaps it.
    """

    rules: list[ClassRule]
    ng: np.ndarray
    false_ng: np.ndarray
    false_seen: np.ndarray
    found: np.ndarray
    noticed: np.ndarray


@dataclass(frozen=True)
class _Surest:
    """Of one class, probability and least area: the largest mean of a region per image and defect, or −1."""

    any: np.ndarray
    stray: np.ndarray
    defect: np.ndarray


def unbeaten_rules(
    candidates: Candidates,
    value: int,
    *,
    levels: tuple[int, ...],
    areas: tuple[float, ...],
    good: np.ndarray,
    weights: np.ndarray,
) -> ClassRules:
    """The rules of a class that no other one beats.

    Args:
        candidates: Of the split on which rules are chosen.
        value: The class.
        levels: Positions in `LEVELS` that are tried.
        areas: Least areas that are tried, pixels.
        good: (N,) images on which false alarms count.
        weights: (D,) what finding a defect is worth.
    """
    rules: list[ClassRule] = []
    figures: list[tuple[float, ...]] = []
    surest: list[_Surest] = []
    for level in levels:
        for area in areas:
            best = _surest(candidates, value, level, area)
            sorted_stray = np.sort(best.stray[good])
            seen = int((best.stray[good] >= 0).sum())
            noticed = float(weights[best.defect >= 0].sum())
            for review in _thresholds(sorted_stray, LEVELS[level]):
                rules.append(ClassRule(probability=LEVELS[level], min_area_px=area, review=review))
                alarms = len(sorted_stray) - int(np.searchsorted(sorted_stray, review))
                found = float(weights[best.defect >= review].sum())
                # Equal ones: the larger area is simpler, then the lower probability.
                figures.append((-found, alarms, seen - alarms, -noticed, -area, level))
                surest.append(best)
    kept = _unbeaten(np.asarray(figures))
    reviews = np.asarray([rules[index].review for index in kept])[:, None]
    of = [surest[index] for index in kept]
    means = np.stack([one.any for one in of]), np.stack([one.stray for one in of])
    defects = np.stack([one.defect for one in of])
    return ClassRules(
        rules=[rules[index] for index in kept],
        ng=means[0] >= reviews,
        false_ng=means[1] >= reviews,
        false_seen=means[1] >= 0,
        found=defects >= reviews,
        noticed=defects >= 0,
    )


def _surest(candidates: Candidates, value: int, level: int, area: float) -> _Surest:
    own = (candidates.value == value) & (candidates.level == level) & (candidates.area >= area)
    any_, stray = (np.full(len(candidates.images), -1.0) for _ in range(2))
    defect = np.full(len(candidates.defect_image), -1.0)
    np.maximum.at(any_, candidates.image[own], candidates.mean[own])
    false = own & candidates.stray
    np.maximum.at(stray, candidates.image[false], candidates.mean[false])
    hits = own[candidates.hit_region]
    np.maximum.at(defect, candidates.hit_defect[hits], candidates.mean[candidates.hit_region[hits]])
    return _Surest(any_, stray, defect)


def _thresholds(sorted_stray: np.ndarray, least: float) -> list[float]:
    """Mean probabilities, of three digits, from which a region is NG: each lets one more false alarm through.

    The last one lets all through, the first none but those that are certain.
    """
    means = np.unique(np.ceil(sorted_stray[sorted_stray >= 0][-_THRESHOLDS:] * 1000 + 1e-6) / 1000)
    return sorted({least, 1.0, *(float(one) for one in means if least < one < 1)}, reverse=True)


def _unbeaten(figures: np.ndarray) -> list[int]:
    """Positions of rows that no other one beats or equals in the first four figures, smaller being better."""
    order = np.lexsort(figures.T[::-1])
    kept: list[int] = []
    for index in order:
        held = figures[kept, :4]
        if not kept or not (held <= figures[index, :4]).all(1).any():
            kept.append(int(index))
    if len(kept) > _MOST:
        kept = [kept[position] for position in np.linspace(0, len(kept) - 1, _MOST).round().astype(int)]
    return kept
