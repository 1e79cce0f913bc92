from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from autonad.data.dataset import Dataset
from autonad.data.synthetic import synthesize


def texture(seed: int, height: int = 48, width: int = 48) -> np.ndarray:
    """A picture that resembles no other seed's: uint8 (H, W, 3)."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.uniform(0, 255, (9, 9)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    picture = np.clip(coarse + rng.normal(0, 4, (height, width)), 0, 255).astype(np.uint8)
    return np.repeat(picture[..., None], 3, axis=2)


def patch(value: int, height: int = 48, width: int = 48, top: int = 10) -> np.ndarray:
    """A mask with one rectangle of `value`: uint8 (H, W)."""
    mask = np.zeros((height, width), dtype=np.uint8)
    mask[top : top + 12, 8:30] = value
    return mask


def save(path: Path, array: np.ndarray, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


@pytest.fixture
def make_texture() -> Callable[..., np.ndarray]:
    return texture


@pytest.fixture
def make_patch() -> Callable[..., np.ndarray]:
    return patch


@pytest.fixture
def save_image() -> Callable[..., Path]:
    return save


@pytest.fixture(scope="session")
def synthetic_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated dataset that tests only read."""
    root = tmp_path_factory.mktemp("data") / "synthetic"
    synthesize(root, num_images=40, size=(64, 64), seed=3)
    return root


@pytest.fixture
def synthetic(synthetic_root: Path) -> Dataset:
    return Dataset.open(synthetic_root)


@pytest.fixture
def fresh(tmp_path: Path) -> Dataset:
    """A small generated dataset that the test may damage."""
    return synthesize(tmp_path / "fresh", num_images=12, size=(48, 48), seed=1, views=(1, 1))
