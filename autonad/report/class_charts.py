"""Charts of what is confused with what, as SVG files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from autonad.report import palette
from autonad.report.kit import render
from autonad.report.line_chart import Line, LineChart, chart_file, text_width
from autonad.report.units import percent

if TYPE_CHECKING:
    import pandas as pd

_CELL = 58


def confusion_figure(matrix: np.ndarray, classes: Sequence[str]) -> str:
    """Where the pixels of each class went.

    Args:
        matrix: (C, C) pixel counts, rows truth, columns prediction.
        classes: C names.

    Returns:
        SVG text; a row holds shares of its true class in percent, and is empty if no pixel has the class.
    """
    counts = np.asarray(matrix, dtype=float)
    support = counts.sum(1, keepdims=True)
    share = np.divide(counts, support, out=np.full_like(counts, np.nan), where=support > 0)
    left = 40 + max(text_width(name) for name in classes)
    slanted = 0.5 * max(text_width(name) for name in classes)
    cells = [
        (left + column * _CELL, 30 + row * _CELL, f"{100 * value:.1f}", palette.heat(value, palette.BLUE))
        for (row, column), value in np.ndenumerate(share)
        if not np.isnan(value)
    ]
    side = _CELL * len(classes)
    drawing = render(
        "confusion.svg",
        cell=_CELL,
        left=left,
        side=side,
        classes=list(enumerate(classes)),
        cells=cells,
        width=max(left + side + 16, 250),
        height=30 + side + 46 + slanted,
    ).strip()
    return palette.with_colours(drawing) + "\n"


def precision_recall_figure(curves: Mapping[str, tuple[pd.DataFrame, float]]) -> str:
    """Precision against recall of each class.

    Args:
        curves: `PrecisionRecall.curves(...)`.

    Returns:
        SVG text.
    """
    lines = [
        Line(
            f"{name}, average {percent(average)}",
            palette.class_colour(index),
            curve["recall"].tolist(),
            curve["precision"].tolist(),
            step=True,
        )
        for index, (name, (curve, average)) in enumerate(curves.items(), start=1)
    ]
    return chart_file(
        [
            LineChart(
                "Precision", "recall of the class's pixels", lines, across_range=(0.0, 1.0), range=(0.0, 1.0)
            )
        ]
    )
