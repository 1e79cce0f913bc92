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

    Args:
        context: Section `data` decides.
        dataset: Dataset folder.
        format: The layout's name; None recognises it.
        source: The layout's folder; of a table also its csv file.
        groups_csv: Which images show the same part; None looks for `groups.csv` in the source.
        classes: Class names, for layouts that do not carry them.

    Returns:
        Table of severity ("error" or "warning"), kind, item and message.

    Raises:
        ConfigError: Neither or both of a dataset and a layout are given.
    """
    config = context.config
    from autonad.data.audit import audit_dataset, audit_layout

    if (dataset is None) == (source is None) or (dataset is not None and format is not None):
        raise ConfigError(
            "give either --dataset DIR, or --source DIR, with --format NAME if it is not recognised"
        )
    params: dict[str, Any] = {"data": config.data.model_dump(), "format": format}
    with begin("audit", context, params=params, learns=False) as step:
        if dataset is not None:
            report = audit_dataset(dataset)
        else:
            assert source is not None
            report = audit_layout(
                format or "auto",
                source,
                groups_csv=groups_csv,
                threshold=config.data.mask_threshold,
                classes=classes,
                include_defect_free=config.data.include_defect_free,
                max_bytes=int(config.data.max_megabytes * 2**20),
                max_pixels=int(config.data.max_megapixels * 1e6),
            )
        if report.recognised:
            context.console.report(f"format {report.recognised}")
        step.run.log({"data/images": report.num_images, "data/faults": len(report.faults)})
        return report.faults
