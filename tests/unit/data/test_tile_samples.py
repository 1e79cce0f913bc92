from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from autonad.config import load_config
from autonad.config.sections import InputConfig
from autonad.data.dataset import Dataset
from autonad.data.loader import SegmentationData
from autonad.data.tile_choice import TileWish, choose_tiling, defect_thickness, tiles_per_image
from autonad.data.tile_samples import TileSample, all_tiles, defect_regions, training_tiles
from autonad.data.writer import DatasetWriter
from autonad.detector.normalise import Normalisation
from autonad.detector.tiles import Box, Tiling
from autonad.evaluation.metrics import confusion
from autonad.training.inputs import detector_spec, evaluation_data, training_data

TILING = Tiling(64, 64, 16)
UNIT = Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def scattered(seed: int, native: tuple[int, int] = (300, 410), count: int = 12) -> np.ndarray:
    """A mask with small defects anywhere, also across the borders of tiles."""
    rng = np.random.default_rng(seed)
    mask = np.zeros(native, np.uint8)
    for _ in range(count):
        down, across = rng.integers(3, 50, 2)
        top, left = rng.integers(0, native[0] - down), rng.integers(0, native[1] - across)
        mask[top : top + down, left : left + across] = rng.integers(1, 4)
    return mask


def selected(masks: list[np.ndarray], share: float = 0.5, seed: int = 0) -> list[TileSample]:
    return training_tiles(masks, TILING, num_classes=4, empty_share=share, seed=seed)


def write(folder: Path, images: list[tuple[np.ndarray, np.ndarray]]) -> Dataset:
    """A dataset in which every image is in every split's turn: train, val, test, train, …"""
    with DatasetWriter(folder, classes=("background", "a", "b", "c"), replace=True) as writer:
        for number, (image, mask) in enumerate(images):
            writer.add(image, mask, name=f"{number:02d}", group=f"g{number}")
        writer.finish(
            lambda rows: pd.Series([("train", "val", "test")[n % 3] for n in range(len(rows))]),
            about={"format": "synthetic", "faults": []},
        )
    return Dataset.open(folder)


def picture(seed: int, **options) -> tuple[np.ndarray, np.ndarray]:
    mask = scattered(seed, **options)
    return np.repeat((mask * 60)[..., None], 3, axis=2), mask


@pytest.mark.parametrize("seed", range(5))
def test_each_defect_that_fits_lies_whole_in_a_tile(seed: int) -> None:
    mask = scattered(seed)
    tiles = [sample.box for sample in selected([mask])]
    fitting = [d for d in defect_regions(mask) if d[2] - d[0] <= 64 and d[3] - d[1] <= 64]
    assert len(fitting) > 3

    for top, left, bottom, right in fitting:
        assert any(
            box.top <= top and box.left <= left and bottom <= box.top + 64 and right <= box.left + 64
            for box in tiles
        )


def test_every_defect_pixel_is_shown_and_no_tile_leaves_the_image() -> None:
    mask = scattered(1)
    shown = np.zeros(mask.shape, bool)

    for sample in selected([mask]):
        shown[sample.counted] = True
        assert 0 <= sample.box.top <= 300 - 64
        assert 0 <= sample.box.left <= 410 - 64

    assert shown[mask > 0].all()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5])
def test_empty_tiles_have_the_share_that_is_asked_for(share: float) -> None:
    masks = [scattered(seed, count=4) for seed in range(4)] + [np.zeros((300, 410), np.uint8)] * 4

    samples = selected(masks, share)

    empty = sum(not any(sample.pixels[1:]) for sample in samples)
    assert empty / len(samples) == pytest.approx(share, abs=0.01)
    assert selected(masks, share) == samples
    assert share == 0 or selected(masks, share, seed=1) != samples


def test_without_defects_all_tiles_are_taken() -> None:
    assert len(selected([np.zeros((300, 410), np.uint8)], 0.0)) == len(all_tiles([(300, 410)], TILING))


@pytest.mark.parametrize("native", [(300, 410), (64, 64), (40, 200), (20, 20)])
def test_to_evaluate_each_pixel_counts_once(native: tuple[int, int]) -> None:
    counted = np.zeros(native, int)

    for sample in all_tiles([native], TILING):
        counted[sample.counted] += 1
        rows, columns = sample.counted
        assert sample.box.top <= rows.start < rows.stop <= sample.box.top + 64
        assert sample.box.left <= columns.start < columns.stop <= sample.box.left + 64

    assert (counted == 1).all()


def test_at_its_own_scale_a_tile_is_what_the_image_shows_there() -> None:
    image, mask = picture(3)
    sample = TileSample(0, Box(100, 40), (slice(110, 150), slice(40, 90)))

    tile, labels = sample.cut(image, mask, TILING)

    np.testing.assert_array_equal(tile, image[100:164, 40:104])
    np.testing.assert_array_equal(labels[10:50, :50], mask[110:150, 40:90])
    labels[10:50, :50] = 255
    assert (labels == 255).all()
    assert tile.base is None or tile.base.size == tile.size  # a cached tile keeps no whole image alive


