"""From the line back: a changed material is seen, kept, ingested, and the next decision is to train."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dark_detector import export_dark
from live_service import png, service_of
from starlette.testclient import TestClient

from autonad.config import parse_config
from autonad.config.context import Context
from autonad.console import SILENT
from autonad.data.ingest.extending import ingest_batch
from autonad.data.ingest.settings import IngestSettings
from autonad.data.synthetic.generator import Appearance, synthesize
from autonad.detector.keeping import Keeper, KeepSettings
from autonad.files import write_json
from autonad.latency.target import Target
from autonad.service.app import create_app
from autonad.steps.decide import DecideResult, decide
from autonad.steps.select import select
from autonad.storage.folder import FolderSource

pytestmark = pytest.mark.slow
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


def served(root: Path, pictures: list[np.ndarray], settings: KeepSettings) -> Counter[str]:
    """The verdicts of the service, which keeps images."""
    keeper = Keeper(settings)
    verdicts: Counter[str] = Counter()
    service = service_of(root / "model.onnx", sink=lambda seen, told: told(keeper.offer(seen)))
    with TestClient(create_app(service)) as client:
        for number, picture in enumerate(pictures):
            form = [("image", (f"{number}.png", png(picture), "image/png"))]
            answer = client.post("/detect", files=form)
            assert answer.status_code == 200, answer.text
            verdicts[answer.json()["verdict"]] += 1
    assert keeper.lost == 0
    return verdicts


def ingested(root: Path, place: Path) -> int:
    """Images that a batch of kept ones brings; none of them has a mask."""
    done = ingest_batch(root / "data", FolderSource(place), IngestSettings(), date=date(2026, 3, 1))
    assert done.batch.labelled == done.batch.quarantined == 0
    return done.batch.images


def test_a_changed_material_on_the_line_ends_in_training(factory: Path) -> None:
    look = Appearance(grain=2.0, brightness=-0.2)
    place = factory / "kept"

    verdicts = served(
        factory,
        line(factory, "other", 200, materials=("fabric",), seed=7, appearance=look),
        KeepSettings(str(place), ok_share=0),
    )
    chosen = select(SILENT, source=str(place), output=factory / "chosen", count=20)

    assert verdicts["REVIEW"] + verdicts["NG"] == chosen.available > 40
    assert len(chosen.chosen) == 20
    assert 20 < ingested(factory, place) <= chosen.available
    waiting = decided(factory)
    assert (waiting.action, waiting.moved) == ("train", False), "a pin holds labelled images alone"
    assert "differ in appearance" in waiting.reasons[0]

    labelled = ingest_batch(
        factory / "data",
        FolderSource(factory / "chosen"),
        IngestSettings(format="coco"),
        date=date(2026, 3, 2),
    )
    assert labelled.batch.upgraded == 20
    ready = decided(factory)
    assert (ready.action, ready.moved) == ("train", True)


def test_more_of_the_same_material_ends_in_reuse(factory: Path) -> None:
    place = factory / "kept"

    served(
        factory,
        line(factory, "same", 100, materials=("steel",), seed=8),
        KeepSettings(str(place), ok_share=1),
    )

    assert ingested(factory, place) > 20
    found = decided(factory)
    assert (found.action, found.reasons) == ("reuse", ())
