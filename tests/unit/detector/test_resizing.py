from __future__ import annotations

import cv2
import numpy as np
import pytest

from autonad.detector.resizing import mirrored, resize_image, resize_mask

SIZES = [
    ((200, 200), (256, 256)),
    ((200, 200), (128, 128)),
    ((333, 517), (224, 224)),
    ((300, 300), (150, 150)),
    ((1, 64), (1, 48)),
    ((70, 40), (69, 40)),
    ((600, 900), (13, 21)),
]


def noise(size: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


@pytest.mark.parametrize(("native", "target"), SIZES)
def test_images_are_as_opencv_makes_them_to_a_grey_level(
    native: tuple[int, int], target: tuple[int, int]
) -> None:
    image = noise(native)
    kind = cv2.INTER_AREA if target[0] < native[0] or target[1] < native[1] else cv2.INTER_LINEAR
    wanted = cv2.resize(image, target[::-1], interpolation=kind)

    difference = np.abs(resize_image(image, target).astype(int) - wanted)

    assert difference.max() <= 1


def test_an_axis_may_shrink_while_the_other_grows() -> None:
    stripes = np.zeros((64, 8, 3), np.uint8)
    stripes[::2] = 200

    found = resize_image(stripes, (16, 20))

    assert found.shape == (16, 20, 3)
    np.testing.assert_allclose(found, 100, atol=1)


def test_the_mean_survives_shrinking() -> None:
    image = noise((317, 251))

    for size in ((97, 83), (300, 250), (1, 1)):
        assert resize_image(image, size).mean() == pytest.approx(image.mean(), abs=0.5)


@pytest.mark.parametrize(("native", "target"), [((200, 200), (128, 96)), ((33, 70), (101, 55))])
def test_masks_are_as_opencv_makes_them_and_invent_no_class(
    native: tuple[int, int], target: tuple[int, int]
) -> None:
    mask = np.random.default_rng(1).integers(0, 2, native, dtype=np.uint8) * np.uint8(4)

    found = resize_mask(mask, target)

    wanted = cv2.resize(mask, target[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    assert (found == wanted).mean() > 0.98  # ties, in which OpenCV rounds its ratio
    assert set(np.unique(found)) == {0, 4}


@pytest.mark.parametrize(
    ("size", "before", "after"), [(5, 2, 3), (5, 11, 9), (2, 3, 3), (1, 2, 2), (8, 0, 0)]
)
def test_borders_are_mirrored_without_their_own_pixel(size: int, before: int, after: int) -> None:
    line = np.arange(size, dtype=np.uint8)[None]

    wanted = cv2.copyMakeBorder(line, 0, 0, before, after, cv2.BORDER_REFLECT_101)

    np.testing.assert_array_equal(line[:, mirrored(size, before, after)], wanted)
