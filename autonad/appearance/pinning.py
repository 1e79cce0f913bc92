"""Making a pin of a dataset, and what its own calibration says against the tests."""

from __future__ import annotations

from collections.abc import Callable

from autonad.appearance.calibration import Calibration, calibrate
from autonad.appearance.features import extract_features
from autonad.appearance.pin import PINNED_COLUMNS, Pin, pin_rows
from autonad.config import DecideConfig
from autonad.data.dataset import Dataset
from autonad.errors import DatasetError
from autonad.reading.bounds import folded


def make_pin(dataset: Dataset, settings: DecideConfig, seed: int, report: Callable[[str], None]) -> Pin:
    """Pin the labelled images of a dataset: their appearance, and how often the tests err on it.

    Args:
        dataset: Whose images.
        settings: Level, least effect and number of draws of the calibration.
        seed: Of the calibration.
        report: Told what is being done.

    Raises:
        DatasetError: No image has a mask.
    """
    rows = pin_rows(dataset)
    if rows.empty:
        raise DatasetError(
            f"no image of dataset {dataset.root} has a mask, so nothing can be searched; label some"
        )
    report(f"describing {len(rows)} images")
    features = extract_features(dataset, rows)
    calibration = None
    if settings.calibration_draws:
        report(f"measuring false alarms on {settings.calibration_draws} unchanged batches")
        calibration = calibrate(
            features,
            alpha=settings.alpha,
            draws=settings.calibration_draws,
            seed=seed,
            minimum_effect=settings.minimum_effect,
        ).to_dict()
    return Pin(rows[list(PINNED_COLUMNS)].reset_index(drop=True), features, dataset.classes, calibration)


def calibration_note(pin: Pin) -> str:
    """What the pin's calibration says against the tests; empty if nothing."""
    if pin.calibration is None:
        return "the tests were not calibrated on this pin"
    try:
        return Calibration.from_dict(pin.calibration).warning
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DatasetError(
            f"the pin's calibration is damaged ({folded(repr(error))}); force a new search"
        ) from error
