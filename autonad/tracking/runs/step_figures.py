"""Figures and headlines of the steps for MLflow."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonad.report.units import percent, points

if TYPE_CHECKING:
    import pandas as pd

    from autonad.report.panels import Panel
    from autonad.tracking import Run


def log_figures(
    run: Run,
    metrics: Mapping[str, Any],
    curves: Mapping[str, tuple[pd.DataFrame, float]],
    panels: Sequence[Panel],
) -> None:
    """Log what an evaluation saw: confusion, precision and recall, sample predictions.

    Args:
        run: The evaluation's run.
        metrics: Content of `metrics.json`.
        curves: `PrecisionRecall.curves(...)`.
        panels: Images with truth and prediction.
    """
    import numpy as np

    from autonad.report.class_charts import confusion_figure, precision_recall_figure
    from autonad.report.panels import side_by_side

    run.text(
        confusion_figure(np.array(metrics["input"]["confusion"]), metrics["classes"]), "figures/confusion.svg"
    )
    run.text(precision_recall_figure(curves), "figures/precision_recall.svg")
    with tempfile.TemporaryDirectory() as temporary:
        for number, panel in enumerate(panels, start=1):
            name = f"{number:02d}-{Path(panel.name).stem}.jpg"
            (Path(temporary) / name).write_bytes(side_by_side(panel))
        run.artifacts(Path(temporary), "figures/samples")


def log_history(run: Run, folder: Path, history: list[dict[str, float]]) -> None:
    """Draw a training's curves into its folder (`curves.svg`) and log them: loss and mIoU over epochs."""
    import pandas as pd

    from autonad.files import write_text_atomic
    from autonad.report.charts import training_figure

    figure = training_figure(pd.DataFrame(history))
    write_text_atomic(folder / "curves.svg", figure)
    run.text(figure, "figures/curves.svg")


def evaluation_headline(metrics: Mapping[str, Any]) -> str:
    """The one line that sums up an evaluation."""
    interval = metrics["intervals"]["input"]["miou"]
    between = f" ({points(interval)})" if interval else ""
    return (
        f"test mIoU {percent(metrics['input']['miou'])}{between}, mF1 {percent(metrics['input']['mf1'])} on "
        f"{metrics['images']} images of {metrics['groups']} parts"
    )
