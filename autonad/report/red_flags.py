"""What makes a result worthless or doubtful although nothing failed: one function per kind, over figures.

An error is a result that nobody should use: `register` puts nothing in use that has one, unless
`register.accept` names its kind. A warning is to be known. `flagged.py` says how they are handed on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from autonad.data.faults import Fault
from autonad.latency.quality import REMEDY
from autonad.report.units import percent, whole

# mIoU without background below which a network finds nothing, a fraction: what it gets right is chance.
LEAST_FOREGROUND = 0.01
# Share of the architectures of a search that may score the same before the search tells nothing apart.
SAME_SCORE = 0.9
# Share of misses above which more is missed than found, and parts below which intervals over them say little.
MANY, FEW_PARTS = 0.5, 5

_TRAIN_MORE = (
    "train longer ({0}.epochs), with another {0}.learning_rate, or small ones with {0}.class_balance=0.5"
)


def nothing_learnt(section: str, foreground_miou: float | None, miou: float) -> list[Fault]:
    """A training whose best weights find no defect.

    Args:
        section: Of params.yaml: "train_supernet" or "retrain".
        foreground_miou: Validation mIoU without background in the epoch that is kept, of a supernet the mean
            over its panel, a fraction; None where no validation image shows a defect.
        miou: The same, background included.
    """
    if foreground_miou is None or foreground_miou >= LEAST_FOREGROUND:
        return []
    supernet = section == "train_supernet"
    message = (
        f"it predicts background only: mIoU of the defects {percent(foreground_miou)}, with background "
        f"{percent(miou)}; {'a search by it is chance' if supernet else 'it will detect nothing'}. "
        f"Check the masks (`autonad audit`), then {_TRAIN_MORE.format(section)}"
    )
    return [Fault("error", "nothing-learnt", "supernet" if supernet else "model", message)]


def identical_scores(mious: Sequence[float]) -> list[Fault]:
    """A search whose architectures all score the same.

    Args:
        mious: Of every architecture that was evaluated, fractions.
    """
    if len(mious) < 2:
        return []
    [(value, count)] = Counter(round(float(miou), 6) for miou in mious).most_common(1)
    if count < SAME_SCORE * len(mious):
        return []
    message = (
        f"{count} of {len(mious)} architectures have the same mIoU, {percent(value, 2)}: the supernet does "
        "not tell them apart, and the fastest is returned at best. Train it longer (train_supernet.epochs) "
        "until it finds defects, or give validation more images; then search again"
    )
    return [Fault("error", "identical-scores", "search", message)]


def short_front(size: int, mious: Sequence[float]) -> list[Fault]:
    """A search in which one architecture is better and faster than all others: there was nothing to trade.

    Args:
        size: Architectures on the Pareto front that differ in mIoU or latency.
        mious: See `identical_scores`, which speaks for a search that tells nothing apart.
    """
    if size > 1 or len(mious) < 2 or identical_scores(mious):
        return []
    message = (
        f"the Pareto front is one architecture of {len(mious)}, the fastest and the best at once, as small "
        "ones are while the supernet learns too little. Train it longer (train_supernet.epochs), or search "
        "more (search.generations) or in a larger space (space.preset)"
    )
    return [Fault("warning", "short-front", "search", message)]


def doubtful_latencies(target: str, cautions: Iterable[str]) -> list[Fault]:
    """A latency table that was measured badly, or elsewhere.

    Args:
        target: Its name.
        cautions: `LatencyTable.cautions`.
    """
    return [
        Fault("warning", "latency-table", target, f"its latencies are not to be relied on: {why}; {REMEDY}")
        for why in cautions
    ]


def missed_defects(metrics: Mapping[str, Any]) -> list[Fault]:
    """A detector that misses all defects, most of them, or all of one class.

    Args:
        metrics: Content of `metrics.json`.
    """
    missed = metrics["image_level"]["misses"]
    if missed["of"] and missed["count"] == missed["of"]:
        message = (
            f"all {missed['of']} test images with a defect are missed: nothing is predicted on them, and the "
            f"mIoU of {percent(metrics['input']['miou'])} is that of the background. Look at the training's "
            f"curves, then {_TRAIN_MORE.format('retrain')}"
        )
        return [Fault("error", "all-missed", "detector", message)]
    found = []
    if missed["of"] and missed["rate"] > MANY:
        message = (
            f"{missed['count']} of {missed['of']} test images with a defect are missed, more than are found: "
            f"{_TRAIN_MORE.format('retrain')}"
        )
        found.append(Fault("warning", "many-missed", "detector", message))
    return found + _never_found(metrics)


def _never_found(metrics: Mapping[str, Any]) -> list[Fault]:
    """Classes of which no pixel is found, at the images' own size."""
    found = []
    for name, missed in metrics["image_level"]["misses_by_class"].items():
        scores = metrics["native"]["classes"][name]
        if scores["support"] and not scores["recall"]:
            images = f"{missed['of']} test image{'s' * (missed['of'] != 1)}"
            message = (
                f"it is never found: none of its {whole(scores['support'])} pixels on {images}. Label more "
                "parts that show it, or show it more often in training (retrain.repeat_threshold=0.3, "
                "retrain.class_balance=0.5)"
            )
            found.append(Fault("error", "class-never-found", name, message))
    return found


def few_parts(metrics: Mapping[str, Any]) -> list[Fault]:
    """A test split of so few parts that its figures may be chance.

    Args:
        metrics: Content of `metrics.json`.
    """
    count = metrics["groups"]
    if count >= FEW_PARTS:
        return []
    message = (
        f"the test images show {count} part{'s' * (count != 1)}: figures and intervals may be chance. Add "
        "images of more parts; groups.csv says which images show one"
    )
    return [Fault("warning", "few-parts", "test split", message)]


def rules_find_nothing(figures: Mapping[str, Any] | None) -> list[Fault]:
    """Rules that let every defect pass.

    Args:
        figures: What `split_figures` says of the test split; None where it is not known.
    """
    unnoticed = figures["unnoticed"] if figures else {"of": 0}
    if not unnoticed["of"] or unnoticed["count"] < unnoticed["of"]:
        return []
    message = (
        f"at the rules that are shipped, all {unnoticed['of']} test images with a defect are OK, neither NG "
        "nor for REVIEW. Choose others (`autonad fit-thresholds`) for a higher fit_thresholds.rate, or train "
        "a better detector"
    )
    return [Fault("error", "rules-find-nothing", "rules", message)]
