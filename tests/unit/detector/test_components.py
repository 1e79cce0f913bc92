from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from autonad.detector.components import Components, find_components

EIGHT = np.ones((3, 3))


def find(mask: np.ndarray, score: np.ndarray | None = None) -> Components:
    return find_components(mask, np.ones(mask.shape, np.float32) if score is None else score)


@pytest.mark.parametrize("density", [0.02, 0.3, 0.45, 0.7])
@pytest.mark.parametrize("shape", [(40, 60), (1, 50), (50, 1), (97, 31)])
def test_regions_and_their_measures_are_scipys(density: float, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(int(100 * density) + shape[0])
    mask = ((rng.random(shape) < density) * rng.integers(1, 4, shape)).astype(np.uint8)
    score = rng.random(shape).astype(np.float32)

    found = find(mask, score)

    wanted = []
    for value in (1, 2, 3):
        labels, count = ndimage.label(mask == value, EIGHT)
        assert (found.value == value).sum() == count
        for index, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
            own = labels == index
            whole = (value, own.sum(), rows.start, columns.start, rows.stop, columns.stop)
            wanted.append((*map(int, whole), float(score[own].mean()), float(score[own].max())))
    columns = np.column_stack([found.value, found.area, found.box, found.mean, found.peak])
    np.testing.assert_allclose(sorted(columns.tolist()), sorted(wanted), rtol=1e-5)


def test_a_spiral_is_one_region() -> None:
    mask = np.zeros((61, 61), np.uint8)
    row = column = 30
    for turn in range(1, 28):
        for _ in range(2 * turn):
            row += (0, 1, 0, -1)[turn % 4]
            column += (1, 0, -1, 0)[turn % 4]
            if 0 <= row < 61 and 0 <= column < 61:
                mask[row, column] = 1
    assert ndimage.label(mask, EIGHT)[1] == 1

    assert len(find(mask)) == 1


def test_corners_connect_and_classes_do_not() -> None:
    mask = np.array([[1, 0, 0], [0, 1, 2], [2, 0, 2]], np.uint8)

    found = find(mask)

    assert sorted(zip(found.value.tolist(), found.area.tolist(), strict=True)) == [(1, 2), (2, 1), (2, 2)]


@pytest.mark.parametrize("mask", [np.zeros((5, 7), np.uint8), np.zeros((1, 1), np.uint8)])
def test_nothing_is_no_region(mask: np.ndarray) -> None:
    assert len(find(mask)) == 0


def test_all_of_an_image_is_one_region() -> None:
    found = find(np.full((30, 40), 2, np.uint8))

    assert found.area.tolist() == [1200]
    assert found.box.tolist() == [[0, 0, 30, 40]]
    assert found.length[0] == pytest.approx(50, rel=0.01)
    assert found.width[0] == pytest.approx(30, rel=0.01)


@pytest.mark.parametrize("degrees", [0, 17, 45, 73, 90, 121])
def test_length_and_width_do_not_depend_on_the_direction(degrees: float) -> None:
    """A bar of 120 by 6 pixels, drawn in any direction."""
    angle = np.deg2rad(degrees)
    y, x = np.mgrid[:160, :160] - 80
    along, across = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
    mask = ((np.abs(along) <= 60) & (np.abs(across) <= 3)).astype(np.uint8)

    found = find(mask)

    assert len(found) == 1
    assert found.length[0] == pytest.approx(121, abs=2.5)
    assert found.width[0] == pytest.approx(7, abs=1.2)


def test_a_single_pixel_is_one_wide() -> None:
    mask = np.zeros((5, 5), np.uint8)
    mask[2, 3] = 1

    found = find(mask)

    assert found.width[0] == pytest.approx(1)
    assert found.length[0] == pytest.approx(2**0.5, rel=0.01)
    assert found.box.tolist() == [[2, 3, 3, 4]]


def test_each_region_knows_its_runs() -> None:
    mask = np.random.default_rng(0).integers(0, 3, (40, 50)).astype(np.uint8)
    found = find_components(mask, np.ones(mask.shape, np.float32))

    for index in range(len(found)):
        np.testing.assert_array_equal(found.runs_of(index), np.flatnonzero(found.label == index))
