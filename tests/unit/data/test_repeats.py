"""What tells two images of one part from two parts that look alike."""

from __future__ import annotations

import io
from collections.abc import Callable

import fixed_camera as camera
import numpy as np
import pytest
from PIL import Image

from autonad.data.pictures import CROWD
from autonad.data.repeats import Surface, compare, confirm
from autonad.data.similarity import describe, find_candidates


def worn(image: np.ndarray, quality: int) -> np.ndarray:
    """The picture exposed differently and compressed."""
    buffer = io.BytesIO()
    Image.fromarray(np.clip(image * 0.85 + 12, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def surface(number: int, seed: int, *, clean: bool = False) -> Surface:
    picture, mask = camera.part(number, clean=clean)
    return Surface.of(camera.taken(picture, seed), mask)


def test_different_parts_at_a_fixed_camera_repeat_nothing() -> None:
    parts = [surface(number, number) for number in range(12)]
    likeness = [compare(a, b) for n, a in enumerate(parts) for b in parts[:n]]
    assert not any(found.repeats for found in likeness)
    assert np.mean([found.differs for found in likeness]) > 0.95


def test_clean_parts_at_a_fixed_camera_repeat_nothing() -> None:
    parts = [surface(number, number, clean=True) for number in range(12)]
    assert not any(compare(a, b).repeats for n, a in enumerate(parts) for b in parts[:n])


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_copies_repeat_in_every_orientation(turns: int, mirrored: bool) -> None:
    picture, mask = camera.part(5)
    image = camera.taken(picture, 5)
    copy = worn(image, 85)

    def turned(array: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.rot90(array[:, ::-1] if mirrored else array, turns))

    likeness = compare(Surface.of(image, mask), Surface.of(turned(copy), turned(mask)))
    assert likeness.repeats
    assert not likeness.differs


def test_another_picture_of_the_same_defect_is_no_other_part() -> None:
    likeness = compare(surface(3, 30), surface(3, 31))
    assert not likeness.differs
    assert likeness.defects is not None
    assert likeness.defects > 0.9


def test_without_masks_nothing_is_known_of_defects() -> None:
    image = camera.taken(camera.part(0)[0], 0)
    likeness = compare(Surface.of(image, None), Surface.of(worn(image, 90), None))
    assert likeness.defects is None
    assert likeness.repeats


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (5, 5), (17, 16)])
def test_the_smallest_images_are_compared(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 255, (*shape, 3), dtype=np.uint8)
    assert np.isfinite(compare(Surface.of(image, None), Surface.of(image, None)).pattern)


def confirmed(
    images: list[np.ndarray], masks: list[np.ndarray | None], stated: list[str]
) -> set[tuple[int, int]]:
    candidates = find_candidates(np.stack([describe(image) for image in images]))
    surfaces = [Surface.of(image, mask) for image, mask in zip(images, masks, strict=True)]
    return {(i, j) for i, j, *_ in confirm(candidates, stated, surfaces.__getitem__)[0]}


def test_only_copies_are_found_in_a_crowd() -> None:
    pictures = [camera.part(number, clean=number % 2 == 0) for number in range(2 * CROWD)]
    images = [camera.taken(picture, number) for number, (picture, _) in enumerate(pictures)]
    masks: list[np.ndarray | None] = [mask for _, mask in pictures]
    images += [np.ascontiguousarray(worn(images[n], 85)[::-1]) for n in (4, 7)]
    masks += [np.ascontiguousarray(pictures[n][1][::-1]) for n in (4, 7)]
    assert confirmed(images, masks, [""] * len(images)) == {(4, 2 * CROWD), (7, 2 * CROWD + 1)}
    assert confirmed(images, masks, [str(n) for n in range(len(images))]) == {
        (4, 2 * CROWD),
        (7, 2 * CROWD + 1),
    }


def test_a_crowd_of_copies_is_one_part(make_texture: Callable[..., np.ndarray]) -> None:
    image = make_texture(3, 96, 96)
    rng = np.random.default_rng(0)
    copies = [
        np.clip(image * rng.uniform(0.7, 1.1) + rng.normal(0, 1, image.shape), 0, 255)
        for _ in range(2 * CROWD)
    ]
    images = [copy.astype(np.uint8) for copy in copies]
    found = confirmed(images, [None] * len(images), [""] * len(images))
    assert {i for pair in found for i in pair} == set(range(2 * CROWD))
