"""Rules for the line with what they promise on validation and do on test, as values and as files."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import Field

from autonad.detector.rules import Rules
from autonad.evaluation.candidates import Candidates
from autonad.evaluation.choosing import Choice, Goal, choose_rules, lowest_promise, parts_to_promise
from autonad.evaluation.operating import ANY, split_figures
from autonad.evaluation.operating_curves import CurvePoint, curve_points
from autonad.files import withdraw, write_atomic, write_json, write_text_atomic
from autonad.reading.shape_checks import Shape

T = TypeVar("T")

RULES, OPERATING, CURVES = "rules.yaml", "operating.json", "curves.csv"


class EvaluatedFile(Shape):
    """What other steps rely on in `metrics.json`: of which weights and images it is."""

    parameters: dict[str, Any]


class RateFile(Shape):
    """A rate of `operating.json`, as `autonad.evaluation.operating.rate_over` gives it."""

    count: int = Field(ge=0)
    of: int = Field(ge=0)
    parts: int = Field(ge=0)
    rate: float | None = Field(ge=0, le=1)
    low: float | None = Field(ge=0, le=1)
    high: float | None = Field(ge=0, le=1)


class ClassRateFile(Shape):
    """What rules do to a class."""

    recall: RateFile


class FoundFile(Shape):
    """What rules do on a split."""

    basis: str
    confidence: float = Field(gt=0, lt=1)
    overkill: RateFile
    review_load: RateFile
    misses: RateFile
    unnoticed: RateFile
    classes: dict[str, ClassRateFile]


class GoalFile(Shape):
    """What was wanted of rules."""

    kind: Literal["overkill", "miss"]
    rate: float = Field(ge=0, le=1)
    review_load: float = Field(ge=0, le=1)


class PromiseFile(Shape):
    """What rules promise."""

    text: str
    kept: bool
    upper: float | None = Field(ge=0, le=1)


class OperatingFile(Shape):
    """`operating.json`."""

    of: dict[str, str | None]
    goal: GoalFile
    promise: PromiseFile
    rules: dict[str, Any]
    val: FoundFile | None = None
    test: FoundFile | None = None


@dataclass(frozen=True)
class LineResult:
    """Chosen rules and their figures.

    Attributes:
        rules: What is shipped.
        operating: Content of `operating.json`: `of` (whose rules they are), `goal`, `promise`, `rules`, and
            per split with images (`val`, `test`) what `split_figures` returns.
        curves: Rules from strict to loose on each split; none where no rules were chosen.
    """

    rules: Rules
    operating: dict[str, Any]
    curves: list[CurvePoint]

    @property
    def told(self) -> tuple[str, ...]:
        """What the rules promise and do, in sentences."""
        return tuple(told(self.operating))

    def write(self, folder: Path, draw: Callable[[], T]) -> T:
        """Write `operating.json` and `curves.csv`, let others be drawn, then write `rules.yaml`.

        Rules complete the folder: those of before go first, so that what fails in between leaves none.

        Args:
            folder: The folder.
            draw: Writes what else is there of the rules.

        Returns:
            What `draw` does.

        Raises:
            StorageError: A file cannot be written.
        """
        withdraw(folder / RULES)
        write_json(folder / OPERATING, self.operating)

        def write(path: Path) -> None:
            with path.open("w", encoding="utf-8", newline="") as handle:
                rows = csv.writer(handle, lineterminator="\n")
                rows.writerow(CurvePoint._fields)
                rows.writerows(self.curves)

        write_atomic(folder / CURVES, write)
        drawn = draw()
        comment = "".join(f"# {line}\n" for line in told(self.operating))
        text = yaml.safe_dump(self.rules.to_dict(), sort_keys=False, allow_unicode=True)
        write_text_atomic(folder / RULES, comment + text)
        return drawn


def fit_line(
    splits: dict[str, Candidates],
    goal: Goal,
    *,
    resamples: int,
    seed: int,
    of: Mapping[str, str | None] | None = None,
) -> LineResult:
    """Choose rules on validation, the usual ones where it has no images, and say what they do on every split.

    Args:
        splits: Split → its candidates; "val" is among them.
        goal: What is wanted.
        resamples: Bootstrap draws of the curves' intervals.
        seed: Of the draws.
        of: What says whose rules they are, such as the sha256 of the weights.
    """
    shown = {name: one for name, one in splits.items() if len(one.images)}
    if "val" in shown:
        choice = choose_rules(shown["val"], goal)
    else:
        choice = Choice(Rules.default(splits["val"].classes), [], None, 0)
    figures = {name: split_figures(one, choice.rules, goal.confidence) for name, one in shown.items()}
    promise = _promise(choice, goal, figures["val"]) if "val" in figures else dict(_UNCHOSEN)
    curves = [
        point
        for name, one in shown.items()
        if choice.path
        for point in curve_points(
            name, one, choice.path, level=goal.confidence, resamples=resamples, seed=seed
        )
    ]
    operating = {
        "of": dict(of or {}),
        "goal": {
            "kind": goal.kind,
            "rate": goal.rate,
            "review_load": goal.review_load,
            "confidence": goal.confidence,
        },
        "promise": promise,
        "rules": choice.rules.to_dict(),
        **figures,
    }
    return LineResult(choice.rules, operating, curves)


def told(operating: dict[str, Any]) -> list[str]:
    """What the rules promise and do, in sentences.

    Args:
        operating: Content of `operating.json`.
    """
    goal, promise = operating["goal"], operating["promise"]
    name = NAMES[goal["kind"]]
    lines = [f"Wanted: {name} of at most {share(goal['rate'])}. {promise['text']}"]
    for split, title in (("val", "validation"), ("test", "test")):
        if split in operating:
            found = operating[split]
            lines.append(told_found(title, found))
            if (found["review_load"]["rate"] or 0) > goal["review_load"]:
                lines[-1] += (
                    f" REVIEW is above the {share(goal['review_load'])} of fit_thresholds.review_load."
                )
    if "test" in operating:
        lines[-1] += _above(name, operating["test"][RATES[goal["kind"]]], goal["rate"])
    return lines


def told_found(split: str, found: dict[str, Any]) -> str:
    """What rules do on a split, in sentences.

    Args:
        split: What it is called.
        found: Its figures, of `split_figures`.
    """
    never = [
        name for name, one in found["classes"].items() if one["recall"]["of"] and not one["recall"]["count"]
    ]
    overkill, review, misses, unnoticed = (
        spread(found[rate]) for rate in ("overkill", "review_load", "misses", "unnoticed")
    )
    level = share(found["confidence"])
    return (
        f"On {split}, with {level} intervals: overkill {overkill}, and for REVIEW {review}, of "
        f"{found['basis']}; of images with a defect, missed (not NG) {misses}, and of these unnoticed (OK) "
        f"{unnoticed}." + (f" Never found: {', '.join(sorted(never))}." if never else "")
    )


# What is said where there are no images to choose rules on.
_UNCHOSEN = {
    "parts": 0,
    "least": None,
    "parts_needed": None,
    "kept": False,
    "upper": None,
    "proof": None,
    "text": "Not promised: there are no validation images to choose rules on, so these are the usual ones.",
}


def _above(name: str, found: dict[str, Any], wanted: float) -> str:
    """What to make of a rate on test that is above the wanted one; else nothing."""
    if not found["of"] or found["rate"] <= wanted:
        return ""
    if found["low"] > wanted:
        return (
            f" Test shows {name} above the wanted {share(wanted)}, by more than chance: do not count on it."
        )
    return f" Test shows {name} above the wanted {share(wanted)}, which may be chance."


NAMES = {"overkill": "overkill", "miss": "a miss rate"}
RATES = {"overkill": "overkill", "miss": "misses"}


def share(fraction: float | None) -> str:
    """Such as "2 %" or "0.35 %"."""
    return "n/a" if fraction is None else f"{round(float(f'{100 * fraction:.2g}'), 2):g} %"


def spread(entry: dict[str, Any]) -> str:
    """Such as "1 of 60 (1.7 %; 0.04 % to 8.9 % over 60 parts)"."""
    if not entry["of"]:
        return "none of 0"
    ends = f"{share(entry['low'])} to {share(entry['high'])}"
    return f"{entry['count']} of {entry['of']} ({share(entry['rate'])}; {ends} over {entry['parts']} parts)"


def _promise(choice: Choice, goal: Goal, seen_on: dict[str, Any]) -> dict[str, Any]:
    """Whether the wanted rate is promised, and if not, why and what would do.

    Args:
        choice: The rules, and how they were come by.
        goal: What is wanted.
        seen_on: Figures of the validation split.
    """
    sure, wanted, proof = share(goal.confidence), share(goal.rate), choice.proof
    least, needed = lowest_promise(choice.parts, goal.confidence), parts_to_promise(goal)
    facts = {"parts": choice.parts, "least": least, "parts_needed": needed}
    if proof is None:
        counted = "parts without defects" if seen_on["basis"] != ANY else "parts"
        if goal.kind == "miss":
            counted = "parts with a defect"
        keeps = "keep" if (seen_on[RATES[goal.kind]]["rate"] or 0) <= goal.rate else "do not keep"
        text = (
            f"Not promised: validation has {choice.parts} {counted}, and at least {needed} are needed to "
            f"promise {wanted} with a confidence of {sure}; so few can promise {share(least)} at best. The "
            f"rules {keeps} to {wanted} on the very images that they were chosen on: expect more on others. "
            f"Add {counted}, or ask for a higher rate or a lower fit_thresholds.confidence."
        )
        return {**facts, "kept": False, "upper": None, "proof": None, "text": text}
    seen = f"{proof.count} of {proof.of} images of {proof.parts} parts that no rule was chosen on"
    kept = proof.upper <= goal.rate
    text = (
        f"Promised with a confidence of {sure}, for parts like those of validation: at most "
        f"{share(proof.upper)}, by {seen}."
    )
    if not kept:
        surest = "surest" if goal.kind == "overkill" else "loosest"
        text = (
            f"Not promised: even the {surest} rules have {seen}, which may be {share(proof.upper)} with a "
            f"confidence of {sure}. Ask for a higher rate, allow more fit_thresholds.review_load, or train a "
            "better detector."
        )
    return {**facts, "kept": kept, "upper": proof.upper, "proof": asdict(proof), "text": text}
