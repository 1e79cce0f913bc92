"""Production batches against the pin: their appearance, true or predicted, and what the tests say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonad.config import Config
from autonad.console import Console
from autonad.errors import DatasetError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from autonad.appearance.pin import Pin
    from autonad.appearance.policy import BatchFinding
    from autonad.data.dataset import Dataset

    MaskOf = Callable[[Any], np.ndarray | None]

# Fewer parts than this say nothing about a shift that is not gross, whatever a p-value says.
LEAST_GROUPS = 2


def make_pin(config: Config, source: Dataset, console: Console) -> Pin:
    """Pin the labelled images of a dataset: their appearance, and how often the tests err on it.

    Raises:
        DatasetError: No image has a mask.
    """
    from autonad.appearance.calibration import calibrate
    from autonad.appearance.features import extract_features
    from autonad.appearance.pin import PINNED_COLUMNS, Pin, pin_rows

    rows = pin_rows(source)
    if rows.empty:
        raise DatasetError(
            f"no image of dataset {source.root} has a mask, so nothing can be searched; label some"
        )
    settings = config.decide
    console.report(f"describing {len(rows)} images")
    features = extract_features(source, rows)
    calibration = None
    if settings.calibration_draws:
        console.report(f"measuring false alarms on {settings.calibration_draws} unchanged batches")
        calibration = calibrate(
            features,
            alpha=settings.alpha,
            draws=settings.calibration_draws,
            seed=config.seed,
            minimum_effect=settings.minimum_effect,
        ).to_dict()
    return Pin(rows[list(PINNED_COLUMNS)].reset_index(drop=True), features, source.classes, calibration)


def new_classes(source: Dataset, pin: Pin) -> list[str]:
    """Defect classes that the dataset names or shows, and the pin does not."""
    named = [name for name in source.classes[1:] if name not in pin.classes]
    totals = [
        sum(int(pixels[index]) for pixels in source.manifest["pixels"]) for index in range(source.num_classes)
    ]
    shown = [name for name, total in zip(source.classes[1:], totals[1:], strict=True) if total]
    return list(dict.fromkeys([*named, *(name for name in shown if name not in pin.shown)]))


def test_batches(
    config: Config, source: Dataset, pin: Pin, newer: pd.DataFrame, model: Path | None, console: Console
) -> tuple[list[BatchFinding], dict[str, pd.DataFrame], list[str]]:
    """Test the newest batches against the pin, each by itself.

    With `confirm` = 1 the level is divided by the number of batches, so that all of them together raise a
    false alarm in a share of `alpha` decisions.

    Returns:
        A finding for each batch; the features of each; notes.
    """
    from autonad.appearance.drift import compare
    from autonad.appearance.policy import BatchFinding

    settings = config.decide
    names = newest(source, newer, settings.window)
    alpha = settings.alpha / len(names) if names and settings.confirm == 1 else settings.alpha
    findings, features, notes = [], {}, list[str]()
    for name in names:
        rows = newer[newer["batch"] == name].reset_index(drop=True)
        labelled = int((rows["mask"] != "").sum())
        reference, batch, note = comparable(source, pin, rows, model, console)
        notes += [f"batch {name}: {note}"] if note else []
        features[name] = batch
        groups = int(rows["group"].nunique())
        drift = None
        if groups >= LEAST_GROUPS:
            console.report(f"testing batch {name}: {len(rows)} images of {groups} parts")
            drift = compare(
                reference,
                batch,
                alpha=alpha,
                permutations=settings.permutations,
                seed=config.seed,
                minimum_effect=settings.minimum_effect,
            )
        findings.append(
            BatchFinding(
                batch=name,
                images=len(rows),
                groups=groups,
                labelled=labelled,
                changed=drift is not None and drift.changed,
                alpha=alpha,
                drift=drift.to_dict() if drift is not None else None,
                note=drift.note if drift is not None else "a single part cannot be tested; wait for more",
            )
        )
    return findings, features, notes


def newest(source: Dataset, newer: pd.DataFrame, count: int) -> list[str]:
    """Names of the newest batches among rows, oldest first: in the order of their ingestion.

    Raises:
        DatasetError: The dataset's list of batches is damaged.
    """
    from autonad.data.ingest.ledger import read_batches

    rank = {batch.name: position for position, batch in enumerate(read_batches(source.root))}
    return sorted(set(newer["batch"]), key=lambda name: (rank.get(name, -1), name))[-count:]


def comparable(
    source: Dataset, pin: Pin, rows: pd.DataFrame, model: Path | None, console: Console
) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """Features of the pin and of a batch that may be compared, and a note on how they were made.

    True masks are compared with true masks. Where a batch has images without one, both sides are predicted by
    the champion, the pin's on the parts that it was not trained on: a predicted outline differs from a drawn
    one, and from one that was learnt by heart. Without a champion, `compare` looks at textures alone.
    """
    from autonad.appearance.features import extract_features
    from autonad.appearance.pin import pinned_dataset

    unlabelled = int((rows["mask"] == "").sum())
    if not unlabelled or model is None or not model.is_file():
        return pin.features, extract_features(source, rows), ""
    from autonad.deploy.shipped import ShippedNetwork

    champion = ShippedNetwork.open(model)
    console.report(f"predicting masks with {champion.architecture.key}")

    def predicted(row: Any) -> np.ndarray:
        return champion.mask(source.read_image(row))

    pinned = pinned_dataset(source, pin).manifest
    held_out = pinned[pinned["split"] != "train"]
    return (
        extract_features(source, held_out.assign(mask=""), mask_of=predicted),
        extract_features(source, rows.assign(mask=""), mask_of=predicted),
        f"{unlabelled} images have no mask; the champion's predictions were compared",
    )


def calibration_note(pin: Pin) -> str:
    """What the pin's calibration says against the tests; empty if nothing."""
    from autonad.appearance.calibration import Calibration

    if pin.calibration is None:
        return "the tests were not calibrated on this pin"
    return Calibration.from_dict(pin.calibration).warning
