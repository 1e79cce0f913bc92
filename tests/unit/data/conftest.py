from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import layouts
import numpy as np
import pytest

from autonad.data.dataset import Dataset
from autonad.data.synthetic.generator import synthesize


@pytest.fixture
def make_texture() -> Callable[..., np.ndarray]:
    """`layouts.texture`: pictures that resemble one another only if their seeds are equal."""
    return layouts.texture


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
