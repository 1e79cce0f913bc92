"""Import a layout as a dataset."""

from __future__ import annotations

from pathlib import Path

from autonad.config.context import Context
from autonad.steps.dataset_result import DataResult, dataset_result, log_dataset
from autonad.steps.step import begin


def import_data(
    context: Context,
    *,
    format: str,
    source: Path,
    output: Path,
    replace: bool = False,
    groups_csv: Path | None = None,
    classes: tuple[str, ...] | None = None,
) -> DataResult:
    """Read a published layout into a dataset; faulty images go to its quarantine and are named.

    Args:
        context: Section `data` decides.
        format: The layout's name.
        source: The layout's folder.
        output: Dataset folder to write.
        replace: A dataset there is replaced; else it is refused.
        groups_csv: Which images show the same part; None looks for `groups.csv` in the source.
        classes: Class names, for layouts that do not carry them.
    """
    config = context.config
    from autonad.data.ingest.importing import import_dataset
    from autonad.data.ingest.settings import IngestSettings

    settings = IngestSettings.of(config, format=format, classes=classes, groups_csv=groups_csv)
    params = {"data": config.data.model_dump(), "format": format}
    with begin("import-data", context, params=params, learns=False) as step:
        report = import_dataset(source, output, settings, replace=replace, advance=context.console.advance)
        result = dataset_result(report.dataset, report.faults, report.quarantined)
        log_dataset(step, result, report.dataset)
        return result
