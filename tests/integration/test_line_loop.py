"""The loop of the mission: the line sees a changed material, keeps it for people, and the next decision is to train."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dark_detector import export_dark
from live_service import service_of
from PIL import Image
from starlette.testclient import TestClient

from autonad.config import parse_config
from autonad.config.context import Context
from autonad.data.ingest.extending import ingest_batch
from autonad.data.ingest.settings import IngestSettings
from autonad.data.synthetic.generator import Appearance, synthesize
from autonad.detector.keeping import Keeper, KeepSettings
from autonad.files import write_json
from autonad.latency.target import Target
from autonad.service.app import create_app
from autonad.steps.decide import DecideResult, decide
from autonad.storage.folder import FolderSource

pytestmark = pytest.mark.slow
CLASSES = ("crack", "hole")
CONFIG = parse_config(
    "decide: {calibration_draws: 0, permutations: 500}\ntracking: {enabled: false}", source="the test"
)
SIZE = (64, 64)


@pytest.fixture
def factory(tmp_path: Path) -> Path:
    """A dataset, a target, a finished search on both, and a detector."""
    synthesize(tmp_path / "data", num_images=120, size=SIZE, materials=("steel",))
    Target.describe("line", threads=1).save(tmp_path / "line.json")
    assert decided(tmp_path).action == "train"
    finish_search(tmp_path)
    assert decided(tmp_path).action == "reuse"
    export_dark(tmp_path / "model.onnx")
    return tmp_path


def decided(root: Path) -> DecideResult:
    folders = {name: root / name for name in ("pin", "search")}
    return decide(
        Context(CONFIG), dataset=root / "data", target=root / "line.json", output=root / "decide", **folders
    )


def finish_search(root: Path) -> None:
    from autonad.appearance.last_search import search_settings, supernet_settings
    from autonad.files import read_json

    target = Target.load(root / "line.json")
    settings = {
        "latency_budget_ms": None,
        "search": search_settings(CONFIG),
        "supernet": supernet_settings(CONFIG),
    }
    key = read_json(root / "pin" / "pin.json", "the pin")["key"]
    write_json(root / "search" / "architecture.json", {})
    about = {"pin_key": key, "hardware_key": target.hardware_key, "target": target.name}
    write_json(root / "search" / "search.json", {**about, "settings": settings})


def line(root: Path, name: str, images: int, **settings: Any) -> list[np.ndarray]:
    """What the line's camera sees of a batch."""
    batch = synthesize(root / name, num_images=images, size=SIZE, **settings)
    return [batch.read_image(row) for row in batch.manifest.to_dict(orient="records")]


def served(root: Path, pictures: list[np.ndarray], place: Path) -> dict[str, int]:
    """The verdicts of the service, which keeps images in a place."""
    keeper = Keeper(KeepSettings(str(place)))
    verdicts: dict[str, int] = {}

    def keep(seen: Any, told: Any) -> None:
        told(keeper.offer(seen))

    with TestClient(create_app(service_of(root / "model.onnx", sink=keep))) as client:
        for number, picture in enumerate(pictures):
            content = io.BytesIO()
            Image.fromarray(picture).save(content, "PNG")
            answer = client.post(
                "/detect", files=[("image", (f"{number}.png", content.getvalue(), "image/png"))]
            )
            assert answer.status_code == 200, answer.text
            verdict = answer.json()["verdict"]
            verdicts[verdict] = verdicts.get(verdict, 0) + 1
    assert keeper.lost == 0
    return verdicts


def test_a_changed_material_on_the_line_ends_in_training(factory: Path) -> None:
    changed = line(
        factory,
        "other",
        200,
        materials=("fabric",),
        seed=7,
        appearance=Appearance(grain=2.0, brightness=-0.2),
    )
    place = factory / "kept"

    verdicts = served(factory, changed, place)
    kept = verdicts.get("REVIEW", 0) + verdicts.get("NG", 0)
    done = ingest_batch(
        factory / "data", FolderSource(place), IngestSettings(near_duplicates=False), date=date(2026, 3, 1)
    )

    assert kept > 20
    assert kept <= done.batch.images + done.batch.copies <= 200
    assert done.batch.labelled == 0
    found = decided(factory)
    assert (found.action, found.moved) == ("train", True), found.reasons
