"""Runs side by side: what each of them found, and what was different about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from autonad.evaluation.paired import PairedDifference, paired_difference
from autonad.report.units import ABSENT, milliseconds, percent, points, whole
from autonad.space import Architecture

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Compared:
    """One execution (or one step, where it stands alone).

    Attributes:
        name: Of the execution; no two that are compared share one.
        run_id: In MLflow.
        started: When, for people.
        status: FINISHED, FAILED, ...
        said: Stage → its headline.
        metrics: Stage → metric → last value.
        params: Stage → dotted name → value.
        data: Fact about the dataset → value.
        code: Fact about the code → value.
        architecture: What was found; None where no step kept one.
        population: The search's table; None without a search.
        images: `per_image.parquet` of the evaluation; None without one.
    """

    name: str
    run_id: str
    started: str = ""
    status: str = "FINISHED"
    said: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    params: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    code: Mapping[str, str] = field(default_factory=dict)
    architecture: Architecture | None = None
    population: pd.DataFrame | None = None
    images: pd.DataFrame | None = None

    def value(self, metric: str, stages: Sequence[str]) -> float | None:
        """The metric as the first of these stages that logged it has it."""
        return next((self.metrics[s][metric] for s in stages if metric in self.metrics.get(s, {})), None)


class Figure(NamedTuple):
    """One line of the table of figures.

    Attributes:
        label: For people.
        metric: Its name in MLflow.
        stages: Who logs it; the first that did counts.
        text: How it is written.
        interval: Metrics of its lower and upper end.
        brief: Whether the terminal's table has it too.
    """

    label: str
    metric: str
    stages: tuple[str, ...]
    text: Callable[[float], str] = percent
    interval: tuple[str, str] | None = None
    brief: bool = False

    def cell(self, run: Compared) -> str:
        """What a run says about it."""
        value = run.value(self.metric, self.stages)
        if value is None:
            return ABSENT
        text = self.text(value)
        if self.interval is not None:
            low, high = (run.value(end, self.stages) for end in self.interval)
            if low is not None and high is not None:
                text += f" ({points({'low': low, 'high': high})})"
        return text


TEST, TRAINED, MEASURED = ("evaluate",), ("retrain", "search"), ("export", "search")
RULES = ("export", "fit-thresholds")
FIGURES: tuple[Figure, ...] = (
    Figure("Test mIoU", "test/miou", TEST, interval=("test/miou_low", "test/miou_high"), brief=True),
    Figure("Test mF1", "test/mf1", TEST, brief=True),
    Figure("Test mIoU of the defects alone", "test/foreground_miou", TEST),
    Figure(
        "Test mIoU, native size",
        "test/native_miou",
        TEST,
        interval=("test/native_miou_low", "test/native_miou_high"),
    ),
    Figure("Missed defect images", "test/misses", TEST, whole),
    Figure("Red flags: reasons not to use it", "flags/errors", ("register", *TEST), whole),
    Figure(
        "Overkill at its rules",
        "line/overkill",
        RULES,
        interval=("line/overkill_low", "line/overkill_high"),
        brief=True,
    ),
    Figure(
        "Misses at its rules",
        "line/misses",
        RULES,
        interval=("line/misses_low", "line/misses_high"),
        brief=True,
    ),
    Figure("Unnoticed defect images at its rules", "line/unnoticed", RULES),
    Figure("Good images for REVIEW at its rules", "line/review_load", RULES),
    Figure("Validation mIoU, last epoch", "val/miou", ("retrain",)),
    Figure("Validation mIoU, native size, last epoch", "val/native_miou", ("retrain",)),
    Figure("Validation mIoU, inherited weights", "val/miou", ("search",)),
    Figure("Validation mIoU, native size, inherited weights", "val/native_miou", ("search",)),
    Figure("Latency, median", "latency/p50_ms", MEASURED, milliseconds, brief=True),
    Figure("Latency, p95", "latency/p95_ms", MEASURED, milliseconds, brief=True),
    Figure("Latency where it was exported, median", "latency/exported_p50_ms", ("export",), milliseconds),
    Figure("Latency that the table predicted", "latency/predicted_ms", ("search",), milliseconds),
    Figure("Parameters", "model/parameters", TRAINED, whole, brief=True),
    Figure("Size, MB", "model/megabytes", ("export",), lambda value: f"{value:.1f}"),
    Figure("Architectures evaluated", "search/evaluations", ("search",), whole),
    Figure(
        "In use after it was registered",
        "register/champion",
        ("register",),
        lambda value: "yes" if value else "no",
    ),
)


class Change(NamedTuple):
    """Something that is not the same in all runs: what, and its value in each."""

    what: str
    values: tuple[str, ...]


def changes(facts: Sequence[Mapping[str, str]]) -> list[Change]:
    """What differs between runs.

    Args:
        facts: Name → value, per run.
    """
    names = dict.fromkeys(name for one in facts for name in one)
    rows = [Change(name, tuple(one.get(name, ABSENT) for one in facts)) for name in names]
    return [row for row in rows if len(set(row.values)) > 1]


def changed_params(runs: Sequence[Compared]) -> list[Change]:
    """Parameters that differ, of the steps that all runs made; and the steps that only some of them made.

    A name is "stage: name", or the name alone where a run's steps agree on its value.
    """
    common = set.intersection(*(set(run.params) for run in runs)) if runs else set()
    steps = changes([{"other steps": ", ".join(sorted(set(run.params) - common)) or ABSENT} for run in runs])
    return steps + changes([_params(run, common) for run in runs])


def _params(run: Compared, stages: set[str]) -> dict[str, str]:
    chosen = {stage: params for stage, params in run.params.items() if stage in stages}
    values: dict[str, set[str]] = {}
    for params in chosen.values():
        for name, value in params.items():
            values.setdefault(name, set()).add(value)
    return {
        name if len(values[name]) == 1 else f"{stage}: {name}": value
        for stage, params in chosen.items()
        for name, value in params.items()
    }


class Paired(NamedTuple):
    """A run against the first one on the same test images, or why that cannot be."""

    images: int
    difference: PairedDifference | None
    why_not: Literal["", "no evaluation", "other images", "other classes", "too few parts"]


def paired(run: Compared, first: Compared, *, resamples: int, level: float, seed: int) -> Paired:
    """How much better a run is than the first, in mIoU at input size, image by image.

    Args:
        run: The run.
        first: The one that it is compared with.
        resamples: Bootstrap resamples over groups.
        level: Coverage of the interval.
        seed: Of the resampling.
    """
    if run.images is None or first.images is None:
        return Paired(0, None, "no evaluation")
    both = run.images.merge(first.images, on=["image", "group"], suffixes=("_a", "_b"))
    if both.empty or len(both) != len(run.images) or len(both) != len(first.images):
        return Paired(len(both), None, "other images")
    a, b = (np.asarray(both[f"confusion_input_{side}"].tolist()) for side in "ab")
    if a.shape != b.shape:
        return Paired(len(both), None, "other classes")
    side = round(a.shape[1] ** 0.5)
    a, b = a.reshape(-1, side, side), b.reshape(-1, side, side)
    found = paired_difference(a, b, list(both["group"]), resamples=resamples, level=level, seed=seed)
    return Paired(len(both), found, "" if found else "too few parts")
