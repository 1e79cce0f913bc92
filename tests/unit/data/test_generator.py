from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from autonad.data.dataset import Dataset
from autonad.data.synthetic.defects import DEFECTS, draw_defect
from autonad.data.synthetic.generator import Appearance, render_part, synthesize
from autonad.data.synthetic.textures import MATERIALS, surface
from autonad.errors import DatasetError

CLASSES = ("background", *DEFECTS)


def part(kinds: list[str], seed: int = 0, views: int = 1, material: str = "cast", **look: float):
    return render_part(
        material, kinds, classes=CLASSES, size=(96, 96), views=views, appearance=Appearance(**look), seed=seed
    )


def test_a_seed_decides_every_byte(tmp_path: Path) -> None:
    a = synthesize(tmp_path / "a", num_images=10, size=(48, 48), seed=5)
    b = synthesize(tmp_path / "b", num_images=10, size=(48, 48), seed=5)
    c = synthesize(tmp_path / "c", num_images=10, size=(48, 48), seed=6)
    for file in sorted(p.relative_to(a.root) for p in a.root.rglob("*") if p.is_file()):
        assert (a.root / file).read_bytes() == (b.root / file).read_bytes(), file
    assert a.fingerprint == b.fingerprint != c.fingerprint
    assert not set(a.manifest["group"]) & set(c.manifest["group"])


def test_parts_are_groups_and_classes_reach_every_split(synthetic: Dataset) -> None:
    manifest = synthetic.manifest
    assert len(manifest) == 40
    assert manifest.groupby("group")["split"].nunique().max() == 1
    assert manifest.groupby("group").size().max() <= 3
    for name in ("train", "val", "test"):
        assert (np.array(synthetic.split(name)["pixels"].tolist()).sum(axis=0) > 0).all()


@pytest.mark.parametrize("kind", DEFECTS)
def test_masks_mark_exactly_what_was_changed(kind: str) -> None:
    """Outside of the mask and a soft rim the surface is untouched; inside it differs."""
    rng = np.random.default_rng(1)
    clean = surface("ceramic", rng, (96, 96))
    before = clean.copy()
    changed, mask = draw_defect(kind, clean, rng, inside=(40, 40, 56, 56), scale=96)
    np.testing.assert_array_equal(clean, before)
    difference = np.abs(changed - clean).max(axis=2)
    assert 20 < mask.sum() < 0.4 * mask.size
    assert (difference[mask] > 0.02).mean() > 0.8
    assert (difference[~mask] > 0.1).mean() < 0.03
    far = np.ones_like(mask)
    ys, xs = np.nonzero(mask)
    far[max(0, ys.min() - 12) : ys.max() + 13, max(0, xs.min() - 12) : xs.max() + 13] = False
    assert (difference[far] < 0.02).all()


@pytest.mark.parametrize("kind", ["crack", "scratch", "stain"])
def test_the_edge_of_a_mask_is_where_the_change_is_half(kind: str) -> None:
    flat = np.full((96, 96, 3), 0.5, np.float32)
    changed, mask = draw_defect(kind, flat, np.random.default_rng(2), inside=(40, 40, 56, 56), scale=96)
    difference = np.abs(changed - flat).max(axis=2)
    half = difference > 0.5 * difference.max()
    assert (half & mask).sum() / (half | mask).sum() > 0.97


def test_every_view_has_its_own_mask() -> None:
    """A crack is darker than what lies beside it, in each view, only under that view's mask."""
    images, masks = part(["crack"], views=4, material="steel", blur=0)
    assert len({mask.tobytes() for mask in masks}) == 4
    for image, mask in zip(images, masks, strict=True):
        beside = (cv2.dilate(mask, np.ones((9, 9))) > 0) & (cv2.dilate(mask, np.ones((3, 3))) == 0)
        assert image[mask > 0].mean() < 0.7 * image[beside].mean()


@pytest.mark.parametrize("material", MATERIALS)
def test_materials_are_textured_and_in_range(material: str) -> None:
    a = surface(material, np.random.default_rng(0), (80, 60))
    b = surface(material, np.random.default_rng(1), (80, 60))
    assert a.shape == (80, 60, 3)
    assert a.dtype == np.float32
    assert a.min() >= 0
    assert a.max() <= 1
    assert a.std() > 0.005
    assert not np.array_equal(a, b)
    flat = surface(material, np.random.default_rng(0), (80, 60), grain=0.0)
    assert np.abs(np.diff(flat, axis=0)).mean() < np.abs(np.diff(a, axis=0)).mean()


def test_contrast_makes_defects_visible() -> None:
    def visibility(contrast: float) -> float:
        (clean,), _ = part([], blur=0, noise=0)
        (image,), _ = part(["crack"], blur=0, noise=0, contrast=contrast)
        return float(np.abs(image.astype(int) - clean.astype(int)).mean())

    weak, usual, strong = visibility(0.4), visibility(1.0), visibility(1.6)
    assert weak < usual < strong


def test_size_scales_the_area_of_defects() -> None:
    def area(size: float) -> int:
        return sum(int((part(["stain"], seed=s, size=size)[1][0] > 0).sum()) for s in range(10))

    assert area(0.5) < 0.5 * area(1.0) < area(1.0) < area(1.5)


def test_brightness_noise_and_blur_change_the_image_only() -> None:
    (image,), (mask,) = part(["break"])
    for look in ({"brightness": 0.2}, {"noise": 0.08}, {"blur": 2.0}):
        (other,), (other_mask,) = part(["break"], **look)
        np.testing.assert_array_equal(mask, other_mask)
        assert np.abs(image.astype(int) - other.astype(int)).mean() > 1, look


def test_views_show_the_same_part_from_elsewhere() -> None:
    images, masks = part(["blowhole", "scratch"], views=3)
    shown = [set(np.unique(mask)) for mask in masks]
    assert shown[0] == shown[1] == shown[2]
    assert not np.array_equal(images[0], images[1])


def test_a_fraction_can_be_free_of_defects(tmp_path: Path) -> None:
    dataset = synthesize(tmp_path / "d", num_images=60, size=(32, 32), seed=0, views=(1, 1), defect_free=0.5)
    clean = np.mean([sum(pixels[1:]) == 0 for pixels in dataset.manifest["pixels"]])
    assert 0.3 < clean < 0.7


@pytest.mark.parametrize(
    "wrong",
    [
        {"materials": ["cheese"]},
        {"materials": []},
        {"classes": ["dent"]},
        {"num_images": 0},
        {"size": (16, 64)},
        {"views": (3, 2)},
        {"defect_free": 1.0},
    ],
)
def test_impossible_requests_write_nothing(tmp_path: Path, wrong: dict) -> None:
    with pytest.raises(DatasetError):
        synthesize(tmp_path / "d", **{"num_images": 10, **wrong})
    assert list(tmp_path.iterdir()) == []


def test_appearance_is_checked() -> None:
    with pytest.raises(DatasetError, match="noise is -1"):
        Appearance(noise=-1)
    with pytest.raises(DatasetError, match=r"from 0\.2 to 2"):
        Appearance(size=5)
