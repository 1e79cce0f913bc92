"""Whether a new detector takes the place of the one in use: both on the same images, and a reason for all.

The challenger must be better on all compared images with a stated probability, and more likely worse than
better on neither its own test images nor the champion's. Images that one of the two was trained on are left
out: they would tell how well it remembers them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from autonad.evaluation.bootstrap import metric_values
from autonad.evaluation.paired import PairedDifference, paired_difference, swap_p_value
from autonad.latency.significant import milliseconds
from autonad.report.flagged import said_of

if TYPE_CHECKING:
    import pandas as pd

    from autonad.data.faults import Fault

ALL, OWN, CHAMPIONS = "all", "own", "champion's"


@dataclass(frozen=True)
class Verdict:
    """Whether the challenger wins, and why.

    Attributes:
        wins: Whether it takes the alias.
        reasons: Sentences for people.
        figures: What the reasons are taken from, as plain JSON values.
    """

    wins: bool
    reasons: tuple[str, ...]
    figures: dict[str, Any] = field(default_factory=dict)


def comparable_images(
    manifest: pd.DataFrame, champions: pd.DataFrame
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """The test images of both detectors that neither of them was trained on.

    Args:
        manifest: The challenger's dataset: image, group, sha256, split.
        champions: The champion's dataset when it was registered, the same columns.

    Returns:
        Rows of `manifest`, and which of them belong to which set ("all", "own", "champion's").
    """
    learnt = champions[champions["split"] != "test"]
    tested = champions[champions["split"] == "test"]
    own = manifest["split"] == "test"
    theirs = manifest["sha256"].isin(set(tested["sha256"]))
    seen_groups = set(learnt["group"]) | set(manifest.loc[manifest["split"] != "test", "group"])
    seen = manifest["sha256"].isin(set(learnt["sha256"])) | manifest["group"].isin(seen_groups)
    kept = (own | theirs) & ~seen
    rows = manifest[kept].reset_index(drop=True)
    sets = {
        ALL: np.ones(len(rows), dtype=bool),
        OWN: own[kept].to_numpy(dtype=bool),
        CHAMPIONS: theirs[kept].to_numpy(dtype=bool),
    }
    return rows, sets


def judge(
    challenger: np.ndarray,
    champion: np.ndarray,
    groups: Sequence[object],
    sets: Mapping[str, np.ndarray],
    *,
    metric: str,
    probability: float,
    resamples: int,
    seed: int,
) -> Verdict:
    """Compare two detectors on the same images.

    The bootstrap gives P(better), the figure that people want. With few groups it is too confident (of equal
    detectors up to twice as many would win as stated), so a permutation test has to agree; see
    `swap_p_value`.

    Args:
        challenger: (N, C, C) confusion per image.
        champion: (N, C, C), the same images.
        groups: N group names.
        sets: From `comparable_images`.
        metric: One of `BOOTSTRAP_METRICS`.
        probability: P(better) that is needed on all images.
        resamples: Of both tests.
        seed: Of both tests.
    """
    names = np.asarray([str(group) for group in groups])
    figures: dict[str, Any] = {"metric": metric, "needed": probability, "sets": {}}
    reasons: list[str] = []
    wins = True
    for which in (ALL, OWN, CHAMPIONS):
        chosen = sets[which]
        if which != ALL and chosen.all():
            figures["sets"][which] = figures["sets"][ALL]
            continue
        a, b = challenger[chosen], champion[chosen]
        found = None
        if chosen.any():
            found = paired_difference(
                a, b, names[chosen], metric=metric, resamples=resamples, level=probability, seed=seed
            )
        figures["sets"][which] = entry = _entry(a, b, names[chosen], metric, found)
        if found is None:
            # Without the champion's images the own ones decide; without any, nothing can.
            wins &= which != ALL
            reasons.append(
                f"{entry['images']} test images of {entry['groups']} parts ({_SETS[which]}) are too few to "
                "compare on"
            )
            continue
        if which == ALL:
            p_value = swap_p_value(a, b, names, metric=metric, resamples=resamples, seed=seed)
            figures["p_value"] = p_value
            enough = found.probability >= probability and p_value <= 1 - probability
            reasons.append(_told(which, entry, metric, enough, probability, p_value))
        else:
            enough = found.probability >= 0.5
            if not enough:
                reasons.append(_told(which, entry, metric, enough, 0.5, None))
        wins &= enough
    return Verdict(wins, tuple(reasons), figures)


def judge_latency(latency_ms: float | None, budget_ms: float | None, tolerance: float, where: str) -> Verdict:
    """Whether a detector keeps the latency budget; without a budget every one does.

    Args:
        latency_ms: Median; None if nobody has measured it.
        budget_ms: What must not be exceeded; None for no limit.
        tolerance: Share by which it may be exceeded all the same, since measurements differ.
        where: What it was measured on, for the reason.
    """
    figures = {"latency_ms": latency_ms, "budget_ms": budget_ms, "tolerance": tolerance, "measured_on": where}
    if budget_ms is None:
        return Verdict(True, (), figures)
    if latency_ms is None:
        return Verdict(
            False, (f"its latency on {where} is not known, so {budget_ms:g} ms cannot be checked",), figures
        )
    kept = latency_ms <= budget_ms * (1 + tolerance)
    verb = "keeps" if kept else "exceeds"
    reason = f"{milliseconds(latency_ms)} on {where} {verb} the budget of {budget_ms:g} ms"
    return Verdict(
        kept, (reason + (f" (and {100 * tolerance:g} % of tolerance)" if tolerance else ""),), figures
    )


def judge_minimum(
    missed: Mapping[str, Any] | None, flags: Iterable[Fault], minimum: float, accepted: Collection[str]
) -> Verdict:
    """Whether a detector is good enough to be in use at all, with or without a rival.

    Args:
        missed: `misses` of `metrics.json`: test images with a defect, and on how many none was predicted;
            None where the evaluation does not say.
        flags: What makes it worthless or doubtful.
        minimum: Share of these images on which a defect must be predicted.
        accepted: Kinds of errors among the flags that do not matter.
    """
    errors = [flag for flag in flags if flag.severity == "error" and flag.kind not in accepted]
    reasons = [said_of(flag) for flag in errors]
    of = 0 if missed is None else missed["of"]
    recall = None if missed is None or not of else 1 - missed["count"] / of
    if minimum > 0 and recall is None:
        reasons.append(
            f"no test image shows a defect, so nobody knows whether it keeps register.minimum = "
            f"{minimum:g}; add images of parts with defects"
        )
    elif recall is not None and recall < minimum:
        reasons.append(
            f"it predicts a defect on {100 * recall:.1f} % of the {of} test images with one, and "
            f"register.minimum asks for {100 * minimum:g} %"
        )
    return Verdict(not reasons, tuple(reasons), {"recall": recall, "needed": minimum})


_SETS = {ALL: "all", OWN: "the challenger's", CHAMPIONS: "the champion's"}


def _entry(
    a: np.ndarray, b: np.ndarray, groups: np.ndarray, metric: str, found: PairedDifference | None
) -> dict[str, Any]:
    """Figures of one set of images, as plain JSON values."""
    values = {}
    for name, matrices in (("challenger", a), ("champion", b)):
        value = metric_values(matrices.sum(0)[None])[metric][0] if len(matrices) else float("nan")
        values[name] = None if np.isnan(value) else float(value)
    return {
        "images": len(a),
        "groups": len(set(groups)),
        **values,
        "difference": found and found.difference,
        "probability": found and found.probability,
        "interval": found and [found.interval.low, found.interval.high],
    }


def _told(
    which: str, entry: dict[str, Any], metric: str, enough: bool, needed: float, p_value: float | None
) -> str:
    text = (
        f"on {_SETS[which]} {entry['images']} test images of {entry['groups']} parts {metric} is "
        f"{100 * entry['challenger']:.1f} %, the champion's {100 * entry['champion']:.1f} %: better with "
        "probability "
        f"{entry['probability']:.3f}, {'and' if enough else 'but'} {needed:g} is needed"
    )
    if p_value is not None and entry["probability"] >= needed and not enough:
        text += (
            f"; and on {entry['groups']} parts equal detectors differ as much by chance (p = {p_value:.3f})"
        )
    return text
