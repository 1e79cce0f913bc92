"""OK, REVIEW or NG, with reasons: the rules applied to the defects of an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from autonad.detector.components import Components
from autonad.detector.rules import ClassRule, Rules

# Defects of an image that answers and tables name: an image of noise has millions, and nobody looks at them.
MOST_DEFECTS = 1000


class Verdict(StrEnum):
    """What is done with a part; REVIEW means that a person looks at it."""

    OK = "OK"
    REVIEW = "REVIEW"
    NG = "NG"

    @property
    def severity(self) -> int:
        """0 for OK, 2 for NG."""
        return list(Verdict).index(self)


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """The most severe of some verdicts; OK if there are none."""
    return max(verdicts, key=lambda one: one.severity, default=Verdict.OK)


@dataclass(frozen=True)
class Defect:
    """One defect that is large enough to count.

    Attributes:
        class_name: What it is.
        area_px: Pixels.
        box: First row, first column, row after the last, column after the last.
        length_px: Largest extent over all directions, pixels.
        width_px: Smallest extent over all directions, pixels.
        mean: Mean probability of its class over its pixels.
        peak: Largest probability of its class.
        verdict: What it makes of the part.
        rule: The rule that decided, and by which figure.
        area_mm2: mm²; None without a scale.
        length_mm: mm; None without a scale.
        width_mm: mm; None without a scale.
    """

    class_name: str
    area_px: int
    box: tuple[int, int, int, int]
    length_px: float
    width_px: float
    mean: float
    peak: float
    verdict: Verdict
    rule: str
    area_mm2: float | None = None
    length_mm: float | None = None
    width_mm: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Judgement:
    """What the rules say of an image.

    Attributes:
        verdict: The worst of its defects'.
        reason: Why, in a few words.
        defects: Those that are large enough to count, the worst and largest first.
        ignored: How many regions were too small.
        kept: Positions of `defects` among the components, in the same order.
    """

    verdict: Verdict
    reason: str
    defects: tuple[Defect, ...]
    ignored: int
    kept: tuple[int, ...]

    @property
    def named(self) -> tuple[Defect, ...]:
        """The worst and largest `MOST_DEFECTS`, for answers and tables."""
        return self.defects[:MOST_DEFECTS]

    @property
    def counts(self) -> dict[tuple[str, Verdict], int]:
        """How many defects there are by class and verdict, the most severe first."""
        return _counted(self.defects)


def judge_defects(found: Components, classes: Sequence[str], rules: Rules) -> Judgement:
    """Apply the rules to the regions of an image.

    Args:
        found: From `find_components`.
        classes: The detector's, background first.
        rules: One for each class of defects.
    """
    side = rules.mm_per_pixel
    kept: list[tuple[Defect, int]] = []
    for value, name in enumerate(classes[1:], start=1):
        rule = rules.classes[name]
        (members,) = np.nonzero((found.value == value) & _large_enough(found, rule, side))
        sure = int((found.mean[members] >= rule.review).sum())
        for index in members.tolist():
            verdict, why = _decide(float(found.mean[index]), rule, members.size, sure)
            kept.append((_defect(found, index, name, verdict, why, side), index))
    kept.sort(key=lambda pair: (-pair[0].verdict.severity, -pair[0].area_px, pair[1]))
    defects = tuple(defect for defect, _ in kept)
    return Judgement(
        verdict=worst([defect.verdict for defect in defects]),
        reason=_reason(defects),
        defects=defects,
        ignored=len(found) - len(defects),
        kept=tuple(index for _, index in kept),
    )


def _large_enough(found: Components, rule: ClassRule, side: float | None) -> np.ndarray:
    enough = (found.area >= rule.min_area_px) & (found.length >= rule.min_length_px)
    if side is not None:
        enough &= (found.area * side**2 >= rule.min_area_mm2) & (found.length * side >= rule.min_length_mm)
    return np.asarray(enough)


def _decide(mean: float, rule: ClassRule, count: int, sure: int) -> tuple[Verdict, str]:
    if count < rule.min_count:
        return Verdict.OK, f"count {count} < min_count {rule.min_count}"
    if mean < rule.review:
        return Verdict.REVIEW, f"mean {mean:.3f} < review {rule.review:g}"
    if sure < rule.min_count:
        return Verdict.REVIEW, f"only {sure} of min_count {rule.min_count} reach review {rule.review:g}"
    return Verdict.NG, f"mean {mean:.3f} >= review {rule.review:g}"


def _defect(
    found: Components, index: int, name: str, verdict: Verdict, rule: str, side: float | None
) -> Defect:
    area, length, width = int(found.area[index]), float(found.length[index]), float(found.width[index])
    top, left, bottom, right = found.box[index].tolist()
    return Defect(
        class_name=name,
        area_px=area,
        box=(top, left, bottom, right),
        length_px=round(length, 2),
        width_px=round(width, 2),
        mean=round(float(found.mean[index]), 4),
        peak=round(float(found.peak[index]), 4),
        verdict=verdict,
        rule=rule,
        area_mm2=None if side is None else float(f"{area * side**2:.6g}"),
        length_mm=None if side is None else float(f"{length * side:.6g}"),
        width_mm=None if side is None else float(f"{width * side:.6g}"),
    )


def _counted(defects: Sequence[Defect]) -> dict[tuple[str, Verdict], int]:
    counts: dict[tuple[str, Verdict], int] = {}
    for defect in defects:
        key = (defect.class_name, defect.verdict)
        counts[key] = counts.get(key, 0) + 1
    return counts


def _reason(defects: Sequence[Defect]) -> str:
    """Such as "2 crack NG, 1 hole REVIEW"; the most severe first."""
    counts = _counted(defects)
    return ", ".join(f"{count} {name} {verdict}" for (name, verdict), count in counts.items()) or "no defect"
