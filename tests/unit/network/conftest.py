import numpy as np
import pytest

from autonad.space import Architecture, SearchSpace


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def architecture(rng: np.random.Generator) -> Architecture:
    return SearchSpace.preset("tiny").sample(rng)
