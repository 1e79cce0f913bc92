"""Shapes in answers give back the defect's pixels, whatever its form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from autonad.data.annotations.rle import decode_counts
from autonad.detector.components import find_components
from autonad.service.answers import polygon_of, run_lengths

MASKS = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda size: arrays.arrays(np.uint8, size, elements=st.integers(0, 2))
)


def region(mask: np.ndarray, found: object, index: int) -> np.ndarray:
    """bool (H, W), pixel by pixel."""
    whole = np.zeros(mask.shape, dtype=bool)
    runs = found.runs  # type: ignore[attr-defined]
    for number in np.flatnonzero(found.label == index):  # type: ignore[attr-defined]
        for column in range(runs.start[number], runs.stop[number]):
            whole[runs.row[number], column] = True
    return whole


def inside(rings: list[list[list[int]]], shape: tuple[int, ...]) -> np.ndarray:
    """Pixels whose centre has an odd number of upright edges on its left."""
    whole = np.zeros(shape, dtype=int)
    for ring in rings:
        for (x, y), (x2, y2) in zip(ring, [*ring[1:], ring[0]], strict=True):
            assert x == x2 or y == y2
            whole[min(y, y2) : max(y, y2), x:] += 1
    return whole % 2 == 1


@settings(max_examples=150, deadline=None, derandomize=True)
@given(MASKS)
def test_runs_and_polygons_are_the_region(mask: np.ndarray) -> None:
    found = find_components(mask, np.ones(mask.shape, np.float32))

    for index in range(len(found)):
        expected = region(mask, found, index)
        runs = run_lengths(found, index, *mask.shape)
        assert runs.size == list(mask.shape)
        counts = np.array(runs.counts)
        assert (decode_counts(counts, mask.shape, by_column=True) == expected).all()
        assert (counts[1:] > 0).all()
        assert (inside(polygon_of(found, index), mask.shape) == expected).all()


@pytest.mark.parametrize("shape", [(3, 1), (1, 3), (4, 4)])
def test_a_defect_that_fills_the_image_is_one_run(shape: tuple[int, int]) -> None:
    found = find_components(np.ones(shape, np.uint8), np.ones(shape, np.float32))

    assert run_lengths(found, 0, *shape).counts == [0, shape[0] * shape[1]]


def test_a_ring_has_its_hole_last() -> None:
    mask = np.ones((5, 5), np.uint8)
    mask[2, 2] = 0
    outer, hole = polygon_of(find_components(mask, np.ones(mask.shape, np.float32)), 0)

    assert sorted(map(tuple, outer)) == [(0, 0), (0, 5), (5, 0), (5, 5)]
    assert sorted(map(tuple, hole)) == [(2, 2), (2, 3), (3, 2), (3, 3)]
