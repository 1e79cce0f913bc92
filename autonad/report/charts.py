"""Charts of a training and of a search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from autonad.report.line_chart import Line, LineChart, Ring, chart_file

if TYPE_CHECKING:
    import pandas as pd

_LOSSES = {"train/loss": "training", "val/loss": "validation"}
_SCORES = {"val/miou": "mIoU", "val/mf1": "mF1"}
_COLOURS = ("best", "chosen")


def training_charts(history: pd.DataFrame) -> list[LineChart]:
    """Loss, and validation mIoU, over epochs; those of which nothing is known are left out.

    Args:
        history: Columns `epoch` and at least one of `train/loss`, `val/loss`, `val/miou`, `val/mf1`.
    """
    charts = []
    for names, title, factor in ((_LOSSES, "Loss", 1.0), (_SCORES, "Validation, %", 100.0)):
        lines = [
            _line(label, colour, history["epoch"], history[name] * factor)
            for (name, label), colour in zip(names.items(), _COLOURS, strict=True)
            if name in history
        ]
        if lines:
            rings = _best_epoch(history) if names is _SCORES else ()
            charts.append(LineChart(title, "epoch", lines, rings, counted=True))
    return charts


def training_figure(history: pd.DataFrame) -> str:
    """The charts of a training as a file; see `training_charts`.

    Returns:
        SVG text.
    """
    return chart_file(training_charts(history))


def progress_charts(population: pd.DataFrame) -> list[LineChart]:
    """How a search went: mIoU and score per generation.

    Args:
        population: One row per evaluation: `generation`, `miou` (fraction), `score`.
    """
    charts = []
    per_generation = population.groupby("generation")
    for column, factor, title in (("miou", 100.0, "mIoU, %"), ("score", 1.0, "Score")):
        # A table holds each architecture once, in the generation that tried it first; parents live on.
        best = per_generation[column].max().cummax() * factor
        mean = per_generation[column].mean() * factor
        lines = [
            _line("best so far", "best", best.index.to_series(), best),
            _line("mean of the new ones", "stroke", mean.index.to_series(), mean),
        ]
        charts.append(LineChart(title, "generation", lines, counted=True))
    return charts


def _best_epoch(history: pd.DataFrame) -> Sequence[Ring]:
    """A ring around the best validation mIoU."""
    if "val/miou" not in history or not history["val/miou"].notna().any():
        return ()
    best = history.sort_values("val/miou", kind="stable", na_position="first").iloc[-1]
    return (Ring(float(best["epoch"]), 100 * float(best["val/miou"]), "best"),)


def _line(name: str, colour: str, places: pd.Series, values: pd.Series) -> Line:
    known = values.notna().to_numpy()
    across, along = places.to_numpy()[known], values.to_numpy()[known]
    return Line(name, colour, [float(place) for place in across], [float(value) for value in along])
