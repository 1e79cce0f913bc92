"""What rules do to a split: parts missed and rejected, defects found, with intervals over parts.

- *Overkill*: a good image that is NG. Where a split has no images without defects, any image counts, and it
  is one on which a region nowhere near a defect is NG.
- *Miss*: an image with a defect that is not NG. One that is OK is *unnoticed*; the others go to REVIEW.
- *Review load*: of the images that overkill is counted on, those that go to REVIEW for no defect.
- *Recall* of a class: its true defects that an NG region overlaps, whatever class the region has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from autonad.detector.rules import Rules
from autonad.errors import ConfigError
from autonad.evaluation.candidates import LEAST_AREA, LEVELS, Candidates
from autonad.evaluation.proportions import lower_bound, upper_bound

CLEAN, ANY = (
    "images without defects",
    "all images, for NG regions away from any defect, as none is without defects",
)


@dataclass(frozen=True)
class Outcome:
    """What rules make of a split of N images and D true defects.

    Attributes:
        ng: (N,) the image is NG.
        seen: (N,) the image is NG or goes to REVIEW.
        false_ng: (N,) some region nowhere near a defect is NG.
        false_seen: (N,) likewise, NG or REVIEW.
        false_regions: (N,) number of regions nowhere near a defect that are NG.
        found: (D,) an NG region overlaps the defect.
        noticed: (D,) a region that is NG or for REVIEW overlaps it.
    """

    ng: np.ndarray
    seen: np.ndarray
    false_ng: np.ndarray
    false_seen: np.ndarray
    false_regions: np.ndarray
    found: np.ndarray
    noticed: np.ndarray


def outcome_of(candidates: Candidates, rules: Rules) -> Outcome:
    """Apply rules to a split.

    Args:
        candidates: Of the split.
        rules: Probabilities are among `LEVELS`, all the same or none below 0.5; areas are at least
            `LEAST_AREA`; nothing is counted or in millimetres.

    Raises:
        ConfigError: The rules ask for what candidates do not tell.
    """
    names = candidates.classes
    chosen = [rules.classes[name] for name in names[1:]]
    if any(rule.min_count > 1 or rule.in_millimetres for rule in chosen):
        raise ConfigError(
            "min_count and millimetres cannot be judged from an evaluation's candidates; leave them out"
        )
    if any(rule.min_area_px < LEAST_AREA for rule in chosen):
        raise ConfigError(
            f"an evaluation lists no regions below {LEAST_AREA} pixels, which min_area_px asks for; raise it"
        )
    probabilities = {rule.probability for rule in chosen}
    if len(probabilities) > 1 and min(probabilities) < 0.5:
        raise ConfigError(
            "an evaluation does not tell what classes of several probabilities find where one is below 0.5; "
            "give all classes the same, or each at least 0.5"
        )
    columns = [
        (level_of(rule.probability), rule.min_area_px, rule.min_length_px, rule.review) for rule in chosen
    ]
    level, area, length, review = (
        np.asarray(values)[candidates.value - 1] for values in zip(*columns, strict=True)
    )
    seen = (candidates.level == level) & (candidates.area >= area) & (candidates.length >= length)
    ng = seen & (candidates.mean >= review)

    def images(regions: np.ndarray) -> np.ndarray:
        return np.bincount(candidates.image[regions], minlength=len(candidates.images))

    def defects(regions: np.ndarray) -> np.ndarray:
        hit = candidates.hit_defect[regions[candidates.hit_region]]
        return np.bincount(hit, minlength=len(candidates.defect_image)) > 0

    false_regions = images(ng & candidates.stray)
    return Outcome(
        ng=images(ng) > 0,
        seen=images(seen) > 0,
        false_ng=false_regions > 0,
        false_seen=images(seen & candidates.stray) > 0,
        false_regions=false_regions,
        found=defects(ng),
        noticed=defects(seen),
    )


def level_of(probability: float) -> int:
    """Position of a probability in `LEVELS`.

    Raises:
        ConfigError: It is none of them.
    """
    for index, level in enumerate(LEVELS):
        if abs(level - probability) < 1e-9:
            return index
    raise ConfigError(
        f"an evaluation lists candidates at the probabilities {', '.join(map(str, LEVELS))}, not at "
        f"{probability:g}; choose one of them"
    )


def good_images(candidates: Candidates) -> tuple[np.ndarray, str]:
    """(N,) images that overkill is counted on, and what they are called."""
    clean = ~candidates.defect_images
    return (clean, CLEAN) if clean.any() else (np.ones_like(clean), ANY)


def rate_over(events: np.ndarray, among: np.ndarray, groups: np.ndarray, confidence: float) -> dict[str, Any]:
    """A share with its bounds over parts.

    Args:
        events: (N,) whether it happened.
        among: (N,) what is counted.
        groups: (N,) parts.
        confidence: Of the interval (two-sided), and of `upper` by itself (one-sided).

    Returns:
        `count`, `of`, `parts`, `rate`, `low`, `high`, `upper`; fractions are None where nothing is counted.
    """
    count, of = int(events[among].sum()), int(among.sum())
    parts = len(np.unique(groups[among]))
    if of == 0:
        return {"count": 0, "of": 0, "parts": 0} | dict.fromkeys(("rate", "low", "high", "upper"))
    rate, both = count / of, (1 + confidence) / 2
    return {
        "count": count,
        "of": of,
        "parts": parts,
        "rate": rate,
        "low": lower_bound(rate, parts, both),
        "high": upper_bound(rate, parts, both),
        "upper": upper_bound(rate, parts, confidence),
    }


def split_figures(candidates: Candidates, rules: Rules, confidence: float) -> dict[str, Any]:
    """The figures of rules on a split, as plain JSON values.

    Args:
        candidates: Of the split.
        rules: See `outcome_of`.
        confidence: Of the intervals.

    Returns:
        `images`, `parts`, `basis`, `confidence`; `overkill`, `review_load`, `misses` and `unnoticed` as
        `rate_over` returns them; `false_alarms_per_image`; and `classes`: name → `recall` and `noticed`,
        likewise over defects.
    """
    outcome = outcome_of(candidates, rules)
    good, basis = good_images(candidates)
    shown = candidates.defect_images
    groups = candidates.groups
    of_defects = groups[candidates.defect_image]
    classes = {}
    for value, name in enumerate(candidates.classes[1:], start=1):
        own = candidates.defect_class == value
        classes[name] = {
            "recall": rate_over(outcome.found, own, of_defects, confidence),
            "noticed": rate_over(outcome.noticed, own, of_defects, confidence),
        }
    return {
        "images": len(candidates.images),
        "parts": len(np.unique(groups)),
        "basis": basis,
        "confidence": confidence,
        "overkill": rate_over(outcome.false_ng, good, groups, confidence),
        "review_load": rate_over(outcome.false_seen & ~outcome.false_ng, good, groups, confidence),
        "misses": rate_over(~outcome.ng, shown, groups, confidence),
        "unnoticed": rate_over(~outcome.seen, shown, groups, confidence),
        "false_alarms_per_image": float(outcome.false_regions.mean()),
        "classes": classes,
    }
