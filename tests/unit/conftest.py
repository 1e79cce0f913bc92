import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from toy_split import toy_split


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh MLflow database: it takes seconds to create one, so that tests copy it."""
    from autonad.tracking import TrackingSettings
    from autonad.tracking.connection import connect

    path = tmp_path_factory.mktemp("empty") / "mlflow.db"
    connect(TrackingSettings(uri=f"sqlite:///{path}"))
    return path


@pytest.fixture
def new_store(empty_store: Path, tmp_path: Path) -> Callable[..., str]:
    """Makes empty stores; returns their URI."""

    def make(name: str = "mlflow.db") -> str:
        shutil.copyfile(empty_store, tmp_path / name)
        return f"sqlite:///{tmp_path / name}"

    return make


@pytest.fixture
def split() -> SimpleNamespace:
    """Nine generated images with known masks."""
    return toy_split()
