"""Which images a report shows, and the pictures themselves: image, truth, prediction.

The choice follows a fixed rule, so a report can be neither flattering nor alarming by accident.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autonad.evaluation.predict import Forward, predict_one
from autonad.report.thumbnails import PICTURE_SIDE, overlay, thumbnail

if TYPE_CHECKING:
    import pandas as pd

    from autonad.data.dataset import Dataset
    from autonad.data.loader import SegmentationData

HOW_CHOSEN = (
    "Images with defects are ordered by their own mIoU, and the best, the middle and the worst are shown; "
    "then, for every defect class that the first of these leave out, the middle one of the images showing "
    "it, and the clean image with the largest false alarm, if there is one."
)


@dataclass(frozen=True)
class Panel:
    """One image of the report.

    Attributes:
        name: The image.
        reason: Why it is shown.
        miou: Its own mIoU, a fraction; None if no pixel counts.
        image: (H, W, 3) uint8.
        truth: (H, W) classes, 255 = ignore.
        prediction: (H, W) classes.
    """

    name: str
    reason: str
    miou: float | None
    image: np.ndarray
    truth: np.ndarray
    prediction: np.ndarray


def choose_images(
    per_image: pd.DataFrame, classes: Sequence[str], *, count: int = 12
) -> list[tuple[int, str]]:
    """Rows to show, with the reason for each; see `HOW_CHOSEN`.

    Args:
        per_image: `EvaluationResult.per_image()`.
        classes: Names, background first.
        count: Images at most.

    Returns:
        (row, reason), no row twice.
    """
    scored = per_image.reset_index(drop=True)
    scored = scored[scored["miou"].notna()]
    # Image names break ties, so that equal results give equal reports.
    order = scored[scored["defect"]].sort_values(["miou", "image"]).index.tolist()
    chosen: dict[int, str] = {}

    # By rank: the best first, the middle outwards, the worst first.
    middle = sorted(range(len(order)), key=lambda rank: (abs(2 * rank - len(order) + 1), rank))
    ranked = {"best": order[::-1], "middle": [order[rank] for rank in middle], "worst": order}

    def take_one_of_each() -> None:
        for reason, rows in ranked.items():
            row = next((row for row in rows if row not in chosen), None)
            if row is not None:
                chosen[row] = reason

    take_one_of_each()
    size = len(classes)
    truth = {
        row: np.asarray(flat).reshape(size, size).sum(1)
        for row, flat in scored.loc[order, "confusion_native"].items()
    }
    for k, name in enumerate(classes):
        showing = [row for row in order if truth[row][k]]
        if k > 0 and showing and not any(truth[row][k] for row in chosen):
            chosen[showing[len(showing) // 2]] = f"shows {name}"
    alarms = scored[~scored["defect"] & scored["false_alarm"]].sort_values(["predicted_px", "image"])
    if len(alarms):
        chosen[alarms.index[-1]] = "largest false alarm on a clean image"
    while len(chosen) < count and any(row not in chosen for row in order):
        take_one_of_each()
    shown = [(int(row), reason) for row, reason in chosen.items()][:count]
    rank = list(ranked)
    return sorted(shown, key=lambda item: rank.index(item[1]) if item[1] in rank else len(rank))


def collect_panels(
    forward: Forward, data: SegmentationData, dataset: Dataset, per_image: pd.DataFrame, *, count: int = 12
) -> list[Panel]:
    """Predict the chosen images once more and keep their pixels; the evaluation itself keeps none."""
    records = list(data.rows.itertuples())
    panels = []
    for row, reason in choose_images(per_image, dataset.classes, count=count):
        miou = per_image["miou"].iloc[row]
        panels.append(
            Panel(
                name=str(records[row].image),
                reason=reason,
                miou=None if miou is None or miou != miou else float(miou),
                image=dataset.read_image(records[row]),
                truth=dataset.read_mask(records[row]),
                prediction=predict_one(forward, data, row, len(dataset.classes)),
            )
        )
    return panels


def pictures(panel: Panel) -> Iterator[tuple[str, bytes]]:
    """The three pictures of a panel: what it is, and a JPEG of at most `PICTURE_SIDE` pixels a side."""
    yield "image", thumbnail(panel.image)
    yield "truth", thumbnail(overlay(panel.image, panel.truth))
    yield "prediction", thumbnail(overlay(panel.image, panel.prediction))


def side_by_side(panel: Panel) -> bytes:
    """Image, truth and prediction next to one another, as one JPEG of that height."""
    gap = np.full((panel.image.shape[0], 4, 3), 255, np.uint8)
    parts = (panel.image, gap, overlay(panel.image, panel.truth), gap, overlay(panel.image, panel.prediction))
    return thumbnail(np.concatenate(parts, axis=1), 3 * PICTURE_SIDE)
