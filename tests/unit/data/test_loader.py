from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from autonad.data.dataset import Dataset
from autonad.data.loader import SegmentationData
from autonad.data.transforms import PRESETS, Augmentation
from autonad.detector.fitting import fit, place
from autonad.detector.normalise import Normalisation
from autonad.detector.tiles import Tiling
from autonad.errors import DatasetError

UNIT = Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def data(dataset: Dataset, **options) -> SegmentationData:
    settings = {"size": (48, 48), "keep_aspect": False, "normalisation": UNIT, "seed": 7}
    return SegmentationData(dataset, dataset.split("train"), **{**settings, **options})


def test_normalised_pixels_have_zero_mean_and_unit_spread(synthetic: Dataset) -> None:
    rows = synthetic.split("train")
    normalisation = Normalisation.of(synthetic.read_image(row) for row in rows.itertuples())
    images = np.stack([synthetic.read_image(row) for row in rows.itertuples()]) / 255.0
    np.testing.assert_allclose(normalisation.mean, images.mean(axis=(0, 1, 2)), rtol=1e-9)
    np.testing.assert_allclose(normalisation.std, images.std(axis=(0, 1, 2)), rtol=1e-9)
    batch, _ = data(synthetic, size=(64, 64), normalisation=normalisation).batch(range(len(rows)))
    np.testing.assert_allclose(batch.mean(axis=(0, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(batch.std(axis=(0, 2, 3)), 1, atol=1e-4)


def test_normalisation_needs_images(synthetic: Dataset) -> None:
    with pytest.raises(DatasetError, match="at least one image"):
        Normalisation.of([])


def test_batch_has_the_promised_form(synthetic: Dataset) -> None:
    images, masks = data(synthetic, size=(40, 56), keep_aspect=True).batch([2, 0, 5])
    assert images.shape == (3, 3, 40, 56)
    assert images.dtype == np.float32
    assert images.flags.c_contiguous
    assert masks.shape == (3, 40, 56)
    assert masks.dtype == np.int64
    assert set(np.unique(masks)) <= {0, 1, 2, 3, 4, 255}


def test_a_sample_follows_from_seed_epoch_and_index_alone(synthetic: Dataset) -> None:
    one = data(synthetic, augmentation=Augmentation(PRESETS["strong"]))
    other = data(synthetic, augmentation=Augmentation(PRESETS["strong"]), kept_mib=(0, 0))
    images, masks = one.batch(range(8), epoch=3)
    for index in (5, 1, 7):
        image, mask = other.batch([index], epoch=3)
        np.testing.assert_array_equal(image[0], images[index])
        np.testing.assert_array_equal(mask[0], masks[index])
    assert not np.array_equal(one.batch([1], epoch=4)[0], images[1:2])
    assert not np.array_equal(
        data(synthetic, augmentation=Augmentation(PRESETS["strong"]), seed=8).batch([1], 3)[0], images[1:2]
    )


@pytest.mark.parametrize("tiling", [None, Tiling(height=32, width=32, overlap=8)])
@pytest.mark.parametrize("file_mib", [0, 1])
def test_several_threads_get_what_one_would(synthetic: Dataset, tiling: Tiling | None, file_mib: int) -> None:
    alone, shared = (
        data(synthetic, augmentation=Augmentation(PRESETS["strong"]), tiling=tiling, kept_mib=(0, mib))
        for mib in (0, file_mib)
    )
    parts = np.random.default_rng(0).permutation(np.repeat(np.arange(len(alone)), 6)).reshape(-1, 2).tolist()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # so that they come between each other wherever they can
    try:
        with ThreadPoolExecutor(4) as threads:
            found = list(threads.map(shared.batch, parts))
    finally:
        sys.setswitchinterval(interval)
    for part, (images, masks) in zip(parts, found, strict=True):
        expected_images, expected_masks = alone.batch(part)
        np.testing.assert_array_equal(images, expected_images)
        np.testing.assert_array_equal(masks, expected_masks)


def test_evaluation_ignores_the_epoch(synthetic: Dataset) -> None:
    plain = data(synthetic)
    np.testing.assert_array_equal(plain.batch([0, 1], epoch=0)[0], plain.batch([0, 1], epoch=9)[0])


def test_the_cache_is_bounded_and_stays_clean(synthetic: Dataset) -> None:
    samples = data(synthetic, size=(512, 512), kept_mib=(2, 0), augmentation=Augmentation(PRESETS["strong"]))
    first = samples.fitted(0)[0].copy()
    for epoch in range(3):
        samples.batch([0, 1, 2, 3], epoch)
    assert [index in samples._cache for index in range(4)] == [True, True, False, False]  # of 1 MiB each
    np.testing.assert_array_equal(samples.fitted(0)[0], first)


def decoded(samples: SegmentationData, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The images that are decoded from now on."""
    found: list[str] = []
    read = samples.dataset.read_image

    def count(row: Any) -> np.ndarray:
        found.append(row.image)
        return read(row)

    monkeypatch.setattr(samples.dataset, "read_image", count)
    return found


@pytest.mark.parametrize("tiling", [None, Tiling(height=32, width=32, overlap=8)])
def test_what_memory_does_not_hold_is_decoded_once_all_the_same(
    synthetic: Dataset, tiling: Tiling | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    augmentation = Augmentation(PRESETS["strong"])
    plain, kept = (
        data(synthetic, tiling=tiling, augmentation=augmentation, kept_mib=(0, mib)) for mib in (0, 8)
    )
    order = np.random.default_rng(0).permutation(len(plain)).tolist()
    wanted = [[plain.batch([index], epoch) for index in order] for epoch in range(2)]
    images = decoded(kept, monkeypatch)
    for epoch, batches in enumerate(wanted):
        for index, (image, mask) in zip(order, batches, strict=True):
            found = kept.batch([index], epoch)
            np.testing.assert_array_equal(found[0], image)
            np.testing.assert_array_equal(found[1], mask)
    assert sorted(images) == sorted(synthetic.split("train")["image"])


def test_a_full_disk_costs_time_and_nothing_else(synthetic: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []

    def pwrite(file: int, pixels: bytes, start: int) -> int:
        written.append(start)
        if len(written) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return len(pixels) if real(file, pixels, start) else 0

    real = os.pwrite
    plain, kept = data(synthetic), data(synthetic, kept_mib=(0, 8))
    monkeypatch.setattr(os, "pwrite", pwrite)
    for _ in range(2):
        for one, other in zip(plain.batch(range(6)), kept.batch(range(6)), strict=True):
            np.testing.assert_array_equal(one, other)
    # What was written is given back: whoever trains needs the disk for a checkpoint.
    assert not any(index in kept._cache for index in range(6))
    assert kept._cache._file is not None
    assert os.fstat(kept._cache._file.fileno()).st_size == 0
    assert len(written) == 3


@pytest.mark.parametrize("answer", [b"short", OSError(errno.EIO, "Input/output error")])
def test_a_disk_that_loses_what_it_took_costs_time_and_nothing_else(
    synthetic: Dataset, answer: bytes | OSError, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pread(file: int, size: int, start: int) -> bytes:
        if isinstance(answer, OSError):
            raise answer
        return answer

    plain, kept = data(synthetic), data(synthetic, kept_mib=(0, 8))
    kept.batch(range(4))
    monkeypatch.setattr(os, "pread", pread)
    for one, other in zip(plain.batch(range(4)), kept.batch(range(4)), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("sharing", [1, 2])
def test_files_leave_as_much_of_a_disk_as_each_of_them_takes(
    synthetic: Dataset, sharing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage, sample = shutil.disk_usage("."), 4 * 48 * 48
    trainings = [data(synthetic, kept_mib=(0, 8)) for _ in range(sharing)]

    def held() -> list[int]:
        return [sum(index in one._cache for index in range(6)) for one in trainings]

    monkeypatch.setattr(
        shutil, "disk_usage", lambda path: usage._replace(free=((1 + sharing) * 3 - sum(held())) * sample)
    )
    for index in range(6):
        for one in trainings:
            one.batch([index])
    assert held() == [3] * sharing


def test_plain_fit_resizes_and_keeps_values() -> None:
    rng = np.random.default_rng(0)
    image, mask = (
        rng.integers(0, 256, (30, 50, 3), dtype=np.uint8),
        rng.integers(0, 3, (30, 50), dtype=np.uint8),
    )
    same, same_mask, at = fit(image, mask, size=(30, 50), keep_aspect=False)
    np.testing.assert_array_equal(same, image)
    np.testing.assert_array_equal(same_mask, mask)
    small, small_mask, at = fit(image, mask, size=(16, 16), keep_aspect=False)
    assert small.shape == (16, 16, 3)
    assert set(np.unique(small_mask)) <= {0, 1, 2}
    _, coded, _ = fit(image, (mask > 0) * np.uint8(4), size=(21, 37), keep_aspect=False)
    assert set(np.unique(coded)) == {0, 4}  # no class is invented between two others
    assert (at.native, at.resized, at.top, at.left) == ((30, 50), (16, 16), 0, 0)


def test_shrinking_averages_instead_of_skipping() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    small, _, _ = fit(stripes, None, size=(16, 16), keep_aspect=False)
    np.testing.assert_allclose(small, 100, atol=1)


@pytest.mark.parametrize("native", [(30, 90), (90, 30), (7, 200), (33, 33), (1, 64)])
def test_letterbox_keeps_aspect_and_ignores_padding(native: tuple[int, int]) -> None:
    image = np.full((*native, 3), 90, np.uint8)
    fitted, mask, at = fit(image, np.ones(native, np.uint8), size=(48, 48), keep_aspect=True)
    assert fitted.shape == (48, 48, 3)
    assert mask.shape == (48, 48)
    assert max(at.resized) == 48
    assert at.resized[0] / at.resized[1] == pytest.approx(native[0] / native[1], rel=0.2, abs=0.01)
    inside = np.zeros((48, 48), bool)
    inside[at.top : at.top + at.resized[0], at.left : at.left + at.resized[1]] = True
    assert (mask[inside] == 1).all()
    assert (mask[~inside] == 255).all()
    assert (fitted == 90).all()
    assert place(native, (48, 48), keep_aspect=True) == at


def test_fit_does_not_shift_the_mask_against_the_image() -> None:
    """The mask's centre of mass stays with the image's, whatever the ratio."""
    image = np.zeros((100, 100, 3), np.uint8)
    image[40:70, 20:50] = 255
    mask = (image[..., 0] > 0).astype(np.uint8)
    for side in (32, 50, 64, 150):
        small, small_mask, _ = fit(image, mask, size=(side, side), keep_aspect=False)
        expected = np.argwhere(small[..., 0] > 127).mean(axis=0)
        np.testing.assert_allclose(np.argwhere(small_mask).mean(axis=0), expected, atol=0.25)


def test_fit_refuses_a_mask_of_another_size() -> None:
    with pytest.raises(DatasetError, match="must be equal"):
        fit(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5), np.uint8), size=(4, 4), keep_aspect=False)


def test_the_loader_imports_neither_torch_nor_augmentation() -> None:
    code = "import sys, autonad.data.loader; print({'torch', 'autonad.data.transforms'} & set(sys.modules))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "set()"
