"""Look for faults in a dataset, or in a layout before it is imported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonad.config.context import Context
from autonad.errors import ConfigError
from autonad.steps.step import begin

if TYPE_CHECKING:
    import pandas as pd


def audit(
    context: Context,
    *,
    dataset: Path | None = None,
    format: str | None = None,
    source: Path | None = None,
    groups_csv: Path | None = None,
    classes: tuple[str, ...] | None = None,
) -> pd.DataFrame:
    """Look for faults in a dataset, or in a layout before it is imported.

    Returns:
        Table of severity ("error" or "warning"), kind, item and message.

    Raises:
        ConfigError: Neither or both of a dataset and a layout are given.
    """
    config = context.config
    from autonad.data.audit import audit_dataset, audit_layout
    from autonad.data.ingest.settings import IngestSettings

    if (dataset is None) == (format is None and source is None):
        raise ConfigError("give either --dataset DIR, or --format NAME with --source DIR")
    params: dict[str, Any] = {"data": config.data.model_dump(), "format": format}
    with begin("audit", context, params=params, learns=False) as step:
        if dataset is not None:
            report = audit_dataset(
                dataset,
                input_size=config.input.size,
                keep_aspect=config.input.keep_aspect,
                fractions=config.data.fractions,
                workers=config.ingest.workers,
                advance=context.console.advance,
            )
        elif format is not None and source is not None:
            settings = IngestSettings.of(config, format=format, classes=classes, groups_csv=groups_csv)
            report = audit_layout(source, settings, advance=context.console.advance)
        else:
            raise ConfigError("a layout needs both --format NAME and --source DIR")
        step.run.log({"data/images": report.num_images, "data/faults": len(report.faults)})
        return report.faults
