from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from dark_detector import dark_spec, forward, surface

from autonad.detector.engine import Detector, image_logits
from autonad.detector.rules import Rules
from autonad.detector.tiles import Box, Tiling, blended, cut, owned_parts, tile_boxes

SHAPES = [(64, 64), (65, 200), (30, 500), (301, 257), (10, 10), (150, 97)]


def whole(values_of, native: tuple[int, int], tiling: Tiling) -> np.ndarray:
    strips = list(blended(values_of, native, tiling))
    rows = 0
    for start, values in strips:
        assert start == rows
        rows += values.shape[1]
    assert rows == native[0]
    return np.concatenate([values for _, values in strips], axis=1)


@pytest.mark.parametrize("native", SHAPES)
@pytest.mark.parametrize("overlap", [0, 7, 16, 32])
def test_tiles_cover_the_image_and_overlap_as_asked(native: tuple[int, int], overlap: int) -> None:
    tiling = Tiling(64, 64, overlap)
    boxes = tile_boxes(native, tiling)
    covered = np.zeros(native, int)

    for box in boxes:
        covered[box.top : box.top + 64, box.left : box.left + 64] += 1
        assert box.top + 64 <= max(native[0], 64)
        assert box.left + 64 <= max(native[1], 64)

    assert covered.min() == 1
    for axis, values in enumerate(({box.top for box in boxes}, {box.left for box in boxes})):
        steps = np.diff(sorted(values))
        assert (steps <= 64 - overlap).all(), axis


@pytest.mark.parametrize("native", SHAPES)
@pytest.mark.parametrize(("overlap", "grid"), [(16, 16), (32, 16), (0, 64), (21, 64 / 3), (20, 21.9)])
def test_tiles_begin_on_the_grid_and_the_last_one_goes_beyond_the_image(
    native: tuple[int, int], overlap: int, grid: float
) -> None:
    boxes = tile_boxes(native, Tiling(64, 64, overlap, grid))

    for length, starts in zip(native, ({box.top for box in boxes}, {box.left for box in boxes}), strict=True):
        assert all(min(start % grid, -start % grid) < 0.501 for start in starts)
        assert length <= max(starts) + 64 < max(length, 64) + grid + 1
        assert (np.diff(sorted(starts)) <= 64 - overlap).all()


