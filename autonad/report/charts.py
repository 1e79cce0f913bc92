"""Charts of a report, as SVG. matplotlib is imported when one is drawn, and without its global state."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np

from autonad.report.palette import LIGHT

if TYPE_CHECKING:
    import pandas as pd

Parameters = ParamSpec("Parameters")

_STYLE = {
    "font.size": 10,
    "text.color": LIGHT["ink"],
    "axes.labelcolor": LIGHT["ink"],
    "axes.edgecolor": LIGHT["stroke"],
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "grid.color": LIGHT["line"],
    "xtick.color": LIGHT["soft"],
    "ytick.color": LIGHT["soft"],
    "legend.frameon": False,
    # Equal data give equal bytes.
    "svg.hashsalt": "autonad",
}


def styled(draw: Callable[Parameters, str]) -> Callable[Parameters, str]:
    """Draw in the report's style, whatever the user's matplotlib is set to."""

    @functools.wraps(draw)
    def styled(*args: Parameters.args, **kwargs: Parameters.kwargs) -> str:
        import matplotlib as mpl

        with mpl.rc_context(_STYLE):
            return draw(*args, **kwargs)

    return styled


@styled
def training_figure(history: pd.DataFrame) -> str:
    """Loss and validation mIoU over epochs.

    Args:
        history: Columns `epoch` and at least one of `train/loss`, `val/loss`, `val/miou`, `val/mf1`.

    Returns:
        SVG text.
    """
    losses = [name for name in ("train/loss", "val/loss") if name in history]
    scores = [name for name in ("val/miou", "val/mf1") if name in history]
    figure, panels = _figure(sum(map(bool, (losses, scores))))
    labels = {"train/loss": "training", "val/loss": "validation", "val/miou": "mIoU", "val/mf1": "mF1"}
    for names, title, factor in ((losses, "Loss", 1.0), (scores, "Validation, %", 100.0)):
        if not names:
            continue
        panel = panels.pop(0)
        for name, colour in zip(names, ("best", "chosen"), strict=False):
            values = history[["epoch", name]].dropna()
            panel.plot(
                values["epoch"],
                values[name] * factor,
                color=LIGHT[colour],
                label=labels[name],
                marker=_marker(values),
            )
        if "val/miou" in names and history["val/miou"].notna().any():
            best = history.sort_values("val/miou", kind="stable", na_position="first").iloc[-1]
            panel.plot(
                best["epoch"],
                best["val/miou"] * 100,
                "o",
                color=LIGHT["best"],
                markersize=8,
                mfc=LIGHT["paper"],
                mew=2,
            )
        _finish(panel, title, "epoch")
    return svg_text(figure)


@styled
def progress_figure(population: pd.DataFrame) -> str:
    """How a search went: mIoU and score per generation.

    Args:
        population: One row per evaluation: `generation`, `miou` (fraction), `score`.

    Returns:
        SVG text.
    """
    figure, (miou, score) = _figure(2)
    per_generation = population.groupby("generation")
    for panel, column, factor, title in ((miou, "miou", 100.0, "mIoU, %"), (score, "score", 1.0, "Score")):
        # A table holds each architecture once, in the generation that tried it first; parents live on.
        best = per_generation[column].max().cummax() * factor
        mean = per_generation[column].mean() * factor
        panel.plot(best.index, best, color=LIGHT["best"], label="best so far", marker=_marker(best))
        panel.plot(
            mean.index, mean, color=LIGHT["stroke"], label="mean of the new ones", marker=_marker(mean)
        )
        _finish(panel, title, "generation")
    return svg_text(figure)


def _figure(columns: int) -> tuple[Any, list[Any]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * columns, 3.0), layout="constrained", facecolor=LIGHT["paper"])
    return figure, list(np.atleast_1d(figure.subplots(1, columns)))


def _finish(panel: Any, title: str, x: str) -> None:
    from matplotlib.ticker import MaxNLocator

    panel.set_title(title)
    panel.set_xlabel(x)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.set_axisbelow(True)
    handles, labels = panel.get_legend_handles_labels()
    if handles:
        panel.legend(handles, labels, fontsize=9)


def _marker(values: Any) -> str | None:
    """A lone point draws no line; few points are easier to read with dots."""
    return "o" if len(values) <= 12 else None


def svg_text(figure: Any) -> str:
    """A figure as SVG; equal figures give equal text."""
    buffer = io.StringIO()
    figure.savefig(
        buffer, format="svg", metadata={"Date": None, "Creator": None, "Type": None, "Format": None}
    )
    text = buffer.getvalue()
    return text[text.index("<svg") :]
