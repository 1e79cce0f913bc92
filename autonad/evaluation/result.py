"""What an evaluation found: per image and over the split, at both sizes, as values and as files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from autonad.evaluation.bootstrap import bootstrap_intervals
from autonad.evaluation.image_level import ImageVerdict, summarise_images
from autonad.evaluation.metrics import compute_metrics
from autonad.files import cell, write_atomic, write_json
from autonad.reading.shape_checks import Shape
from autonad.reading.table_checks import COUNT, TEXT, Column

if TYPE_CHECKING:
    import pandas as pd


class SizeFile(Shape):
    """The metrics at one size."""

    miou: float | None = Field(ge=0, le=1)
    mf1: float | None = Field(ge=0, le=1)
    foreground_miou: float | None = Field(ge=0, le=1)
    confusion: list[list[int]]
    classes: dict[str, dict[str, Any]]


class MetricsFile(Shape):
    """`metrics.json`."""

    classes: list[str] = Field(min_length=1)
    images: int = Field(ge=1)
    groups: int = Field(ge=1)
    parameters: dict[str, Any]
    image_level: dict[str, Any]
    intervals: dict[str, dict[str, dict[str, float] | None]]
    input: SizeFile
    native: SizeFile

    @model_validator(mode="after")
    def _a_count_per_pair_of_classes(self) -> MetricsFile:
        classes = len(self.classes)
        for size in (self.input, self.native):
            if [len(row) for row in size.confusion] != [classes] * classes:
                raise ValueError(f"the confusion matrix is not {classes} × {classes}")
        return self


# Columns of `per_image.parquet` that others rely on.
PER_IMAGE = {
    **dict.fromkeys(("image", "group"), TEXT),
    **dict.fromkeys(("height", "width", "truth_px", "predicted_px"), COUNT),
    "miou": Column("number", least=0, most=1, empty=True),
    **dict.fromkeys(("defect", "missed", "false_alarm"), Column("truth")),
    **dict.fromkeys(("confusion_input", "confusion_native"), Column("counts", least=0)),
}


class RocFile(Shape):
    """`roc.json`."""

    false_alarm_rate: list[float]
    detection_rate: list[float]
    threshold: list[float | None]

    @model_validator(mode="after")
    def _one_row_each(self) -> Self:
        if not len(self.false_alarm_rate) == len(self.detection_rate) == len(self.threshold):
            raise ValueError("its lists must have one length")
        return self


Size = Literal["input", "native"]
SIZES: tuple[Size, ...] = ("input", "native")


@dataclass(frozen=True)
class EvaluationResult:
    """The outcome of running one network over one split of N images with C classes.

    Attributes:
        classes: C names, background first.
        images: N names.
        groups: N groups; images of one physical part share one.
        sizes: N native sizes, (height, width) in pixels.
        input_matrices: (N, C, C) confusion at the network's input size, as the paper measures.
        native_matrices: (N, C, C) confusion at each image's own size, as a user sees it.
        verdicts: N image-level judgements, at native size.
        parameters: How it was evaluated: batch size, `near_px`, and what else the caller adds.
    """

    classes: tuple[str, ...]
    images: tuple[str, ...]
    groups: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    input_matrices: np.ndarray
    native_matrices: np.ndarray
    verdicts: tuple[ImageVerdict, ...]
    parameters: dict[str, Any]

    def matrices(self, size: Size) -> np.ndarray:
        """(N, C, C) confusion per image at the named size."""
        return self.input_matrices if size == "input" else self.native_matrices

    def metrics(self, *, resamples: int = 2000, level: float = 0.95, seed: int = 0) -> dict[str, Any]:
        """Everything over the split, as plain JSON values (`metrics.json`).

        Args:
            resamples: Bootstrap resamples.
            level: Coverage of the intervals.
            seed: Of the resampling.

        Returns:
            `input` and `native` (metrics and `confusion`), `intervals` (per size and metric), `image_level`,
            `classes`, `images`, `groups`, `parameters`. Fractions; None where nothing can be said.

        Raises:
            DatasetError: No pixel counts.
        """
        report: dict[str, Any] = {
            "classes": list(self.classes),
            "images": len(self.images),
            "groups": len(set(self.groups)),
            "image_level": summarise_images(self.verdicts, self.classes),
            "intervals": {},
            "parameters": {**self.parameters, "resamples": resamples, "level": level, "bootstrap_seed": seed},
        }
        for size in SIZES:
            matrices = self.matrices(size)
            total = matrices.sum(0)
            report[size] = {**compute_metrics(total, self.classes).to_dict(), "confusion": total.tolist()}
            intervals = bootstrap_intervals(
                matrices, self.groups, resamples=resamples, level=level, seed=seed
            )
            report["intervals"][size] = {name: value and value.to_dict() for name, value in intervals.items()}
        return report

    def per_image(self) -> pd.DataFrame:
        """One row per image, in the order of evaluation (`per_image.parquet`).

        Columns: image, group, height, width (native pixels), `miou` and `iou/<class>` (at native size; null
        where no pixel counts or the class does not occur), `truth_px` and `predicted_px` (defect pixels),
        defect, missed, false_alarm, and `confusion_input`, `confusion_native` (flat, row by row), from which
        metrics, intervals and paired comparisons can be computed again.
        """
        import pandas as pd

        per_class = [_ious(matrix, self.classes) for matrix in self.native_matrices]
        columns: dict[str, Any] = {
            "image": list(self.images),
            "group": list(self.groups),
            "height": [size[0] for size in self.sizes],
            "width": [size[1] for size in self.sizes],
            "miou": pd.array([miou for miou, _ in per_class], dtype="Float64"),
        }
        for k, name in enumerate(self.classes):
            columns[f"iou/{name}"] = pd.array([ious[k] for _, ious in per_class], dtype="Float64")
        columns["truth_px"] = [sum(verdict.truth_pixels[1:]) for verdict in self.verdicts]
        columns["predicted_px"] = [sum(verdict.predicted_pixels[1:]) for verdict in self.verdicts]
        for name in ("defect", "missed", "false_alarm"):
            columns[name] = [getattr(verdict, name) for verdict in self.verdicts]
        for size in SIZES:
            columns[f"confusion_{size}"] = [matrix.ravel().tolist() for matrix in self.matrices(size)]
        return pd.DataFrame(columns)


def write_evaluation(folder: Path, metrics: dict[str, Any], per_image: pd.DataFrame) -> None:
    """Write `metrics.json`, `per_image.parquet` and `classes.csv`, each in one step.

    Raises:
        StorageError: A file cannot be written.
    """
    import pandas as pd

    rows = [{"class": name, **entry} for name, entry in metrics["input"]["classes"].items()]
    classes = pd.DataFrame(rows)
    write_atomic(folder / "classes.csv", lambda path: classes.map(cell).to_csv(path, index=False))
    write_json(folder / "metrics.json", metrics)
    write_atomic(folder / "per_image.parquet", lambda path: per_image.to_parquet(path, index=False))


def _ious(matrix: np.ndarray, classes: tuple[str, ...]) -> tuple[float | None, list[float | None]]:
    """MIoU and IoU per class of one image; None throughout if its mask is all "ignore"."""
    if not matrix.sum():
        return None, [None] * len(classes)
    metrics = compute_metrics(matrix, classes)
    return metrics.miou, [entry.iou for entry in metrics.classes]
