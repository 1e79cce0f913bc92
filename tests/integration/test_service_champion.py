"""The service follows the champion of a registry: fetched, checked, and taken up while it runs."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from dark_detector import dark_spec, export_dark, surface
from live_service import png, serving

from autonad.deploy import MODEL
from autonad.files import sha256_file
from autonad.tracking import TrackingSettings
from autonad.tracking.registry.model_versions import Version
from autonad.tracking.registry.registry import Registry

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]
NAME = "autonad-steel-cpu"


def promoted(registry: Registry, model: Path) -> Version:
    example = png(np.zeros((64, 64, 3), np.uint8))
    version = registry.add(NAME, {MODEL: model}, run_id=None, tags={}, example=example)
    assert registry.decide(version, promote=True, description="", rival=registry.champion(NAME))
    return version


def test_another_champion_is_in_use_within_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    registry = Registry(TrackingSettings(uri=uri))
    first = export_dark(tmp_path / "first.onnx")
    second = export_dark(tmp_path / "second.onnx", dark_spec(32, 32))
    promoted(registry, first)
    with serving(f"models:/{NAME}@champion", "--set", f"tracking.uri={uri}") as service:
        begun = service.ask("GET", "/version").json()["model"]
        assert (begun["version"], begun["sha256"]) == ("1", sha256_file(first))
        promoted(registry, second)
        deadline = time.monotonic() + 120
        while (now := service.ask("GET", "/version").json()["model"])["version"] == "1":
            assert time.monotonic() < deadline
            time.sleep(0.2)
        answer = service.ask("POST", "/detect", png(surface((10, 20, 14, 50))), Content_Type="image/png")

    assert (now["version"], now["sha256"]) == ("2", sha256_file(second))
    assert answer.json()["verdict"] == "NG"
    assert answer.json()["model"] == now
