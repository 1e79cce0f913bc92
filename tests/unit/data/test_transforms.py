from __future__ import annotations

import random

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, uniform_filter
from scipy.stats import kstest, uniform

from autonad.data.transforms import PRESETS, Augmentation, AugmentationSettings, affine_matrix, zoom_on_defect
from autonad.errors import ConfigError


def sample(height: int = 64, width: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """An image whose first channel encodes its mask, so that the two can be compared after a change."""
    mask = np.zeros((height, width), np.uint8)
    mask[5:20, 10:40] = 1
    mask[40:44, 50:54] = 2
    image = np.full((height, width, 3), 100, np.uint8)
    image[..., 0] = mask * 100
    return image, mask


def test_a_seed_decides_everything() -> None:
    augmentation, (image, mask) = Augmentation(PRESETS["strong"]), sample()
    first = [augmentation.augment(image, mask, seed) for seed in range(20)]
    again = [Augmentation(PRESETS["strong"]).augment(image, mask, seed) for seed in reversed(range(20))][::-1]
    for (a, m), (b, n) in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(m, n)
    assert len({a.tobytes() for a, _ in first}) == 20


def test_inputs_stay_as_they_are() -> None:
    image, mask = sample()
    before = image.copy(), mask.copy()
    for seed in range(10):
        out, out_mask = Augmentation(PRESETS["strong"]).augment(image, mask, seed)
        out += 1
        out_mask += 1
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(mask, before[1])


def test_flips_and_quarter_turns_are_exact_and_all_occur() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)
    mask = rng.integers(0, 3, (9, 9), dtype=np.uint8)
    augmentation = Augmentation(AugmentationSettings(flips=True))
    expected = {
        np.rot90(view[0], turns).tobytes(): np.rot90(view[1], turns)
        for view in ((image, mask), (image[:, ::-1], mask[:, ::-1]))
        for turns in range(4)
    }
    seen = set()
    for seed in range(100):
        out, out_mask = augmentation.augment(image, mask, seed)
        np.testing.assert_array_equal(out_mask, expected[out.tobytes()])
        seen.add(out.tobytes())
    assert len(seen) == 8


def test_an_oblong_image_keeps_its_shape() -> None:
    image, mask = sample(48, 96)
    for seed in range(20):
        out, out_mask = Augmentation(PRESETS["strong"]).augment(image, mask, seed)
        assert out.shape == (48, 96, 3)
        assert out_mask.shape == (48, 96)


def test_mask_moves_with_the_image_and_padding_is_ignored() -> None:
    settings = AugmentationSettings(
        flips=True, affine=1.0, rotate_degrees=45, scale=(0.6, 1.4), translate=0.2, shear_degrees=10
    )
    image, mask = sample()
    ignored = 0
    for seed in range(30):
        out, out_mask = Augmentation(settings).augment(image, mask, seed)
        assert set(np.unique(out_mask)) <= {0, 1, 2, 255}
        known = out_mask != 255
        ignored += (~known).sum()
        # Interpolation blurs edges by a pixel; elsewhere the coded channel and the mask agree.
        wrong = np.abs(out[..., 0].astype(int)[known] - 100 * out_mask[known].astype(int)) > 60
        assert wrong.mean() < 0.04
    assert ignored > 0


def test_image_is_reflected_where_the_mask_is_ignored() -> None:
    settings = AugmentationSettings(affine=1.0, scale=(0.5, 0.5))
    image, mask = np.full((32, 32, 3), 140, np.uint8), np.ones((32, 32), np.uint8)
    out, out_mask = Augmentation(settings).augment(image, mask, 0)
    assert 0.6 < (out_mask == 255).mean() < 0.9
    assert (out == 140).all()


def test_photometric_changes_leave_the_mask_alone() -> None:
    settings = AugmentationSettings(blur=0.5, sharpness=0.5, tone=1.0, contrast=0.3, brightness=0.2)
    image, mask = sample()
    changed = 0
    for seed in range(10):
        out, out_mask = Augmentation(settings).augment(image, mask, seed)
        np.testing.assert_array_equal(out_mask, mask)
        changed += not np.array_equal(out, image)
    assert changed == 10


def test_nothing_happens_without_settings() -> None:
    image, mask = sample()
    out, out_mask = Augmentation(AugmentationSettings()).augment(image, mask, 3)
    np.testing.assert_array_equal(out, image)
    np.testing.assert_array_equal(out_mask, mask)


