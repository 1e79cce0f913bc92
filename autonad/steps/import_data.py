"""Import a layout as a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from autonad.config.context import Context
from autonad.steps.audit_files import how_read, look_into_layout, write_audit
from autonad.steps.dataset_result import DataResult, dataset_result, log_dataset
from autonad.steps.step import begin, dataset_name

if TYPE_CHECKING:
    from autonad.data.ingest.settings import PartOptions
    from autonad.data.pixels.pixel_options import PixelOptions


def import_data(
    context: Context,
    *,
    source: Path,
    output: Path,
    replace: bool = False,
    format: str = "auto",
    groups_csv: Path | None = None,
    classes: tuple[str, ...] | None = None,
    pixels: PixelOptions | None = None,
    parts: PartOptions | None = None,
) -> DataResult:
    """Read a published layout into a dataset; faulty images go to its quarantine and are named.

    Args:
        context: Section `data` decides.
        source: The layout's folder; of a table also its csv file.
        output: Dataset folder to write.
        replace: A dataset there is replaced; else it is refused.
        format: The layout's name; "auto" recognises it.
        groups_csv: Which images show the same part; None looks for `groups.csv` in the source.
        classes: Class names, for layouts that do not carry them.
        pixels: What a user states about pixels.
        parts: How parts are found and split; the defaults if not given.
    """
    config = context.config
    from autonad.data.ingest.importing import import_dataset
    from autonad.data.ingest.settings import IngestSettings
    from autonad.report.audit_page import AuditContent

    settings = IngestSettings.of(
        config, format=format, classes=classes, groups_csv=groups_csv, pixels=pixels, parts=parts
    )
    params = {"data": config.data.model_dump(), "format": format}
    with begin("import-data", context, params=params, learns=False) as step:
        report = import_dataset(source, output, settings, replace=replace, advance=context.console.advance)
        if report.recognised:
            context.console.report(f"format {report.recognised}")
        content = AuditContent(
            dataset_name(config, report.dataset),
            report.faults,
            report.images,
            report.expected,
            look_into_layout(report.layout),
            report.dataset.classes,
            report.dataset.manifest,
            notes=how_read(report.layout),
            joins=report.joins,
        )
        listed = write_audit(step, output, content)
        result = dataset_result(report.dataset, report.faults, report.quarantined, listed, report.reading)
        log_dataset(step, result, report.dataset)
        return result
