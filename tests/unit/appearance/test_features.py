from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from autonad.appearance.features import FEATURES, extract_features, image_features
from autonad.appearance.morphology import MAX_DEFECTS, MORPHOLOGY
from autonad.appearance.texture import TEXTURE
from autonad.data.dataset import Dataset
from autonad.data.synthetic.generator import synthesize
from autonad.data.synthetic.textures import surface
from autonad.errors import DatasetError


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return synthesize(
        tmp_path_factory.mktemp("features") / "made", num_images=24, size=(64, 64), seed=5, defect_free=0.2
    )


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """A piece of cast metal with a little noise, uint8 (96, 128, 3)."""
    rng = np.random.default_rng(0)
    relief = surface("cast", rng, (96, 128)) * 255 + rng.normal(0, 2, (96, 128, 3))
    return np.clip(relief, 0, 255).astype(np.uint8)


def texture(image: np.ndarray) -> dict[str, float]:
    return image_features(image, None, 2)


def bytes_of(image: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


# -- any image -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(16, 16), (16, 301), (97, 33), (1100, 1000)])
@pytest.mark.parametrize("kind", ["black", "white", "grey", "noise", "one pixel", "half"])
@pytest.mark.parametrize("labels", [None, "empty", "ignore", "one pixel", "full"])
def test_texture_is_finite_for_any_image(shape: tuple[int, int], kind: str, labels: str | None) -> None:
    image = np.zeros((*shape, 3), dtype=np.uint8)
    image[:] = {"white": 255, "grey": 7}.get(kind, 0)
    if kind == "noise":
        image[:] = np.random.default_rng(0).integers(0, 256, image.shape)
    image[shape[0] // 2, shape[1] // 2] = 255 if kind == "one pixel" else image[0, 0]
    image[: shape[0] // 2] = 255 if kind == "half" else image[: shape[0] // 2]
    mask = None if labels is None else np.zeros(shape, dtype=np.uint8)
    if mask is not None:
        mask[:] = {"ignore": 255, "full": 1}.get(labels or "", 0)
        mask[3, 4] = 1 if labels == "one pixel" else mask[3, 4]

    found = image_features(image, mask, 3)

    assert tuple(found) == tuple(FEATURES)
    assert all(np.isfinite(found[name]) for name in TEXTURE)
    defects = [np.isfinite(found[name]) for name in MORPHOLOGY]
    assert all(defects) if labels in {"one pixel", "full"} else not any(defects)


def test_names_have_a_meaning_each() -> None:
    assert set(FEATURES) == set(TEXTURE) | set(MORPHOLOGY)
    assert all(len(meaning) > 10 and "\n" not in meaning for meaning in FEATURES.values())


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        (np.zeros((15, 40, 3), np.uint8), None),
        (np.zeros((40, 40), np.uint8), None),
        (np.zeros((40, 40, 3), np.float32), None),
        (np.zeros((40, 40, 3), np.uint8), np.zeros((40, 41), np.uint8)),
    ],
)
def test_what_does_not_fit_is_refused(image: np.ndarray, mask: np.ndarray | None) -> None:
    with pytest.raises(DatasetError):
        image_features(image, mask, 2)


# -- texture ---------------------------------------------------------------------------------------------


def test_a_changed_camera_moves_the_feature_that_names_it(picture: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    before = texture(picture)
    blurred = texture(bytes_of(cv2.GaussianBlur(picture.astype(np.float32), (0, 0), sigmaX=1.0)))
    noisy = texture(bytes_of(picture + rng.normal(0, 8, picture.shape[:2])[..., None]))
    bright = texture(bytes_of(picture + 25.0))
    flat = texture(bytes_of(picture.mean() + 0.8 * (picture - picture.mean())))
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=20)
    compressed = texture(np.array(Image.open(buffer).convert("RGB")))

    assert blurred["sharpness_log2"] < before["sharpness_log2"] - 0.5
    assert blurred["noise_correlation"] > before["noise_correlation"] + 0.1
    assert noisy["noise_log2"] > before["noise_log2"] + 0.5
    assert bright["grey_p50"] == pytest.approx(before["grey_p50"] + 25 / 255, abs=0.01)
    assert bright["contrast_log2"] == pytest.approx(before["contrast_log2"], abs=0.05)
    assert flat["contrast_log2"] == pytest.approx(before["contrast_log2"] + np.log2(0.8), abs=0.05)
    assert flat["band2_log2"] == pytest.approx(before["band2_log2"] + np.log2(0.8), abs=0.05)
    assert compressed["blocks_log2"] > before["blocks_log2"] + 0.5


def test_only_the_direction_changes_when_the_image_is_turned(picture: np.ndarray) -> None:
    upright, turned = texture(picture), texture(np.ascontiguousarray(np.rot90(picture)))
    turning = {"orientation_cos", "orientation_sin", "noise_correlation", "blocks_log2"}

    for name in TEXTURE.keys() - turning:
        assert turned[name] == pytest.approx(upright[name], abs=0.02), name
    assert turned["orientation_cos"] == pytest.approx(-upright["orientation_cos"], abs=0.01)


def test_lines_have_a_direction() -> None:
    rng = np.random.default_rng(2)
    lines = np.repeat(rng.integers(40, 200, (64, 1, 1)), 80, axis=1).repeat(3, axis=2).astype(np.uint8)
    found = texture(lines)

    assert found["coherence"] > 0.95
    assert found["orientation_cos"] > 0.95


def test_a_large_image_is_described_by_its_windows() -> None:
    small = np.random.default_rng(3).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    tiled, one = texture(np.tile(small, (5, 6, 1))), texture(small)

    for name in TEXTURE:
        assert tiled[name] == pytest.approx(one[name], abs=0.05), name


def test_the_colour_of_grey_is_none(picture: np.ndarray) -> None:
    grey = np.repeat(picture[..., :1], 3, axis=2)
    found = texture(grey)

    assert (found["red_log2"], found["blue_log2"], found["saturation"]) == (0, 0, 0)
    grey[..., 0] = grey[..., 0] // 2
    assert texture(grey)["red_log2"] < -0.8


# -- defects ---------------------------------------------------------------------------------------------


def shapes(draw: list[tuple[slice, slice, int]], shade: int = 60) -> dict[str, float]:
    image, mask = np.full((100, 100, 3), 160, np.uint8), np.zeros((100, 100), np.uint8)
    for rows, columns, index in draw:
        mask[rows, columns] = index
        image[rows, columns] = shade
    return image_features(image, mask, 4)


def test_a_bar_is_measured() -> None:
    lying = shapes([(np.s_[50:55], np.s_[20:60], 1)])
    standing = shapes([(np.s_[20:60], np.s_[50:55], 1)])

    assert lying["defects_log2"] == 0
    assert lying["defect_share_log2"] == lying["defect_area_log2"] == pytest.approx(np.log2(0.02))
    assert lying["defect_elongation_log2"] == pytest.approx(3, abs=0.02)  # 40 by 5
    assert lying["defect_cos"] == pytest.approx(3, abs=0.02)
    assert standing["defect_cos"] == pytest.approx(-3, abs=0.02)
    assert lying["defect_contrast"] == pytest.approx(-100 / 255, abs=1e-6)
    assert shapes([(np.s_[50:55], np.s_[20:60], 1)], shade=255)["defect_contrast"] > 0


def test_pieces_are_counted_by_class_and_touching_classes_stay_apart() -> None:
    two = shapes([(np.s_[10:20], np.s_[10:20], 1), (np.s_[10:20], np.s_[20:30], 2)])
    four = shapes([(np.s_[10 * i : 10 * i + 4], np.s_[10:14], 3) for i in range(4)])

    assert two["defects_log2"] == 1
    assert four["defects_log2"] == 2
    assert two["defect_elongation_log2"] == pytest.approx(0, abs=0.01)


def test_ignored_pixels_and_other_defects_are_no_surroundings() -> None:
    image, mask = np.full((60, 60, 3), 100, np.uint8), np.zeros((60, 60), np.uint8)
    mask[20:30, 20:30] = 1
    image[20:30, 20:30] = 50
    clean = image_features(image, mask, 3)
    image[20:30, 30:50], mask[20:30, 30:50] = 255, 255
    assert image_features(image, mask, 3)["defect_contrast"] == clean["defect_contrast"]


def test_a_mask_of_many_specks_is_counted_in_full() -> None:
    mask = np.zeros((120, 120), np.uint8)
    mask[::4, ::4] = 1
    found = image_features(np.zeros((120, 120, 3), np.uint8), mask, 2)

    assert found["defects_log2"] == pytest.approx(np.log2(900))
    assert MAX_DEFECTS < 900


# -- a dataset -------------------------------------------------------------------------------------------


def test_the_table_does_not_depend_on_order_or_threads(dataset: Dataset) -> None:
    table = extract_features(dataset, dataset.manifest, threads=1)

    assert list(table["image"]) == sorted(dataset.manifest["image"])
    shuffled = dataset.manifest.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(extract_features(dataset, shuffled, threads=3), table, check_exact=True)
    for row, shown in zip(dataset.manifest.itertuples(), table["classes"], strict=True):
        assert shown == tuple(index for index, count in enumerate(row.pixels) if index and count)


def test_rows_without_a_mask_have_texture_alone_unless_one_is_predicted(dataset: Dataset) -> None:
    rows = dataset.manifest.assign(mask="")
    full = extract_features(dataset, dataset.manifest)
    bare = extract_features(dataset, rows)
    asked: list[str] = []

    def mask_of(row: dict[str, Any]) -> np.ndarray | None:
        asked.append(row["image"])
        return dataset.read_mask(row["image"].replace("images/", "masks/").replace(".bmp", ".png"))

    predicted = extract_features(dataset, rows, mask_of=mask_of)

    assert all(shown is None for shown in bare["classes"])
    assert bare[list(MORPHOLOGY)].isna().all(axis=None)
    pd.testing.assert_frame_equal(bare[list(TEXTURE)], full[list(TEXTURE)])
    pd.testing.assert_frame_equal(predicted, full)
    assert asked == list(full["image"])


def test_a_labelled_row_is_never_predicted(dataset: Dataset) -> None:
    def mask_of(row: dict[str, Any]) -> np.ndarray:
        raise AssertionError(f"{row['image']} has a mask")

    extract_features(dataset, dataset.manifest[:3], mask_of=mask_of)


def test_faults_are_named(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="empty"):
        extract_features(dataset, dataset.manifest[:0])
    with pytest.raises(DatasetError, match="gone"):
        extract_features(dataset, dataset.manifest[:2].assign(image=["images/gone.png", "images/gone2.png"]))
