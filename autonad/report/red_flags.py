"""What makes a result worthless or doubtful, though nothing failed: found here, said first wherever it shows.

One function for each kind, over figures that a step has anyway. An error is a result that nobody should use:
`register` puts nothing in use that has one, unless `register.accept` names its kind. A warning is to be known.
Steps hand them on in the files that they write (`KEY`), so that what was wrong with a supernet is still said
on the card of a detector that came from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from autonad.console import abridged
from autonad.data.faults import Fault
from autonad.errors import StorageError
from autonad.files import read_json
from autonad.latency.quality import REMEDY
from autonad.report.units import percent

KEY = "red_flags"
"""Where files and provenances hold them."""

# mIoU without background below which a network finds nothing, a fraction: the pixels that it gets right are
# chance.
LEAST_FOREGROUND = 0.01
# Share of the architectures of a search that may score the same before the search tells nothing apart.
SAME_SCORE = 0.9
# Image-level recall under which more defects are missed than found, and parts under which an interval over
# parts says little.
HALF, FEW_PARTS = 0.5, 5

BLOCKING = ("nothing-learnt", "identical-scores", "all-missed", "class-never-found", "rules-find-nothing")
"""Kinds that are errors."""

_TRAIN_MORE = "train longer ({0}.epochs), with another {0}.learning_rate, or with {0}.class_balance=0.5 for small defects"


def nothing_learnt(section: str, foreground_miou: float | None, miou: float) -> list[Fault]:
    """A training whose best weights find no defect.

    Args:
        section: Of params.yaml: "train_supernet" or "retrain".
        foreground_miou: Validation mIoU without background in the epoch that is kept, of a supernet the mean of its panel,
            a fraction; None where no validation image shows a defect.
        miou: The same, background included.
    """
    if foreground_miou is None or foreground_miou >= LEAST_FOREGROUND:
        return []
    what = "supernet" if section == "train_supernet" else "model"
    after = "a search with it chooses by chance" if what == "supernet" else "it will detect nothing"
    message = (
        f"it predicts background only: the mIoU of the defects is {percent(foreground_miou)} on validation, and "
        f"{percent(miou)} with background says nothing; {after}. Look at the masks (`autonad audit`), then "
        f"{_TRAIN_MORE.format(section)}"
    )
    return [Fault("error", "nothing-learnt", what, message)]


def identical_scores(mious: Sequence[float]) -> list[Fault]:
    """A search whose architectures all score the same.

    Args:
        mious: Of every architecture that was evaluated, fractions.
    """
    if len(mious) < 2:
        return []
    (value, count), *_ = Counter(round(float(miou), 6) for miou in mious).most_common(1)
    if count < SAME_SCORE * len(mious):
        return []
    message = (
        f"{count} of {len(mious)} architectures have the same mIoU, {percent(value, 2)}: the supernet does not "
        "tell them apart, and the one that is returned is at best the fastest. Train the supernet longer "
        "(train_supernet.epochs) until it finds defects, or give validation more images; then search again"
    )
    return [Fault("error", "identical-scores", "search", message)]


def short_front(size: int, mious: Sequence[float]) -> list[Fault]:
    """A search that found one architecture better and faster than all others: there was nothing to trade.

    Args:
        size: Architectures on the Pareto front.
        mious: See `identical_scores`, which says it of a search that tells nothing apart.
    """
    if size > 1 or len(mious) < 2 or identical_scores(mious):
        return []
    message = (
        f"the Pareto front is one architecture of {len(mious)}: it is both the fastest and the best, which small "
        "networks are where the supernet is not trained enough. Train it longer (train_supernet.epochs), search "
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
        Fault(
            "warning",
            "latency-table",
            target,
            f"the latency table is not to be relied on: {caution}; {REMEDY}",
        )
        for caution in cautions
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
            f"mIoU of {percent(metrics['input']['miou'])} is that of the background. Look at the curves of the "
            f"training, then {_TRAIN_MORE.format('retrain')}"
        )
        return [Fault("error", "all-missed", "detector", message)]
    found = []
    if missed["of"] and missed["rate"] > 1 - HALF:
        message = (
            f"{missed['count']} of {missed['of']} test images with a defect are missed, more than are found; "
            f"{_TRAIN_MORE.format('retrain')}"
        )
        found.append(Fault("warning", "many-missed", "detector", message))
    for name, scores in metrics["native"]["classes"].items():
        if scores["support"] and not scores["recall"]:
            images = metrics["image_level"].get("misses_by_class", {}).get(name, {}).get("of")
            where = "" if images is None else f" on the {images} test image{'s' * (images != 1)} that show it"
            message = (
                f"class {name} is never found: not one of its {scores['support']:,} pixels{where}. Label more parts "
                "that show it, or show it more often in training (retrain.repeat_threshold=0.3, "
                "retrain.class_balance=0.5)"
            )
            if name != metrics["classes"][0]:
                found.append(Fault("error", "class-never-found", name, message))
    return found


def few_parts(metrics: Mapping[str, Any]) -> list[Fault]:
    """A test split of so few parts that its figures may be chance.

    Args:
        metrics: Content of `metrics.json`.
    """
    if metrics["groups"] >= FEW_PARTS:
        return []
    parts = f"{metrics['groups']} part{'s' * (metrics['groups'] != 1)}"
    message = (
        f"the test images show {parts}: the figures may be chance, and so may their intervals. Add images of more "
        "parts; groups.csv says which images show one"
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
        f"at the rules that the detector ships, all {unnoticed['of']} test images with a defect are OK: neither NG "
        "nor for REVIEW. Choose rules (`autonad fit-thresholds`) with a higher fit_thresholds.rate, or train a "
        "better detector"
    )
    return [Fault("error", "rules-find-nothing", "rules", message)]


def told(flag: Fault) -> str:
    """One line that can be printed and stored."""
    return abridged(f"{flag.severity}: {flag.item}: {flag.message}")


def to_json(flags: Iterable[Fault]) -> list[dict[str, str]]:
    """Plain JSON values, to be written under `KEY`."""
    return [asdict(flag) for flag in flags]


def from_json(document: Mapping[str, Any], source: object) -> tuple[Fault, ...]:
    """What a file or a provenance holds under `KEY`; none where it holds nothing.

    Args:
        document: Its content.
        source: What it is called in messages.

    Raises:
        StorageError: It is something else.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        return tuple(TypeAdapter(list[Fault]).validate_python(document.get(KEY) or []))
    except ValidationError as error:
        raise StorageError(
            f"{source} holds {KEY} that are none ({error.error_count()} faults); run the step that wrote it again"
        ) from error


def of_search(folder: Path | None) -> tuple[Fault, ...]:
    """What a search folder says; none where it is no finished one.

    Raises:
        StorageError: Its `search.json` is damaged.
    """
    path = None if folder is None else folder / "search.json"
    if path is None or not path.is_file():
        return ()
    found = read_json(path, "the search")
    return from_json(found if isinstance(found, dict) else {}, path)
