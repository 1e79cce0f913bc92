from __future__ import annotations

import numpy as np
import pytest

from autonad.data.transforms import PRESETS, Augmentation, AugmentationSettings, zoom_on_defect
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
    assert Augmentation.preset("none") is None


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


def test_unknown_preset_lists_the_known() -> None:
    with pytest.raises(ConfigError, match="none, light, standard, strong"):
        Augmentation.preset("wild")


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
