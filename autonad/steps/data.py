"""Datasets: import a published layout, generate one, look for faults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonad.config import Config
from autonad.errors import ConfigError
from autonad.steps.context import SILENT, Console, Step, begin

if TYPE_CHECKING:
    import pandas as pd

    from autonad.data.dataset import Dataset


@dataclass(frozen=True)
class DataResult:
    """A dataset, and what was found wrong with it.

    Attributes:
        images: Number of images.
        groups: Number of physical parts.
        classes: Names, background first.
        faults: Table of severity, kind, item, message; empty when nothing was found.
    """

    images: int
    groups: int
    classes: tuple[str, ...]
    faults: pd.DataFrame

    @property
    def num_errors(self) -> int:
        """Faults that are errors."""
        return int((self.faults["severity"] == "error").sum())


def import_data(
    config: Config,
    *,
    format: str,
    source: Path,
    output: Path,
    groups_csv: Path | None = None,
    classes: tuple[str, ...] | None = None,
    execution: str | None = None,
    console: Console = SILENT,
) -> DataResult:
    """Read a published layout into a dataset; faulty images go to its quarantine and are named.

    Args:
        config: Section `data` decides.
        format: The layout's name.
        source: The layout's folder.
        output: Dataset folder to write.
        groups_csv: Which images show the same part; None looks for `groups.csv` in the source.
        classes: Class names, for layouts that do not carry them.
        execution: Groups runs in MLflow.
        console: Where progress goes.
    """
    from autonad.data.formats import import_dataset

    params = {"data": config.data.model_dump(), "format": format}
    with begin(
        "import-data", config, execution=execution, console=console, params=params, learns=False
    ) as step:
        report = import_dataset(
            format,
            source,
            output,
            groups_csv=groups_csv,
            seed=config.data.split_seed,
            fractions=config.data.fractions,
            include_defect_free=config.data.include_defect_free,
            threshold=config.data.mask_threshold,
            classes=classes,
        )
        result = _result(report.dataset, report.faults)
        _log(step, result, report.dataset)
        return result


def synthesize(
    config: Config, *, output: Path, execution: str | None = None, console: Console = SILENT
) -> DataResult:
    """Generate a dataset; section `synthesize` decides how it looks."""
    from autonad.data.faults import fault_table
    from autonad.data.synthetic import Appearance, synthesize

    settings = config.synthesize
    appearance = Appearance(
        contrast=settings.contrast,
        size=settings.defect_size,
        brightness=settings.brightness,
        blur=settings.blur,
        noise=settings.noise,
    )
    params = {"synthesize": settings.model_dump()}
    with begin(
        "synthesize", config, execution=execution, console=console, params=params, learns=False
    ) as step:
        dataset = synthesize(
            output,
            num_images=settings.num_images,
            size=(settings.image_side, settings.image_side),
            materials=settings.materials,
            classes=settings.classes,
            seed=settings.seed,
            appearance=appearance,
            defect_free=settings.defect_free,
            fractions=config.data.fractions,
        )
        result = _result(dataset, fault_table([]))
        _log(step, result, dataset)
        return result


def audit(
    config: Config,
    *,
    dataset: Path | None = None,
    format: str | None = None,
    source: Path | None = None,
    groups_csv: Path | None = None,
    classes: tuple[str, ...] | None = None,
    execution: str | None = None,
    console: Console = SILENT,
) -> pd.DataFrame:
    """Look for faults in a dataset, or in a layout before it is imported.

    Returns:
        Table of severity ("error" or "warning"), kind, item and message.

    Raises:
        ConfigError: Neither or both of a dataset and a layout are given.
    """
    from autonad.data.audit import audit_dataset, audit_layout

    if (dataset is None) == (format is None and source is None):
        raise ConfigError("give either --dataset DIR, or --format NAME with --source DIR")
    params: dict[str, Any] = {"data": config.data.model_dump(), "format": format}
    with begin("audit", config, execution=execution, console=console, params=params, learns=False) as step:
        if dataset is not None:
            report = audit_dataset(dataset)
        elif format is not None and source is not None:
            report = audit_layout(
                format,
                source,
                groups_csv=groups_csv,
                threshold=config.data.mask_threshold,
                classes=classes,
                include_defect_free=config.data.include_defect_free,
            )
        else:
            raise ConfigError("a layout needs both --format NAME and --source DIR")
        step.run.log({"data/images": report.num_images, "data/faults": len(report.faults)})
        return report.faults


def _log(step: Step, result: DataResult, dataset: Dataset) -> None:
    step.uses(dataset, "made")
    step.headline(f"{result.images} images of {result.groups} parts, {len(result.faults)} faults")
    step.run.log(
        {"data/images": result.images, "data/groups": result.groups, "data/faults": len(result.faults)}
    )


def _result(dataset: Dataset, faults: pd.DataFrame) -> DataResult:
    manifest = dataset.manifest
    return DataResult(len(manifest), manifest["group"].nunique(), dataset.classes, faults)