@pytest.mark.parametrize("cache_mib", [0, 1, 64])
def test_tiles_of_an_image_are_decoded_together(tmp_path: Path, cache_mib: int, monkeypatch) -> None:
    dataset = write(tmp_path, [picture(seed) for seed in range(6)])
    data = SegmentationData(
        dataset,
        dataset.manifest,
        size=(64, 64),
        keep_aspect=True,
        normalisation=UNIT,
        tiling=TILING,
        kept_mib=(cache_mib, 0),
    )
    decoded: list[str] = []
    read = dataset.read_image
    monkeypatch.setattr(dataset, "read_image", lambda row: decoded.append(row.image) or read(row))

    found = sum(confusion(data.batch([index])[1], data.batch([index])[1], 4) for index in range(len(data)))

    assert len(decoded) == len(set(decoded)) == 6
    wanted = sum(np.array(row.pixels) for row in dataset.manifest.itertuples())
    np.testing.assert_array_equal(found, np.diag(wanted))


def test_a_tile_in_training_follows_from_seed_and_epoch(tmp_path: Path) -> None:
    dataset = write(tmp_path, [picture(seed) for seed in range(6)])
    config = load_config(None, ["input.tile=64", "input.height=64", "input.width=64"])
    spec = detector_spec(dataset, config.input)
    one, other = (training_data(dataset, spec, config.retrain, 0).images for _ in range(2))

    assert len(one) == len(other)
    for index in (0, 5, len(one) - 1):
        np.testing.assert_array_equal(one.batch([index], 3)[0], other.batch([index], 3)[0])


def test_rare_classes_are_repeated_by_tiles(tmp_path: Path) -> None:
    dataset = write(tmp_path, [picture(seed, count=5) for seed in range(6)])
    settings = ["input.tile=64", "retrain.repeat_threshold=0.5", "retrain.class_balance=0.5"]
    config = load_config(None, settings)

    data = training_data(dataset, detector_spec(dataset, config.input), config.retrain, 0)

    assert data.repeats is not None
    assert len(data.repeats) == len(data.images)
    assert data.repeats.max() > 1


def test_thickness_is_that_of_the_thickest_place() -> None:
    mask = np.zeros((60, 200), np.uint8)
    mask[5, 5:150] = 1  # a line of one pixel
    mask[20:25, 5:150] = 2  # of five
    cv2.circle(mask, (180, 40), 10, 3, -1)

    thickness = sorted(defect_thickness(mask))

    assert thickness == pytest.approx([1, 5, 21], abs=2)
    assert not list(defect_thickness(np.full((9, 9), 255, np.uint8)))


def wish(side: int = 64, defect_px: float = 3.0) -> TileWish:
    return TileWish((side, side), tile="auto", defect_px=defect_px)


def lines(thick: int) -> tuple[np.ndarray, np.ndarray]:
    mask = np.zeros((512, 640), np.uint8)
    mask[100 : 100 + thick, 40:200] = 1
    return np.repeat(mask[..., None], 3, axis=2), mask


@pytest.mark.parametrize(("thick", "rows"), [(1, 64), (3, 64), (9, 192), (15, 320), (31, None)])
def test_tiles_are_as_large_as_their_defects_allow(tmp_path: Path, thick: int, rows: int | None) -> None:
    dataset = write(tmp_path, [lines(thick)] * 3)

    tiling, reason = choose_tiling(dataset, wish())

    assert (tiling and tiling.height) == rows
    assert f"{thick / 10:.1f} pixels thick at an input of 64 × 64" in reason
    if tiling:
        assert tiling.overlap == tiling.height // 4
        assert f"tiles of {rows} × {rows} pixels" in reason


@pytest.mark.parametrize("side", [32, 48, 64, 100, 128, 160, 200, 224, 512])
@pytest.mark.parametrize("share", [0, 0.1, 0.25, 0.5])
@pytest.mark.parametrize("enlarged", [1, 1.37, 3])
def test_tiles_begin_where_the_networks_strides_do(side: int, share: float, enlarged: float) -> None:
    rows = round(side * enlarged)

    tiling = TileWish((side, side), overlap=share).tiling(rows)

    stride = tiling.grid * side / rows
    assert stride == pytest.approx(32 if side >= 128 else 16 if side >= 64 else 8)
    step = rows - tiling.overlap
    assert -step % tiling.grid < 1 or step % tiling.grid < 1
    assert abs(step - (1 - share) * rows) <= tiling.grid / 2 + 1 or share == 0.5


def test_what_is_said_follows_from_the_dataset(tmp_path: Path) -> None:
    said: list[str] = []
    dataset = write(tmp_path, [lines(2)] * 3)
    config = InputConfig(height=64, width=64, tile="auto")

    spec = detector_spec(dataset, config, said.append)

    assert spec.tiles == Tiling(64, 64, 16, 16)
    assert len(said) == 1
    assert tiles_per_image(dataset, spec.tiles) == len(all_tiles([(512, 640)], spec.tiles))
    assert len(evaluation_data(dataset, spec, "val")) == tiles_per_image(dataset, spec.tiles)
    assert detector_spec(dataset, InputConfig()).tiles is None
    assert tiles_per_image(dataset, None) == 1


def test_small_images_and_clean_ones_are_not_cut(tmp_path: Path) -> None:
    image, mask = lines(1)
    small = write(tmp_path / "small", [(image[80:140, :60], mask[80:140, :60])] * 3)
    clean = write(tmp_path / "clean", [(image, mask * 0)] * 3)

    assert choose_tiling(small, wish()) == (None, choose_tiling(small, wish())[1])
    assert "would hold a whole image" in choose_tiling(small, wish())[1]
    assert "no defects" in choose_tiling(clean, wish())[1]


@pytest.mark.parametrize("tile", ["none", "auto", 64, "64"])
def test_the_parameter_is_a_word_or_pixels(tile: str | int) -> None:
    assert str(load_config(None, [f"input.tile={tile}"]).input.tile) == str(tile)
