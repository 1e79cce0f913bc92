"""What `register` does of every detector, also where nothing is registered: the figures to compare it by."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonad.tracking.runs.origin import dvc_experiment

if TYPE_CHECKING:
    from autonad.config import Config


def why_not_registered(config: Config) -> str:
    """Why nothing is registered, whatever the detector is worth; empty if it may be."""
    if not config.tracking.enabled:
        return "tracking is off (tracking.enabled)"
    if experiment := dvc_experiment():
        return (
            f"DVC only tries this ({experiment}); if it is to count, `dvc exp apply {experiment}` and then "
            "`dvc repro --force --single-item register`"
        )
    return ""


def write_figures(
    output: Path, evaluation: Path, model: Path, latency_ms: float | None, line: dict[str, Any] | None
) -> None:
    """Write `figures.json`; see `headline_figures`.

    Args:
        output: Registration folder.
        evaluation: Evaluation folder.
        model: The exported file.
        latency_ms: Its median latency on the target, ms.
        line: What the rules in it do on the test split.

    Raises:
        StorageError: The evaluation is damaged, or the file cannot be written.
    """
    from autonad.evaluation.headline import FIGURES, headline_figures
    from autonad.files import read_json, write_json

    metrics = read_json(evaluation / "metrics.json", "the evaluation")
    write_json(output / FIGURES, headline_figures(metrics, line, latency_ms, model.stat().st_size))
