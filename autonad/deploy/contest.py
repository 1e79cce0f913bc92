"""Champion and challenger on the same images, both as they were exported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from autonad.config import RegisterConfig
from autonad.console import Console
from autonad.data.dataset import Dataset
from autonad.deploy.shipped import ShippedNetwork
from autonad.deploy.verdict import Verdict, comparable_images, judge
from autonad.evaluation.predict import evaluate_network
from autonad.training.inputs import image_data

IMAGES = "images.parquet"
"""What the table of a detector's images is called, beside its ONNX file in the registry."""


@dataclass(frozen=True)
class Champion:
    """The detector in use.

    Attributes:
        model: The registered model.
        title: What this version is called in sentences.
        network: Its exported network.
        images: The images of its dataset when it was registered: image, group, sha256, split.
        notes: What people should know of it besides.
    """

    model: str
    title: str
    network: ShippedNetwork
    images: pd.DataFrame
    notes: tuple[str, ...] = ()


def hold_contest(
    champion: Champion,
    challenger: ShippedNetwork,
    source: Dataset,
    settings: RegisterConfig,
    *,
    seed: int,
    console: Console,
) -> Verdict:
    """Compare a detector with the champion on the test images of both.

    Args:
        champion: The detector in use.
        challenger: The new one, as it was exported.
        source: The dataset, whose images both run on.
        settings: What they are compared by, and how surely the challenger must be better.
        seed: Of the resamples.
        console: Where progress goes.
    """
    rival = champion.network
    unknown = sorted(set(rival.spec.classes) - set(source.classes))
    if unknown or set(challenger.spec.classes) != set(source.classes):
        reason = (
            f"{champion.title} knows {', '.join(unknown) or 'other classes'}, which this dataset does "
            "not, so the two cannot be compared; if the new one shall be used all the same, give it the "
            f"alias with `autonad rollback --name {champion.model} --to VERSION`"
        )
        return Verdict(False, (*champion.notes, reason))
    rows, sets = comparable_images(source.manifest, champion.images)
    verdict = judge(
        _matrices(challenger, source, rows, console, "challenger"),
        _matrices(rival, source, rows, console, "champion"),
        list(rows["group"]),
        sets,
        metric=settings.metric,
        probability=settings.probability,
        resamples=settings.resamples,
        seed=seed,
    )
    return Verdict(verdict.wins, (*champion.notes, *verdict.reasons), verdict.figures)


def _matrices(
    network: ShippedNetwork, source: Dataset, rows: pd.DataFrame, console: Console, what: str
) -> Any:
    """(N, C, C) confusion per image at native size, in the dataset's order of classes."""
    classes, spec = source.num_classes, network.spec
    if rows.empty:
        return np.zeros((0, classes, classes), dtype=np.int64)
    places = [source.classes.index(name) for name in spec.classes]

    def forward(images: Any) -> Any:
        logits = network.forward(images)
        # A class that the network does not know is never predicted.
        full = np.full((logits.shape[0], classes, *logits.shape[2:]), -1e9, dtype=np.float32)
        full[:, places] = logits
        return full

    data = image_data(source, rows, spec)
    return evaluate_network(
        forward,
        data,
        source,
        batch_size=16,
        num_classes=classes,
        progress=lambda done, total: console.advance(done, total, f"images, {what}"),
    ).native_matrices
