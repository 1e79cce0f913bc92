from pathlib import Path

import pytest
from dark_detector import export_dark


@pytest.fixture(scope="session")
def dark_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of a detector whose answers are known."""
    return export_dark(tmp_path_factory.mktemp("model") / "model.onnx")
