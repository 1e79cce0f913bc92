"""Export a detector and register it: the last task of a pipeline that makes one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from autonad.config.context import Context
from autonad.steps.export import ExportResult, export
from autonad.steps.register import RegisterResult, register


@dataclass(frozen=True)
class Delivered:
    """What became of a detector.

    Attributes:
        exported: Its file.
        registered: Its version.
    """

    exported: ExportResult
    registered: RegisterResult


def deliver(
    context: Context,
    *,
    target: Path,
    dataset: Path,
    model: Path,
    evaluation: Path,
    rules: Path,
    exported: Path,
    registration: Path,
) -> Delivered:
    """Export a detector with its rules, and register it; see `export` and `register`.

    Args:
        context: Of the task.
        target: Target file.
        dataset: Dataset folder.
        model: Model folder.
        evaluation: Evaluation folder of this model.
        rules: Folder of its rules, as `fit_thresholds` writes it.
        exported: Export folder to write.
        registration: Registration folder to write.
    """
    given = {"dataset": dataset, "evaluation": evaluation}
    written = export(context, model=model, rules=rules / "rules.yaml", output=exported, **given)
    decided = register(context, target=target, export=exported, output=registration, **given)
    return Delivered(written, decided)
