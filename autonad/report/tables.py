"""The tables and cards of an evaluation, from the content of its `metrics.json`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from autonad.latency.prior import is_uniform, uniform_share
from autonad.report.drawing import EDGE_NAMES
from autonad.report.kit import Card, Cell, HeatTable, Table
from autonad.report.palette import BLUE, WARM, heat
from autonad.report.units import ABSENT, percent, points, text, whole
from autonad.space import EDGES, SamplingPrior

MOST_LIFT = 3.0
"""A probability that is so many times the uniform one, or its inverse, has the full shade."""
LEAST_SHADE = 0.05
SCORES = (("mIoU", "miou"), ("mF1", "mf1"), ("Foreground mIoU", "foreground_miou"))


def cards(metrics: Mapping[str, Any]) -> list[Card]:
    """Headline figures: mIoU, mF1, foreground mIoU, misses and false alarms."""
    score, intervals, images = metrics["input"], metrics["intervals"]["input"], metrics["image_level"]
    alarms, what = images["false_alarms_clean"], "clean images"
    if not alarms["of"]:
        alarms, what = images["false_alarms_defect"], "defect images"
    return [
        *(Card(name, percent(score[key]), _interval(score[key], intervals.get(key))) for name, key in SCORES),
        Card("Missed defect images", *_rate(images["misses"], "defect images")),
        Card("False alarms", *_rate(alarms, what)),
    ]


def sizes_table(metrics: Mapping[str, Any]) -> Table:
    """The headline figures at the network's input size and at native size, with intervals."""
    rows = []
    for size in ("input", "native"):
        cells = []
        for _, key in SCORES:
            interval = metrics["intervals"][size].get(key)
            ends = f" ({points(interval)})" if interval else ""
            cells.append(percent(metrics[size][key], 2) + ends)
        rows.append((f"{size.capitalize()} size", *cells, percent(metrics[size]["pixel_accuracy"], 2)))
    header = ("Measured at", *(name for name, _ in SCORES), "Pixel accuracy")
    return Table(header, rows, "Figures of the whole split, with intervals")


def class_table(metrics: Mapping[str, Any]) -> Table:
    """One row per class, at input size, and the IoU at native size beside it."""
    total = metrics["input"]["pixels"]
    rows = []
    for name in metrics["classes"]:
        entry, native = metrics["input"]["classes"][name], metrics["native"]["classes"][name]
        showing = metrics["image_level"]["misses_by_class"].get(name)
        rows.append(
            (
                name,
                *(percent(entry[key]) for key in ("iou", "f1", "precision", "recall")),
                percent(native["iou"]),
                whole(entry["support"]),
                percent(entry["support"] / total, 2),
                text(showing and showing["of"]),
            )
        )
    measures = ("IoU", "F1", "Precision", "Recall", "IoU, native")
    header = ("Class", *measures, "Support, pixels", "Share", "Images")
    caption = "Per class, at input size. A dash: no such pixel to divide by; the class is in no average."
    return Table(header, rows, caption)


def confusion_table(classes: Sequence[str], matrix: Sequence[Sequence[int]], size: str) -> HeatTable:
    """Confusion matrix as a heat map: share of the true pixels, and their number."""
    counts = np.asarray(matrix)
    rows = []
    for k, name in enumerate(classes):
        support = int(counts[k].sum())
        cells = [
            Cell(percent(count / support), heat(count / support, BLUE), whole(count))
            if support
            else Cell(ABSENT)
            for count in counts[k].tolist()
        ]
        rows.append((name, cells))
    caption = (
        f"Confusion at {size}: where the pixels of each true class (row) went (column); rows add up to 100 %."
    )
    return HeatTable("Truth ↓  Prediction →", classes, rows, caption)


def event_table(level: Mapping[str, Any]) -> Table:
    """Misses and false alarms, image by image."""
    events = [
        ("Defect images on which nothing was found", level["misses"]),
        ("Clean images on which something was found", level["false_alarms_clean"]),
        ("Defect images with a class found nowhere near a defect", level["false_alarms_defect"]),
        *(
            (f"Images with {name} on which none of it was found", entry)
            for name, entry in level["misses_by_class"].items()
        ),
    ]
    rows = [
        (name, str(entry["count"]) if entry["of"] else ABSENT, str(entry["of"]), percent(entry["rate"]))
        for name, entry in events
    ]
    return Table(("Event", "Images", "Of", "Share"), rows, "Misses and false alarms, image by image")


def prior_tables(prior: SamplingPrior | None) -> list[HeatTable]:
    """Sampling probabilities, operators against places (Fig. 5); none without a prior."""
    if prior is None:
        return []
    places = sorted(prior.blocks)
    edges = [edge for edge in EDGES if edge in prior.edges]
    columns = [f"{stage + 1}.{block + 1}" for stage, block in places]
    parts = (
        ("Blocks (stage.block)", columns, [prior.blocks[place] for place in places]),
        ("Edges of the MFAM", edges, [prior.edges[edge] for edge in edges]),
    )
    told = ": uniform, they differ by no more than the noise" if is_uniform(prior) else ""
    return [_probabilities(f"{caption}{told}", names, values) for caption, names, values in parts if values]


def _probabilities(caption: str, columns: Sequence[str], places: Sequence[Mapping[str, float]]) -> HeatTable:
    names = list(dict.fromkeys(name for place in places for name in place))
    shares = [uniform_share(list(place)) for place in places]
    rows = [
        (
            _operator_name(name),
            [_chance(place.get(name), share.get(name)) for place, share in zip(places, shares, strict=True)],
        )
        for name in names
    ]
    return HeatTable("Operator", columns, rows, caption)


def _chance(probability: float | None, uniform: float | None) -> Cell:
    """Shaded by how far it is from the share that a prior without a preference gives, on a log scale."""
    if probability is None or uniform is None:
        return Cell(ABSENT)
    lift = math.log(max(probability, 1e-9) / uniform) / math.log(MOST_LIFT)
    shade = heat(min(abs(lift), 1.0), WARM if lift > 0 else BLUE) if abs(lift) >= LEAST_SHADE else None
    return Cell(percent(probability, 0), shade)


def _operator_name(name: str) -> str:
    """A mixer's or an edge operator's name as people write it: "convolution3" → "convolution 3×3"."""
    edge = next((text for edge, text in EDGE_NAMES.items() if edge == name), None)
    kernel = name.removeprefix("convolution")
    return edge or (f"convolution {kernel}×{kernel}" if kernel.isdigit() else name)


def _interval(value: float | None, interval: Mapping[str, Any] | None) -> str:
    if value is None:
        return "no defect is labelled or predicted"
    return "no interval: too few groups" if interval is None else f"{points(interval)} %"


def _rate(entry: Mapping[str, Any], what: str) -> tuple[str, str]:
    if not entry["of"]:
        return ABSENT, f"no {what} in this split"
    return str(entry["count"]), f"of {entry['of']} {what}, {percent(entry['rate'])}"
