"""Production batches against the pin: their appearance, true or predicted, and what the tests say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from autonad.appearance.drift import Drift, compare
from autonad.appearance.features import extract_features
from autonad.appearance.pin import Pin, pinned_dataset
from autonad.appearance.policy import BatchFinding
from autonad.config import DecideConfig
from autonad.data.dataset import Dataset
from autonad.data.ingest.ledger import read_batches

# Fewer parts than this say nothing about a shift that is not gross, whatever a p-value says.
LEAST_GROUPS = 2

Predict = Callable[[np.ndarray], np.ndarray]
"""The champion: an image, uint8 (h, w, 3) → its mask, uint8 (h, w)."""


@dataclass
class BatchTests:
    """The tests of some batches.

    Attributes:
        findings: One for each batch, oldest first.
        features: Those of each batch that were compared, by its name.
        notes: What the reader should know besides.
    """

    findings: list[BatchFinding] = field(default_factory=list)
    features: dict[str, pd.DataFrame] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def compare_batches(
    dataset: Dataset,
    pin: Pin,
    newer: pd.DataFrame,
    settings: DecideConfig,
    *,
    seed: int,
    predict: Predict | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> BatchTests:
    """Test the newest batches against the pin, each by itself.

    With `confirm` = 1 the level is divided by the number of batches, so that all of them together raise a
    false alarm in a share of `alpha` decisions.

    Args:
        dataset: Where the files are.
        pin: What is compared with.
        newer: Rows of the dataset that are not pinned.
        settings: Window, level and permutations.
        seed: Of the permutations.
        predict: The champion, which is asked where a batch has images without a mask; None: there is none.
        report: Told what is being tested.

    Raises:
        DatasetError: The list of batches is damaged, or an image cannot be read.
    """
    names = newest(dataset, newer, settings.window)
    alpha = settings.alpha / len(names) if names and settings.confirm == 1 else settings.alpha
    tests = BatchTests()
    for name in names:
        rows = newer[newer["batch"] == name].reset_index(drop=True)
        reference, batch, note = comparable(dataset, pin, rows, predict)
        tests.notes += [f"batch {name}: {note}"] if note else []
        tests.features[name] = batch
        groups = int(rows["group"].nunique())
        drift = None
        if set(reference["group"]) <= set(batch["group"]):
            tests.notes.append(
                f"batch {name} shows every part of the last search: nothing is left to compare"
            )
        elif groups >= LEAST_GROUPS:
            report(f"testing batch {name}: {len(rows)} images of {groups} parts")
            drift = compare(
                reference,
                batch,
                alpha=alpha,
                permutations=settings.permutations,
                seed=seed,
                minimum_effect=settings.minimum_effect,
            )
        tests.findings.append(_finding(name, rows, alpha, drift))
    return tests


def newest(dataset: Dataset, newer: pd.DataFrame, count: int) -> list[str]:
    """Names of the newest batches among rows, oldest first: in the order of their ingestion.

    Raises:
        DatasetError: The list of batches is damaged.
    """
    order = {batch.name: position for position, batch in enumerate(read_batches(dataset.root))}
    return sorted(set(newer["batch"]), key=lambda name: (order.get(name, -1), name))[-count:]


def comparable(
    dataset: Dataset, pin: Pin, rows: pd.DataFrame, predict: Predict | None
) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """Features of the pin and of a batch that may be compared, and a note on how they were made.

    True masks are compared with true masks. Where a batch has images without one, both sides are predicted by
    the champion, the pin's on the parts that it was not trained on: a predicted outline differs from a drawn
    one, and from one that was learnt by heart. Without a champion, `compare` looks at textures alone.
    """
    unlabelled = int((rows["mask"] == "").sum())
    if not unlabelled or predict is None:
        return pin.features, extract_features(dataset, rows), ""

    def predicted(row: Any) -> np.ndarray:
        return predict(dataset.read_image(row))

    pinned = pinned_dataset(dataset, pin).manifest
    held_out = pinned[pinned["split"] != "train"]
    return (
        extract_features(dataset, held_out.assign(mask=""), mask_of=predicted),
        extract_features(dataset, rows.assign(mask=""), mask_of=predicted),
        f"{unlabelled} images have no mask; the champion's predictions were compared",
    )


def _finding(name: str, rows: pd.DataFrame, alpha: float, drift: Drift | None) -> BatchFinding:
    return BatchFinding(
        batch=name,
        images=len(rows),
        groups=int(rows["group"].nunique()),
        labelled=int((rows["mask"] != "").sum()),
        changed=drift is not None and drift.changed,
        alpha=alpha,
        drift=drift.to_dict() if drift is not None else None,
        note=drift.note if drift is not None else "a single part cannot be tested; wait for more",
    )
