"""Masks are found by the names that people and tools give them, and never guessed."""

from __future__ import annotations

from pathlib import Path

import layouts as make
import numpy as np
import pytest

from autonad.data.ingest.importing import import_dataset
from autonad.data.ingest.settings import IngestSettings, PartOptions
from autonad.data.layouts.pairing import pair


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("001.png", "mask_001.png"),
        ("001.png", "001_segmentation.png"),
        ("001.png", "001-label.tif"),
        ("001.png", "001_ground_truth.png"),
        ("001.png", "001.Masks.PNG"),
        ("a/001.png", "a/gt_001.png"),
        ("image_001.png", "mask_001.png"),
        ("001_rgb.png", "001_seg.png"),
        ("IMG_001.JPG", "img_001.png"),
        ("IMG_001.JPG", "img_001_mask.png"),
    ],
)
def test_words_around_a_name_are_no_part_of_it(image: str, mask: str) -> None:
    others = [name.replace("001", "002") for name in (image, mask)]

    found = pair([image, others[0]], [others[1], mask])

    assert found.masks == {image: mask, others[0]: others[1]}
    assert not found.orphans


def test_a_name_in_two_cases_is_two_names() -> None:
    assert pair(["p.png", "P.png"], ["P.png", "p.png"]).masks == {"p.png": "p.png", "P.png": "P.png"}
    found = pair(["p.png", "P.jpg"], ["P_mask.png", "p_mask.png"])
    assert found.masks == {"p.png": "p_mask.png", "P.jpg": "P_mask.png"}


def test_what_only_case_would_tell_apart_is_named() -> None:
    found = pair(["Part.png", "PART.jpg"], ["part.png"])

    assert not found.masks
    assert set(found.shared) == {"Part.png", "PART.jpg"}


@pytest.mark.parametrize("place", ["good", "images/OK", "images/line/normal"])
def test_images_in_a_folder_of_good_ones_need_no_masks(tmp_path: Path, place: str) -> None:
    source = make.masks(tmp_path / "m", [255], count=8)
    for number in range(4):
        make.save(source / place / f"free{number}.png", make.texture(100 + number))
    make.save(source / "images" / "alone.png", make.texture(200))

    report = import_dataset(source, tmp_path / "d", IngestSettings(include_defect_free=True))

    errors = report.faults[report.faults["severity"] == "error"]
    assert errors["item"].tolist() == ["images/alone.png"]
    assert "into a folder good/" in errors["message"].iloc[0]
    free = [row for row in report.dataset.manifest.itertuples() if "free" in row.image]
    assert len(free) == 4
    assert len(report.dataset.manifest) == 12
    assert not any(report.dataset.read_mask(row).any() for row in free)


def test_images_and_masks_may_lie_in_folders_of_splits(tmp_path: Path) -> None:
    for number in range(12):
        split = "train" if number < 6 else "valid" if number < 9 else "Test"
        make.save(tmp_path / "s" / split / "images" / f"{number}.png", make.texture(number))
        if number != 7:
            mask = np.roll(make.patch(255), number, axis=1)
            make.save(tmp_path / "s" / split / "masks" / f"{number}.png", mask)
    settings = IngestSettings(format="auto", parts=PartOptions("own", False, True))

    report = import_dataset(tmp_path / "s", tmp_path / "d", settings)

    assert report.recognised.startswith("masks")
    errors = report.faults[report.faults["severity"] == "error"]
    assert errors["item"].tolist() == ["valid/images/7.png"]
    assert "looked for valid/masks/7.png" in errors["message"].iloc[0]
    manifest = report.dataset.manifest
    assert manifest["split"].value_counts().to_dict() == {"train": 6, "test": 3, "val": 2}
    for row in manifest.itertuples():
        number = int(Path(row.image).stem.split("-")[-1])
        mask = np.roll(make.patch(1), number, axis=1)
        assert np.array_equal(report.dataset.read_mask(row), mask)
