"""Charts of what is confused with what, as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from autonad.report.charts import styled, svg_text
from autonad.report.palette import LIGHT, class_colour
from autonad.report.units import percent

if TYPE_CHECKING:
    import pandas as pd


@styled
def confusion_figure(matrix: np.ndarray, classes: Sequence[str]) -> str:
    """Where the pixels of each class went.

    Args:
        matrix: (C, C) pixel counts, rows truth, columns prediction.
        classes: C names.

    Returns:
        SVG text; a row holds shares of its true class in percent, and is empty if no pixel has the class.
    """
    from matplotlib.figure import Figure

    counts = np.asarray(matrix, dtype=float)
    support = counts.sum(1, keepdims=True)
    share = np.divide(counts, support, out=np.full_like(counts, np.nan), where=support > 0)
    side = 2.2 + 0.75 * len(classes)
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    panel = figure.subplots()
    panel.grid(visible=False)
    panel.imshow(np.ma.masked_invalid(share), cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(share.shape):
        value = share[row, column]
        if not np.isnan(value):
            panel.text(
                column,
                row,
                f"{100 * value:.1f}",
                ha="center",
                va="center",
                fontsize=9,
                color="white" if value > 0.55 else LIGHT["ink"],
            )
    ticks = range(len(classes))
    panel.set_xticks(ticks, classes, rotation=30, ha="right")
    panel.set_yticks(ticks, classes)
    panel.set_xlabel("predicted")
    panel.set_ylabel("true")
    panel.set_title("Confusion, % of the true class")
    return svg_text(figure)


@styled
def precision_recall_figure(curves: Mapping[str, tuple[pd.DataFrame, float]]) -> str:
    """Precision against recall of each class.

    Args:
        curves: `PrecisionRecall.curves(...)`.

    Returns:
        SVG text.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 4.2), layout="constrained")
    panel = figure.subplots()
    for index, (name, (curve, average)) in enumerate(curves.items(), start=1):
        panel.step(
            curve["recall"],
            curve["precision"],
            where="post",
            color=class_colour(index),
            label=f"{name}, average {percent(average)}",
        )
    panel.set_xlim(0, 1)
    panel.set_ylim(0, 1.02)
    panel.set_xlabel("recall of the class's pixels")
    panel.set_title("Precision")
    if curves:
        panel.legend(fontsize=9, loc="lower left")
    return svg_text(figure)