def strided(images: np.ndarray) -> np.ndarray:
    """One answer for each 16 × 16 pixels of its input, as of a network with strides."""
    count, _, height, width = images.shape
    blocks = images.reshape(count, 3, height // 16, 16, width // 16, 16).min(axis=(1, 3, 5))
    score = np.kron(-20 * blocks - 10, np.ones((1, 16, 16)))
    return np.stack([np.zeros_like(score), score, np.full_like(score, -30)], axis=1)


def test_a_network_with_strides_says_the_same_in_tiles_on_its_grid() -> None:
    image = surface((60, 10, 68, 290), (10, 100, 200, 106), size=(208, 320))
    masks = {}
    for grid in (None, 1, 16):
        spec = dark_spec(208, 320) if grid is None else dark_spec(64, 64, Tiling(64, 64, 16, grid))
        masks[grid] = Detector(strided, spec, Rules.default(spec.classes)).detect(image).mask

    assert masks[None].any()
    np.testing.assert_array_equal(masks[16], masks[None])
    assert (masks[1] != masks[None]).mean() > 0.01


def test_tiles_part_in_the_middle_of_their_overlap() -> None:
    parts = owned_parts((64, 96), Tiling(64, 64, 32))

    assert parts == [(slice(0, 64), slice(0, 48)), (slice(0, 64), slice(48, 96))]


@pytest.mark.parametrize("native", SHAPES)
@pytest.mark.parametrize(("overlap", "grid"), [(0, 1), (9, 1), (32, 1), (16, 16), (32, 13.7)])
def test_what_all_tiles_agree_on_comes_back(native: tuple[int, int], overlap: int, grid: float) -> None:
    tiling = Tiling(64, 64, overlap, grid)
    image = np.random.default_rng(0).normal(size=(*native, 2)).astype(np.float32)

    found = whole(lambda box: cut(image, box, tiling).transpose(2, 0, 1), native, tiling)

    np.testing.assert_allclose(found.transpose(1, 2, 0), image, atol=1e-5)


def test_between_tiles_that_disagree_there_is_no_edge() -> None:
    tiling = Tiling(64, 64, 32)

    found = whole(lambda box: np.full((1, 64, 64), float(box.left > 0)), (64, 96), tiling)[0]

    assert found[0, 0] == pytest.approx(0, abs=1e-4)
    assert found[0, -1] == pytest.approx(1, abs=1e-4)
    # Of the columns that they share, 32 to 63, only one of them counts in the eight at either end.
    assert found[:, :40].max() < 1e-4
    assert found[:, 56:].min() > 1 - 1e-4
    assert np.abs(np.diff(found, axis=1)).max() < 0.12
    assert (np.diff(found, axis=1) >= -1e-6).all()


def test_a_defect_over_seams_is_one_defect() -> None:
    image = surface((60, 10, 68, 290), (10, 100, 200, 106), size=(220, 300))
    spec = dark_spec(tiles=Tiling(64, 64, 16))
    assert len(tile_boxes((220, 300), spec.tiles)) > 20  # type: ignore[arg-type]

    found = Detector(forward, spec, Rules.default(spec.classes)).detect(image)

    assert [(d.class_name, d.box) for d in found.judgement.defects] == [("crack", (10, 10, 200, 290))]


def context_network(images: np.ndarray) -> np.ndarray:
    """Sees surroundings and knows where a tile ends, as a trained network does: padding darkens borders."""
    x = images.mean(1)
    total = np.zeros_like(x)
    padded = np.pad(x, ((0, 0), (8, 8), (8, 8)), constant_values=-3)
    for row in range(17):
        for column in range(17):
            total += padded[:, row : row + x.shape[1], column : column + x.shape[2]]
    score = -20 * (0.7 * x + 0.3 * total / 289) - 10
    return np.stack([np.zeros_like(score), score, np.full_like(score, -30)], axis=1)


def test_twice_the_overlap_changes_next_to_nothing() -> None:
    """Although the network is wrong near the borders of a tile, where it lacks surroundings."""
    rng = np.random.default_rng(3)
    image = surface(size=(400, 500))
    image = np.clip(image + rng.normal(0, 6, (400, 500, 1)), 0, 255).astype(np.uint8)
    for _ in range(15):
        top, left = rng.integers(0, 360), rng.integers(0, 450)
        image[top : top + 30, left : left + 12] //= 5
    masks = []
    for overlap in (32, 64):
        spec = dark_spec(128, 128, Tiling(128, 128, overlap))
        masks.append(Detector(context_network, spec, Rules.default(spec.classes)).detect(image).mask)
    abrupt = dark_spec(128, 128, Tiling(128, 128, 0))
    without = Detector(context_network, abrupt, Rules.default(abrupt.classes)).detect(image).mask

    assert masks[0].mean() > 0.02
    assert (masks[0] != masks[1]).mean() <= 0.001
    assert (masks[0] != without).mean() > (masks[0] != masks[1]).mean()


@pytest.mark.parametrize(("side", "at_once"), [(64, 32), (128, 8), (512, 1)])
def test_small_tiles_go_through_the_network_together(side: int, at_once: int) -> None:
    image, spec = surface(size=(300, 700)), dark_spec(side, side, Tiling(64, 64, 16, 16))
    calls: list[int] = []

    def noted(images: np.ndarray) -> np.ndarray:
        calls.append(len(images))
        return forward(images)

    found = np.concatenate([values for _, values in image_logits(noted, image, spec)], axis=1)

    assert sum(calls) == len(tile_boxes((300, 700), spec.tiles))  # type: ignore[arg-type]
    assert {*calls[:-1]} == {at_once}
    alone = image_logits(lambda images: np.concatenate([forward(one[None]) for one in images]), image, spec)
    np.testing.assert_array_equal(found, np.concatenate([values for _, values in alone], axis=1))


def test_a_tile_may_be_larger_than_the_input() -> None:
    image = surface((40, 30, 80, 170), size=(200, 240))
    spec = dark_spec(64, 64, Tiling(128, 128, 32))

    (defect,) = Detector(forward, spec, Rules.default(spec.classes)).detect(image).judgement.defects

    np.testing.assert_allclose(defect.box, (40, 30, 80, 170), atol=1)


def test_memory_does_not_grow_with_the_height() -> None:
    tiling = Tiling(64, 64, 16)
    peaks = []
    for height in (300, 3000):
        tracemalloc.start()
        for _ in blended(lambda box: np.zeros((3, 64, 64), np.float32), (height, 500), tiling):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert peaks[1] < 1.5 * peaks[0]


@pytest.mark.parametrize(("side", "overlap"), [(0, 0), (64, 33), (64, -1)])
def test_tiles_that_cannot_be_are_refused(side: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="from 0 to half of a tile"):
        Tiling(side, side, overlap)


@pytest.mark.parametrize("grid", [0, -1, 49])
def test_grids_that_cannot_be_are_refused(grid: float) -> None:
    with pytest.raises(ValueError, match="cannot begin on a grid"):
        Tiling(64, 64, 16, grid)


def test_a_small_image_is_mirrored_up_to_a_tile() -> None:
    image = np.arange(12).reshape(3, 4)

    found = cut(image, Box(0, 0), Tiling(5, 6, 0))

    np.testing.assert_array_equal(found, np.pad(image, ((0, 2), (0, 2)), mode="reflect"))
