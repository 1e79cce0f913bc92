"""Tables of a report: figures at both sizes, per class, confusion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from autonad.report import markup
from autonad.report.markup import percent

_BLUE = (16, 78, 139)


def sizes_table(metrics: Mapping[str, Any]) -> str:
    """The headline figures at the network's input size and at native size, with intervals."""
    names = (("mIoU", "miou"), ("mF1", "mf1"), ("Foreground mIoU", "foreground_miou"))
    rows = []
    for size in ("input", "native"):
        cells = []
        for _, key in names:
            interval = metrics["intervals"][size].get(key)
            ends = f" [{100 * interval['low']:.1f}, {100 * interval['high']:.1f}]" if interval else ""
            cells.append(percent(metrics[size][key], 2) + ends)
        rows.append((f"{size.capitalize()} size", *cells, percent(metrics[size]["pixel_accuracy"], 2)))
    header = ("Measured at", *(name for name, _ in names), "Pixel accuracy")
    return markup.table(header, rows, caption="Figures of the whole split, with intervals")


def class_table(metrics: Mapping[str, Any]) -> str:
    """One row per class, at input size, and the IoU at native size beside it."""
    total = metrics["input"]["pixels"]
    rows = []
    for name in metrics["classes"]:
        entry, native = metrics["input"]["classes"][name], metrics["native"]["classes"][name]
        showing = metrics["image_level"]["misses_by_class"].get(name)
        rows.append(
            (
                name,
                percent(entry["iou"]),
                percent(entry["f1"]),
                percent(entry["precision"]),
                percent(entry["recall"]),
                percent(native["iou"]),
                f"{entry['support']:,}",
                percent(entry["support"] / total, 2),
                "–" if showing is None else str(showing["of"]),
            )
        )
    header = (
        "Class",
        "IoU",
        "F1",
        "Precision",
        "Recall",
        "IoU, native",
        "Support, pixels",
        "Share",
        "Images",
    )
    caption = "Per class, at input size. A dash: no such pixel to divide by; the class is in no average."
    return markup.table(header, rows, caption=caption)


def confusion_table(classes: Sequence[str], matrix: Sequence[Sequence[int]], size: str) -> str:
    """Confusion matrix as a heat map: share of the true pixels, and their number."""
    counts = np.asarray(matrix)
    rows = []
    for k, name in enumerate(classes):
        support = int(counts[k].sum())
        cells = [
            markup.heat_cell(percent(count / support), count / support, _BLUE, f"{count:,}")
            if support
            else "<td>–</td>"
            for count in counts[k].tolist()
        ]
        rows.append((name, cells))
    caption = (
        f"Confusion at {size}: where the pixels of each true class (row) went (column); rows add up to 100 %."
    )
    return markup.heat_table("Truth ↓  Prediction →", classes, rows, caption=caption)


def rate_text(entry: Mapping[str, Any], what: str) -> tuple[str, str]:
    """A count for a card, and what it is a count of."""
    if not entry["of"]:
        return "–", f"no {what} in this split"
    return str(entry["count"]), f"of {entry['of']} {what}, {percent(entry['rate'])}"