def test_the_zoom_shows_each_class_equally_often() -> None:
    image, mask = sample()
    enlarged = {1: 0, 2: 0}
    for seed in range(200):
        out, out_mask = zoom_on_defect(image, mask, np.random.default_rng(seed), (0.25, 0.4))
        assert out.shape == image.shape
        present = set(np.unique(out_mask)) - {0}
        assert present
        enlarged[2] += 2 in present
        enlarged[1] += 1 in present
    # Class 2 covers 16 pixels, class 1 covers 450; chosen by pixel it would be seen in 3 % of the crops.
    assert enlarged[2] > 70
    assert enlarged[1] > 70


def test_the_zoom_leaves_images_without_defects_alone() -> None:
    image, _ = sample()
    mask = np.zeros((64, 64), np.uint8)
    mask[:5] = 255
    out, out_mask = zoom_on_defect(image, mask, np.random.default_rng(0), (0.3, 0.5))
    assert out is image
    assert out_mask is mask


@pytest.mark.parametrize(
    "wrong",
    [
        {"blur": 1.5},
        {"rotate_degrees": -1},
        {"scale": (1.2, 0.8)},
        {"scale": (0, 1)},
        {"crop_side": (0.5, 1.2)},
        {"blur": 0.6, "sharpness": 0.6},
    ],
)
def test_wrong_settings_name_the_field(wrong: dict) -> None:
    with pytest.raises(ConfigError, match=f"augmentation.{next(iter(wrong))}"):
        AugmentationSettings(**wrong)


@pytest.mark.parametrize("upright", [False, True])
def test_the_zoom_keeps_image_and_mask_aligned(upright: bool) -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[20:44] = 1
    mask = mask.T.copy() if upright else mask
    image = np.repeat(mask[..., None] * 255, 3, axis=2)
    for seed in range(50):
        out, out_mask = zoom_on_defect(image, mask, np.random.default_rng(seed), (0.25, 0.5))
        grey = out[..., 0].astype(int)
        decided = abs(grey - 127.5) > 4  # between two pixels the nearest is a matter of rounding
        np.testing.assert_array_equal((grey > 127)[decided], (out_mask == 1)[decided])


# -- what is drawn, and what is done with it -------------------------------------------------------------


def test_parameters_are_uniform_between_their_limits() -> None:
    settings = AugmentationSettings(
        affine=1, rotate_degrees=30, scale=(0.5, 2.0), translate=0.2, shear_degrees=0
    )
    draw = random.Random(0)
    found = np.array([decomposed(affine_matrix(settings, (100, 200), draw)) for _ in range(4000)])
    limits = {"rotation": (-30, 30), "zoom": (0.5, 2), "zoom_y": (0.5, 2), "x": (-40, 40), "y": (-20, 20)}
    for values, (name, (low, high)) in zip(found.T, limits.items(), strict=True):
        assert values.min() >= low - 1e-6, name
        assert values.max() <= high + 1e-6, name
        # Shifts are whole pixels, rounded towards zero, so that no shift is met twice as often as others.
        tolerance = 0.05 if name in ("x", "y") else 0.025
        assert kstest(values, uniform(low, high - low).cdf).statistic < tolerance, name
    assert np.abs(np.corrcoef(found.T) - np.eye(5)).max() < 0.06  # each is drawn by itself


def decomposed(matrix: np.ndarray) -> tuple[float, float, float, float, float]:
    """Rotation (degrees), zooms and shifts of a change without shear, for 100×200 pixels."""
    centre = np.array([99.5, 49.5])
    shift = matrix[:, :2] @ centre + matrix[:, 2] - centre
    # The rotation comes after the zoom: a column turns by the angle, whatever its zoom.
    turn = -np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0]))
    return turn, *np.linalg.norm(matrix[:, :2], axis=0), *shift


def test_shear_slants_both_axes_within_its_limit() -> None:
    settings, draw = AugmentationSettings(affine=1, shear_degrees=10), random.Random(0)
    found = np.array([affine_matrix(settings, (64, 64), draw)[:, :2] for _ in range(2000)])
    for slant in (found[:, 0, 1], found[:, 1, 0]):
        degrees = np.degrees(np.arctan(slant))
        assert kstest(degrees, uniform(-10, 20).cdf).statistic < 0.04
    np.testing.assert_array_equal(found[:, 0, 0], 1)


