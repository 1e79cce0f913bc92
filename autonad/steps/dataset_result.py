"""What the steps that make or judge a dataset have in common."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from autonad.data.dataset import Dataset
    from autonad.steps.step import Step


@dataclass(frozen=True)
class DataResult:
    """A dataset, and what was found wrong with it.

    Attributes:
        images: Number of images.
        groups: Number of physical parts.
        classes: Names, background first.
        faults: Table of severity, kind, item, message; empty when nothing was found.
        defect_free: Images that show no defect.
        quarantined: Items that are kept in its quarantine.
        listed: The file with the table of faults, if there is one.
        reading: How its pixels were read, in sentences.
    """

    images: int
    groups: int
    classes: tuple[str, ...]
    faults: pd.DataFrame
    defect_free: int
    quarantined: int
    listed: Path | None
    reading: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What it holds, in one line."""
        free = f", {self.defect_free} of them without defects" if self.defect_free else ""
        return f"{self.images} images of {self.groups} parts{free}; classes {', '.join(self.classes)}"

    @property
    def num_errors(self) -> int:
        """Faults that are errors."""
        return int((self.faults["severity"] == "error").sum())


def log_dataset(step: Step, result: DataResult, dataset: Dataset) -> None:
    """Log a dataset that a step made, and what was found wrong with it."""
    step.uses(dataset, "made")
    step.faulty(result.faults)
    step.headline(f"{result.images} images of {result.groups} parts, {len(result.faults)} faults")
    step.run.log(
        {"data/images": result.images, "data/groups": result.groups, "data/faults": len(result.faults)}
    )


def dataset_result(
    dataset: Dataset,
    faults: pd.DataFrame,
    quarantined: int = 0,
    listed: Path | None = None,
    reading: tuple[str, ...] = (),
) -> DataResult:
    """What a step that made a dataset returns."""
    manifest = dataset.manifest
    defect_free = sum(not any(list(pixels)[1:]) for pixels in manifest["pixels"])
    groups = manifest["group"].nunique()
    return DataResult(
        len(manifest), groups, dataset.classes, faults, defect_free, quarantined, listed, reading
    )
