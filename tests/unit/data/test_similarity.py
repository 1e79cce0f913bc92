from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from autonad.data.similarity import connected, describe, find_candidates


def worn(image: np.ndarray, turns: int, mirrored: bool) -> np.ndarray:
    """The picture turned, exposed differently and compressed."""
    turned = np.rot90(image[:, ::-1] if mirrored else image, turns)
    exposed = np.clip(turned * 0.8 + 15, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(exposed).save(buffer, "JPEG", quality=70)
    return np.asarray(Image.open(buffer))


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("shape", [(64, 64), (50, 120)])
def test_copies_are_found_in_every_orientation(
    make_texture: Callable[..., np.ndarray], turns: int, mirrored: bool, shape: tuple[int, int]
) -> None:
    image = make_texture(1, *shape)
    pairs = find_candidates(np.stack([describe(image), describe(worn(image, turns, mirrored))])).pairs
    assert [(i, j) for i, j, _ in pairs] == [(0, 1)]


def test_different_surfaces_are_not_copies(make_texture: Callable[..., np.ndarray]) -> None:
    assert find_candidates(np.stack([describe(make_texture(seed)) for seed in range(60)])).pairs == []


def test_pairs_are_found_across_chunks(make_texture: Callable[..., np.ndarray]) -> None:
    descriptors = np.stack([describe(make_texture(seed, 32, 32)) for seed in range(600)])
    descriptors[590] = descriptors[3]
    assert [(i, j) for i, j, _ in find_candidates(descriptors).pairs] == [(3, 590)]


def test_blank_images_resemble_nothing() -> None:
    blank = np.stack([describe(np.full((40, 40, 3), level, np.uint8)) for level in (0, 128, 255)])
    assert not blank.any()
    assert find_candidates(blank).pairs == []


def test_connected_components() -> None:
    assert connected(6, [(4, 1), (1, 5), (2, 3)]) == [0, 1, 2, 2, 1, 1]
    assert connected(3, []) == [0, 1, 2]
    assert connected(0, []) == []
