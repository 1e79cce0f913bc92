"""Look for faults in a dataset, or in a layout before it is imported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonad.config.context import Context
from autonad.errors import ConfigError
from autonad.steps.audit_files import (
    how_read,
    look_into_dataset,
    look_into_layout,
    require_no_audit,
    write_audit,
)
from autonad.steps.step import Step, begin

if TYPE_CHECKING:
    import pandas as pd

    from autonad.data.audit import AuditReport
    from autonad.data.ingest.settings import PartOptions
    from autonad.data.pixels.pixel_options import PixelOptions


@dataclass(frozen=True)
class AuditResult:
    """What an audit found.

    Attributes:
        faults: Table of severity ("error" or "warning"), kind, item and message.
        listed: The file with that table, if it was asked for.
        reading: How the pixels of a layout are read, in sentences.
    """

    faults: pd.DataFrame
    listed: Path | None
    reading: tuple[str, ...] = ()


def audit(
    context: Context,
    *,
    dataset: Path | None = None,
    format: str | None = None,
    source: Path | None = None,
    output: Path | None = None,
    replace: bool = False,
    groups_csv: Path | None = None,
    classes: tuple[str, ...] | None = None,
    pixels: PixelOptions | None = None,
    parts: PartOptions | None = None,
) -> AuditResult:
    """Look for faults in a dataset, or in a layout before it is imported.

    Args:
        context: Sections `data` and `input` decide.
        dataset: A dataset folder.
        format: The layout's name; None recognises it.
        source: The layout's folder; of a table also its csv file.
        output: Folder for the page `audit.html` and the table `faults.csv`; None writes nothing.
        replace: Those of another audit in that folder are replaced; else it is refused.
        groups_csv: Which images show the same part; None looks for `groups.csv` in the source.
        classes: Class names, for layouts that do not carry them.
        pixels: What the user states about pixels.
        parts: How an import would find and split parts; the defaults if not given.

    Raises:
        ConfigError: Neither or both of a dataset and a layout are given, a dataset with what only a layout
            needs, or the output holds another audit.
    """
    config = context.config
    from autonad.data.audit import audit_dataset, audit_layout
    from autonad.data.ingest.settings import IngestSettings, PartOptions
    from autonad.data.pixels.pixel_options import PixelOptions

    if (dataset is None) == (source is None) or (dataset is not None and format is not None):
        raise ConfigError(
            "give either --dataset DIR, or --source DIR, with --format NAME if it is not recognised"
        )
    pixels, parts = pixels or PixelOptions(), parts or PartOptions()
    if dataset is not None and (groups_csv, classes, pixels, parts) != (
        None,
        None,
        PixelOptions(),
        PartOptions(),
    ):
        raise ConfigError(
            "--dataset was read and split when it was imported; leave out --groups, --classes, --split and "
            "the options about pixels and parts, or give --source DIR"
        )
    if output is not None:
        require_no_audit(output, replace=replace)
    settings = IngestSettings.of(
        config, format=format or "auto", classes=classes, groups_csv=groups_csv, pixels=pixels, parts=parts
    )
    params: dict[str, Any] = {"data": config.data.model_dump(), "format": format}
    with begin("audit", context, params=params, learns=False) as step:
        if dataset is not None:
            report = audit_dataset(
                dataset,
                wish=settings.wish,
                fractions=settings.fractions,
                workers=settings.workers,
                advance=context.console.advance,
            )
        else:
            assert source is not None
            report = audit_layout(source, settings, advance=context.console.advance)
        if report.recognised:
            context.console.report(f"format {report.recognised}")
        step.faulty(report.faults)
        step.run.log({"data/images": report.num_images, "data/faults": len(report.faults)})
        listed = None if output is None else _write(step, output, report)
        return AuditResult(report.faults, listed, report.reading)


def _write(step: Step, output: Path, report: AuditReport) -> Path:
    from autonad.report.audit_page import AuditContent

    if report.layout is not None:
        name, look = report.layout.source.name, look_into_layout(report.layout)
        notes = how_read(report.layout)
    else:
        assert report.dataset is not None
        name, look = report.dataset.root.resolve().name, look_into_dataset(report.dataset)
        notes = []
    content = AuditContent(
        name,
        report.faults,
        report.images,
        report.expected,
        look,
        report.classes,
        report.rows,
        notes,
        report.joins,
    )
    return write_audit(step, output, content)
