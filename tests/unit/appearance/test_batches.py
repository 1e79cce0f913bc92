from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autonad.appearance.batches import comparable, compare_batches, newest
from autonad.appearance.pin import Pin
from autonad.appearance.pinning import calibration_note, make_pin
from autonad.config import DecideConfig
from autonad.data.dataset import Dataset
from autonad.data.synthetic.generator import synthesize

SETTINGS = DecideConfig(calibration_draws=0, permutations=400)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Parts to be pinned, and two batches of three parts each, of which the second has no masks."""
    made = synthesize(
        tmp_path_factory.mktemp("data") / "data", num_images=40, size=(32, 32), materials=("steel",)
    )
    groups = sorted(set(made.manifest["group"]))
    batches = dict.fromkeys(groups[-3:], "monday") | dict.fromkeys(groups[-6:-3], "tuesday")
    rows = made.manifest.assign(
        batch=[batches.get(group, batch) for group, batch in made.manifest[["group", "batch"]].to_numpy()]
    )
    rows.loc[rows["batch"] == "tuesday", "mask"] = ""
    return Dataset(made.root, made.classes, rows, made.about)


@pytest.fixture(scope="module")
def newer(dataset: Dataset) -> pd.DataFrame:
    return dataset.manifest[dataset.manifest["batch"].isin(["monday", "tuesday"])].reset_index(drop=True)


@pytest.fixture(scope="module")
def pin(dataset: Dataset, newer: pd.DataFrame) -> Pin:
    old = dataset.manifest[~dataset.manifest["image"].isin(newer["image"])].reset_index(drop=True)
    return make_pin(
        Dataset(dataset.root, dataset.classes, old, dataset.about), SETTINGS, 0, report=lambda _: None
    )


def nothing(image: np.ndarray) -> np.ndarray:
    return np.zeros(image.shape[:2], np.uint8)


def test_each_batch_is_tested_by_itself_at_its_share_of_the_level(
    dataset: Dataset, pin: Pin, newer: pd.DataFrame
) -> None:
    tests = compare_batches(dataset, pin, newer, SETTINGS, seed=0)

    assert [finding.batch for finding in tests.findings] == ["monday", "tuesday"]
    assert [finding.labelled for finding in tests.findings] == [len(tests.features["monday"]), 0]
    assert [finding.alpha for finding in tests.findings] == [SETTINGS.alpha / 2] * 2
    assert tests.notes == []


def test_a_batch_that_shows_the_pinned_parts_again_is_not_compared(
    dataset: Dataset, pin: Pin, newer: pd.DataFrame
) -> None:
    """As a generated dataset with other settings does: other images, of parts with the same names."""
    groups = sorted(set(pin.features["group"]))
    again = newer[newer["batch"] == "monday"].head(len(groups))
    again = pd.concat([again] * len(groups), ignore_index=True).assign(group=np.repeat(groups, len(again)))
    tests = compare_batches(dataset, pin, again, SETTINGS, seed=0)

    assert [finding.drift for finding in tests.findings] == [None]
    assert "shows every part of the last search" in tests.notes[0]


def test_a_batch_without_masks_is_compared_as_the_champion_sees_both_sides(
    dataset: Dataset, pin: Pin, newer: pd.DataFrame
) -> None:
    rows = newer[newer["batch"] == "tuesday"].reset_index(drop=True)
    reference, batch, note = comparable(dataset, pin, rows, nothing)

    assert set(reference["classes"]) == set(batch["classes"]) == {()}
    held_out = pin.manifest[pin.manifest["split"] != "train"]
    assert list(reference["image"]) == sorted(held_out["image"])
    assert f"{len(rows)} images have no mask" in note


def test_the_champion_is_not_asked_where_there_are_masks(
    dataset: Dataset, pin: Pin, newer: pd.DataFrame
) -> None:
    def refuse(_: np.ndarray) -> np.ndarray:
        raise AssertionError("asked for a mask that was drawn")

    rows = newer[newer["batch"] == "monday"].reset_index(drop=True)
    reference, batch, note = comparable(dataset, pin, rows, refuse)
    assert reference is pin.features
    assert (len(batch), note) == (len(rows), "")


def test_batches_come_in_the_order_of_their_ingestion(dataset: Dataset, newer: pd.DataFrame) -> None:
    path = dataset.root / "batches.json"
    facts = {"date": "2026-01-01", "source": "line", "listing": "0"}
    path.write_text(json.dumps([{"name": name, **facts} for name in ("tuesday", "monday")]))
    try:
        assert newest(dataset, newer, 2) == ["tuesday", "monday"]
        assert newest(dataset, newer, 1) == ["monday"]
    finally:
        path.unlink()
    assert newest(dataset, newer, 5) == ["monday", "tuesday"]


def test_a_pin_that_was_not_calibrated_says_so(pin: Pin, tmp_path: Path) -> None:
    pin.save(tmp_path)

    assert "not calibrated" in calibration_note(Pin.load(tmp_path))