def test_a_point_goes_where_the_matrix_says() -> None:
    settings = AugmentationSettings(
        affine=1.0, rotate_degrees=20, scale=(0.8, 1.25), translate=0.1, shear_degrees=8
    )
    for seed in range(20):
        rng = np.random.default_rng(seed)
        image = np.zeros((81, 101, 3), np.uint8)
        image[38:43, 48:53] = 255
        mask = (image[..., 0] > 0).astype(np.uint8)
        out, out_mask = Augmentation(settings).augment(image, mask, seed)
        rng.random(), rng.random()
        matrix = affine_matrix(settings, (81, 101), random.Random(int(rng.integers(2**63))))
        expected = matrix @ (50, 40, 1)
        weights = out[..., 0].astype(float)
        y, x = np.indices(weights.shape)
        centroid = (weights * x).sum() / weights.sum(), (weights * y).sum() / weights.sum()
        np.testing.assert_allclose(centroid, expected, atol=0.1)
        np.testing.assert_allclose(np.argwhere(out_mask == 1).mean(axis=0)[::-1], expected, atol=0.6)


def noise() -> np.ndarray:
    rng = np.random.default_rng(1)
    return gaussian_filter(rng.uniform(0, 255, (64, 64, 3)), (1, 1, 0)).astype(np.uint8)


def outcomes(settings: AugmentationSettings, count: int = 200) -> list[np.ndarray]:
    mask = np.zeros((64, 64), np.uint8)
    return [Augmentation(settings).augment(noise(), mask, seed)[0] for seed in range(count)]


def test_blur_is_gaussian_with_sigma_between_its_limits() -> None:
    sigmas = np.linspace(0.3, 1.5, 81)
    blurred = np.stack([gaussian_filter(noise().astype(float), (s, s, 0), mode="mirror") for s in sigmas])
    found = []
    for image in outcomes(AugmentationSettings(blur=1.0, blur_sigma=1.5)):
        error = np.abs(blurred - image).mean(axis=(1, 2, 3))
        assert error.min() < 0.6  # of 255: what rounding to whole numbers costs
        found.append(sigmas[error.argmin()])
    # Below half a pixel all blurs are nearly alike, so the drawn sigma is compared above it.
    assert kstest([s for s in found if s > 0.6], uniform(0.6, 0.9).cdf).pvalue > 0.01
    assert 0.15 < np.mean(np.array(found) <= 0.6) < 0.35


def test_sharpening_adds_the_difference_from_the_neighbours() -> None:
    image = noise().astype(float)
    around = uniform_filter(image, (3, 3, 1), mode="mirror")
    found = []
    for out in outcomes(AugmentationSettings(sharpness=1.0)):
        free = (out > 0) & (out < 255)
        edges = 9 * (image - around)
        strength = (edges * (out - image))[free].sum() / (edges**2)[free].sum()
        np.testing.assert_allclose(out, np.clip(image + strength * edges, 0, 255), atol=0.8)
        found.append(strength)
    assert kstest(found, uniform(0.1, 0.3).cdf).pvalue > 0.01


def test_tone_is_a_line_of_the_grey_values() -> None:
    image = noise().astype(float)
    found = []
    for out in outcomes(AugmentationSettings(tone=1.0, contrast=0.3, brightness=0.2)):
        free = (out > 0) & (out < 255)
        gain, offset = np.polyfit(image[free], out[free] + 0.5, 1)  # values are cut, not rounded
        np.testing.assert_allclose(out, np.floor(np.clip(gain * image + offset, 0, 255)), atol=1)
        found.append((gain, offset))
    gains, offsets = np.array(found).T
    assert kstest(gains, uniform(0.7, 0.6).cdf).pvalue > 0.01
    assert kstest(offsets, uniform(-51, 102).cdf).pvalue > 0.01


def test_each_change_is_made_as_often_as_its_probability_says() -> None:
    image, mask = noise(), np.zeros((64, 64), np.uint8)
    for only, share in (
        (AugmentationSettings(affine=0.5, rotate_degrees=20), 0.5),
        (AugmentationSettings(blur=0.1), 0.1),
        (AugmentationSettings(sharpness=0.1), 0.1),
        (AugmentationSettings(tone=0.5, contrast=0.2, brightness=0.1), 0.5),
    ):
        changed = [
            not np.array_equal(Augmentation(only).augment(image, mask, s)[0], image) for s in range(600)
        ]
        assert abs(np.mean(changed) - share) < 4 * np.sqrt(share * (1 - share) / 600)
