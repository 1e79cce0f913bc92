"""The prior as a heatmap, as in Fig. 5 of the paper."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from autonad.errors import LatencyError
from autonad.files import write_atomic
from autonad.latency.prior import is_uniform, prior_matrix, uniform_share
from autonad.report.units import percent
from autonad.space import SamplingPrior

# Colours span from a third of to three times the uniform probability, on a logarithmic scale.
RANGE = 3.0


def plot_prior(prior: SamplingPrior, path: Path) -> None:
    """Draw the prior as a PNG: rows operators, columns stage.block and edges; warmer is faster and likelier.

    Args:
        prior: What to draw.
        path: The image, written in one step.

    Raises:
        LatencyError: The prior is empty.
        StorageError: The file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = [
        (title, prior_matrix(values))
        for title, values in (
            ("Encoder blocks (stage.block)", prior.blocks),
            ("Aggregation edges", prior.edges),
        )
        if values
    ]
    if not panels:
        raise LatencyError("the latency prior is empty; run `autonad profile-latency` first")
    if is_uniform(prior):
        title, matrix = panels[0]
        panels[0] = (f"{title}: uniform, operators differ by no more than the noise", matrix)
    rows = [len(matrix) for _, matrix in panels]
    columns = max(matrix.shape[1] for _, matrix in panels)
    figure = Figure(
        figsize=(3.2 + 0.62 * columns, 1.2 + 0.55 * sum(rows) + 0.7 * len(panels)), layout="constrained"
    )
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=rows)[:, 0]
    for axis, (title, matrix) in zip(axes, panels, strict=True):
        image = _panel(axis, title, matrix)
    if not is_uniform(prior):
        _scale(figure, image, list(axes))
    # Without the software's version equal priors give equal files.
    write_atomic(path, lambda file: figure.savefig(file, format="png", dpi=130, metadata={"Software": None}))


def _scale(figure: Any, image: Any, axes: list[Any]) -> None:
    """What the colours mean; a prior without a preference has only one."""
    bar = figure.colorbar(image, ax=axes, ticks=[1 / 3, 1 / 2, 1, 2, 3], shrink=0.9)
    bar.ax.set_yticklabels(["÷3", "÷2", "1", "×2", "×3"])
    bar.ax.minorticks_off()
    bar.set_label("probability against uniform (warmer: faster)")


def _panel(axis: Any, title: str, matrix: pd.DataFrame) -> Any:
    from matplotlib.colors import LogNorm

    uniform = pd.Series(uniform_share(list(matrix.index)))
    lift = matrix.div(uniform, axis=0)
    norm = LogNorm(1 / RANGE, RANGE)
    image = axis.imshow(lift.to_numpy(dtype=float), cmap="coolwarm", norm=norm, aspect="auto")
    axis.set_title(title, fontsize=10)
    axis.set_yticks(range(len(matrix.index)), [str(name) for name in matrix.index])
    axis.set_xticks(range(matrix.shape[1]), list(matrix.columns), rotation=0 if matrix.shape[1] <= 12 else 60)
    axis.tick_params(length=0, labelsize=9)
    for (row, column), probability in np.ndenumerate(matrix.to_numpy(dtype=float)):
        if np.isfinite(probability):
            strong = abs(np.log(lift.to_numpy()[row, column])) > 0.6 * np.log(RANGE)
            colour = "white" if strong else "black"
            text = percent(probability, 0)
            axis.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
    return image
