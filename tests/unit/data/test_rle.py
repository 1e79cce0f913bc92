"""Runs of pixels: each encoding against one written pixel by pixel, and against pycocotools where it is."""

from __future__ import annotations

import annotated
import numpy as np
import pytest

from autonad.data.annotations.rle import (
    decode_counts,
    decode_runs,
    encode_counts,
    pack_coco,
    unpack_brush,
    unpack_coco,
)
from autonad.errors import DatasetError


def bitmaps(count: int = 200) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = [(int(rng.integers(1, 30)), int(rng.integers(1, 30))) for _ in range(count)]
    return [rng.random(shape) < rng.uniform(0, 1) for shape in shapes]


@pytest.mark.parametrize("by_column", [True, False])
def test_counts_give_the_bitmap_and_back(by_column: bool) -> None:
    for bitmap in bitmaps():
        counts = annotated.counts_of(bitmap, "F" if by_column else "C")

        assert np.array_equal(decode_counts(np.array(counts), bitmap.shape, by_column=by_column), bitmap)
        assert encode_counts(bitmap, by_column=by_column).tolist() == counts


def test_compressed_counts_give_the_counts_and_back() -> None:
    rng = np.random.default_rng(1)
    for length in range(60):
        counts = rng.integers(0, 10 ** rng.integers(1, 8), length)

        assert unpack_coco(pack_coco(counts)).tolist() == counts.tolist()


def test_compressed_counts_are_those_of_pycocotools() -> None:
    coco = pytest.importorskip("pycocotools.mask")
    for bitmap in bitmaps():
        packed = coco.encode(np.asfortranarray(bitmap.astype(np.uint8)))["counts"].decode()

        assert pack_coco(encode_counts(bitmap, by_column=True)) == packed
        assert np.array_equal(decode_counts(unpack_coco(packed), bitmap.shape, by_column=True), bitmap)


def test_runs_by_start_and_length() -> None:
    column = decode_runs(np.array([1, 6]), np.array([2, 1]), (3, 4), by_column=True)

    assert np.argwhere(column.T).tolist() == [[0, 1], [0, 2], [2, 0]]
    for bitmap in bitmaps(20):
        flat = np.flatnonzero(bitmap.ravel())
        again = decode_runs(flat, np.ones(len(flat), int), bitmap.shape, by_column=False)
        assert np.array_equal(again, bitmap)


def test_brush_strokes_give_the_bitmap() -> None:
    for bitmap in bitmaps():
        assert np.array_equal(unpack_brush(bytes(annotated.brush(bitmap)), bitmap.shape), bitmap)


def test_brush_strokes_of_the_converter_give_the_bitmap() -> None:
    converter = pytest.importorskip("label_studio_converter.brush")
    for bitmap in bitmaps(20):
        packed = converter.encode_rle(np.repeat(bitmap.ravel().astype(np.uint8) * 255, 4))

        assert np.array_equal(unpack_brush(bytes(packed), bitmap.shape), bitmap)


@pytest.mark.parametrize(
    "counts", [[5, 4, 4], [3, -3, 12], [13], [10**15, 2]], ids=["more", "negative", "more at once", "huge"]
)
def test_counts_that_do_not_fill_the_image_are_refused(counts: list[int]) -> None:
    with pytest.raises(DatasetError):
        decode_counts(np.array(counts), (3, 4), by_column=True)


@pytest.mark.parametrize("text", ["~~~", "é", "PPPPPPPPPPPP1", "P", "\x00"])
def test_damaged_compressed_counts_are_refused(text: str) -> None:
    with pytest.raises(DatasetError, match="compressed runs"):
        unpack_coco(text)


def test_damaged_brush_strokes_are_refused() -> None:
    bitmap = bitmaps(1)[0]
    packed = bytes(annotated.brush(bitmap))

    for damaged in (b"", packed[:4], packed[:-3], packed[:20]):
        with pytest.raises(DatasetError, match="brush stroke"):
            unpack_brush(damaged, bitmap.shape)
    with pytest.raises(DatasetError, match="brush stroke"):
        unpack_brush(packed, (bitmap.shape[0] + 1, bitmap.shape[1]))
