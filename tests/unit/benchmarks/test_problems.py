"""The generated problems need what they are made to need."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from autonad.data.dataset import Dataset
from benchmarks.problems import PROBLEMS, SIDE, generate, render

COUNTS = {"train": 4, "val": 2, "test": 3}


def drawn(name: str, count: int = 24) -> list[tuple[np.ndarray, np.ndarray]]:
    """What is drawn, before the camera's noise."""
    return [PROBLEMS[name].draw(np.random.default_rng([7, number])) for number in range(count)]


@pytest.mark.parametrize("name", PROBLEMS)
def test_equal_seeds_give_equal_datasets_with_every_class_in_every_split(name: str, tmp_path: Path) -> None:
    first, second = (generate(name, tmp_path / folder, counts=COUNTS, seed=5) for folder in "ab")
    assert first.fingerprint == second.fingerprint
    assert first.fingerprint != generate(name, tmp_path / "c", counts=COUNTS, seed=6).fingerprint
    assert first.manifest["split"].value_counts().to_dict() == COUNTS
    assert first.manifest["group"].is_unique
    assert not first.manifest["sha256"].duplicated().any()
    assert np.stack([render(PROBLEMS[name], (5, 0, n))[1] for n in range(12)]).max() == first.num_classes - 1


def test_a_dataset_that_is_there_is_kept(tmp_path: Path) -> None:
    made = generate("stains", tmp_path / "set", counts=COUNTS)
    assert generate("stains", tmp_path / "set", counts=COUNTS, seed=3).fingerprint == made.fingerprint
    assert isinstance(made, Dataset)


def test_cracks_are_one_pixel_thick() -> None:
    for _, mask in drawn("hairline"):
        # An opening keeps what is two pixels thick; a few crossings and corners are.
        kept = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
        assert mask.sum() > 20
        assert kept.sum() < 0.25 * mask.sum()


def test_cracks_and_grooves_differ_at_full_resolution_alone() -> None:
    """Grooves are about a fourth as deep there, and as deep once four pixels are averaged."""
    depths = {1: [], 4: []}
    for brightness, mask in drawn("hairline"):
        darkness = np.median(brightness) - brightness
        away = cv2.dilate(mask, np.ones((9, 9), np.uint8)) == 0
        for factor, found in depths.items():
            size = (SIDE // factor, SIDE // factor)
            seen, crack, groove = (
                cv2.resize(part.astype(np.float32), size, interpolation=cv2.INTER_AREA)
                for part in (darkness, mask, away)
            )
            found.append(np.quantile(seen[groove == 1], 0.99) / np.quantile(seen[crack > 0], 0.9))
    assert np.median(depths[1]) < 0.45
    assert np.median(depths[4]) > 0.6


def test_spots_of_both_classes_look_the_same_and_both_occur_in_one_image() -> None:
    images = drawn("context", 150)
    means: dict[int, list[float]] = {1: [], 2: []}
    mixed = 0
    for brightness, mask in images:
        for kind, found in means.items():
            if (mask == kind).any():
                found.append(float(np.median(brightness) - brightness[mask == kind].mean()))
        mixed += {1, 2} <= set(np.unique(mask).tolist())
    spread = np.std(means[1] + means[2]) / np.sqrt(min(map(len, means.values())))
    assert abs(np.mean(means[1]) - np.mean(means[2])) < 3 * spread
    assert 0.3 < mixed / len(images) < 0.7


def test_what_tells_a_spot_lies_far_away() -> None:
    for brightness, mask in drawn("context"):
        # Bars are what stands out from the plate in either direction, beside spots and the narrow seam.
        far = np.abs(brightness - np.median(brightness)) > 0.13
        wide = cv2.erode(far.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
        bars = wide & (cv2.dilate(mask, np.ones((13, 13), np.uint8)) == 0)
        distance = cv2.distanceTransform((~bars).astype(np.uint8), cv2.DIST_L2, 5)
        assert bars.any()
        assert distance[mask > 0].min() > 35


def test_stains_are_hidden_in_noise_until_it_is_averaged() -> None:
    problem = PROBLEMS["stains"]
    contrast = []
    for number in range(12):
        image, mask = render(problem, (1, 0, number))
        difference = image[mask == 0].mean() - image[mask == 1].mean()
        contrast.append(difference / image[mask == 0].std())
        assert cv2.erode(mask, np.ones((15, 15), np.uint8)).any()
    assert 0.2 < np.mean(contrast) < 0.9
