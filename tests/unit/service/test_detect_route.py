"""`POST /detect`: what is asked for comes back, and it is what the detector says."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dark_detector import CLASSES, dark_spec, export_dark, save, surface
from live_service import png, service_of
from PIL import Image
from starlette.testclient import TestClient

from autonad.data.pixels.scaling import ImageReading
from autonad.data.single_image import decode_single
from autonad.detector.backlog import Backlog
from autonad.detector.engine import Detector
from autonad.detector.keeping import Keeper, KeepSettings, Sighting
from autonad.detector.session import OnnxNetwork
from autonad.files import sha256_file
from autonad.service.app import create_app
from autonad.service.limits import Limits

NG = surface((10, 20, 14, 50), (40, 40, 50, 45), size=(64, 80))
REVIEW = surface((10, 20, 14, 50), level=62)


@pytest.fixture(scope="module")
def client(dark_model: Path) -> Iterator[TestClient]:
    with TestClient(create_app(service_of(dark_model))) as client:
        yield client


def form(*images: np.ndarray) -> list[tuple[str, tuple[str, bytes, str]]]:
    return [("image", (f"{number}.png", png(image), "image/png")) for number, image in enumerate(images)]


def test_the_answer_is_the_detectors(client: TestClient, dark_model: Path) -> None:
    network = OnnxNetwork.open(dark_model)
    judged = Detector(network.forward, network.spec, network.rules).detect(NG).judgement

    answer = client.post("/detect", content=png(NG), headers={"Content-Type": "image/png"}).json()

    (image,) = answer["images"]
    assert (answer["verdict"], image["verdict"], image["reason"]) == ("NG", "NG", judged.reason)
    assert (image["height"], image["width"], image["too_small"]) == (64, 80, judged.ignored)
    assert len(image["defects"]) == 2
    for told, defect in zip(image["defects"], judged.defects, strict=True):
        expected = defect.to_dict()
        assert [told["box"][side] for side in ("top", "left", "bottom", "right")] == list(expected.pop("box"))
        assert {name: told[name] for name in expected} == expected
        assert told["polygon"] is not None
        assert told["rle"] is None


@pytest.mark.parametrize("mode", ["L", "I;16", "RGBA", "CMYK", "P"])
def test_images_are_read_as_in_training(client: TestClient, mode: str) -> None:
    buffer = io.BytesIO()
    if mode == "I;16":
        Image.fromarray(NG[..., 0].astype(np.uint16) * 257).save(buffer, "PNG")
    else:
        Image.fromarray(NG).convert(mode).save(buffer, "TIFF" if mode == "CMYK" else "PNG")
    content = buffer.getvalue()
    as_read = png(decode_single(content, Path("image"), ImageReading()))

    one, other = (
        client.post("/detect", content=sent, headers={"Content-Type": "application/octet-stream"}).json()
        for sent in (content, as_read)
    )

    assert one["images"] == other["images"]
    assert one["verdict"] == "NG"


def test_deep_images_are_scaled_as_the_model_says(tmp_path: Path) -> None:
    reading = asdict(ImageReading(integers=(0.0, 4095.0)))
    model = export_dark(tmp_path / "model.onnx", replace(dark_spec(), reading=reading))
    buffer = io.BytesIO()
    Image.fromarray((surface()[..., 0] * 16.0).astype(np.uint16)).save(buffer, "PNG")
    sent = {"content": buffer.getvalue(), "headers": {"Content-Type": "image/png"}}

    with TestClient(create_app(service_of(model))) as client:
        assert client.post("/detect", **sent).json()["verdict"] == "OK"


def test_a_batch_is_judged_by_its_worst(client: TestClient) -> None:
    answer = client.post("/detect?shapes=none", files=form(surface(), REVIEW, surface())).json()

    assert [one["verdict"] for one in answer["images"]] == ["OK", "REVIEW", "OK"]
    assert [one["name"] for one in answer["images"]] == ["0.png", "1.png", "2.png"]
    assert answer["verdict"] == "REVIEW"
    assert answer["images"][1]["defects"][0]["polygon"] is None


def test_the_worst_defects_alone_are_named_and_all_are_counted(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    (whole,) = client.post("/detect", files=form(NG)).json()["images"]
    monkeypatch.setattr("autonad.detector.judged.MOST_DEFECTS", 1)

    (image,) = client.post("/detect", files=form(NG)).json()["images"]

    assert image["defects"] == whole["defects"][:1]
    assert image["defect_count"] == whole["defect_count"] == len(whole["defects"]) == 2
    assert (image["verdict"], image["reason"]) == (whole["verdict"], whole["reason"])


def test_an_overlay_comes_inside_the_answer_or_is_it(client: TestClient) -> None:
    inside = client.post("/detect?overlay=inline", files=form(NG)).json()
    alone = client.post("/detect?overlay=png", files=form(NG))

    assert alone.headers["Content-Type"] == "image/png"
    assert base64.b64decode(inside["images"][0]["overlay"]) == alone.content
    drawn = np.asarray(Image.open(io.BytesIO(alone.content)))
    assert drawn.shape == NG.shape
    assert (drawn != NG).any()


def test_rules_of_a_request_hold_for_it_alone(client: TestClient) -> None:
    rules = json.dumps({"defaults": {"min_area_px": 4000}})

    with_rules = client.post("/detect", files=form(NG), data={"rules": rules}).json()
    after = client.post("/detect", files=form(NG)).json()

    assert (with_rules["verdict"], with_rules["images"][0]["too_small"]) == ("OK", 2)
    assert after["verdict"] == "NG"


def test_the_rules_in_force_come_as_yaml_and_judge_the_same(client: TestClient, tmp_path: Path) -> None:
    text = client.get("/rules").text

    answer = client.post("/detect", files=form(REVIEW), data={"rules": text}).json()

    assert answer["verdict"] == "REVIEW"
    assert f"  {CLASSES[1]}:" in text


def test_what_runs_is_told(client: TestClient, dark_model: Path) -> None:
    about = client.get("/version").json()

    assert about["classes"] == list(CLASSES)
    assert about["source"] == str(dark_model)
    assert about["rules"]["classes"].keys() == set(CLASSES[1:])
    assert len(about["model"]["sha256"]) == 64
    assert client.get("/health").json() == {"status": "alive"}
    assert client.get("/ready").json() == {"status": "ready"}


def kept_by(dark_model: Path, sink: Any) -> tuple[str, str]:
    """The verdict of a request, and what the figures say of keeping."""
    with TestClient(create_app(service_of(dark_model, sink=sink))) as client:
        verdict = client.post("/detect", files=form(NG)).json()["verdict"]
        return verdict, client.get("/metrics").text


def test_what_came_and_what_was_seen_are_kept(dark_model: Path) -> None:
    kept: list[Sighting] = []

    def sink(seen: Sighting, told: Callable[[bool], None]) -> None:
        kept.append(seen)
        told(True)

    _, figures = kept_by(dark_model, sink)

    (seen,) = kept
    assert (seen.pixels == NG).all()
    assert (seen.detection.judgement.verdict, seen.classes) == ("NG", CLASSES)
    assert seen.model == sha256_file(dark_model)
    assert 'autonad_images_kept_total{outcome="kept"} 1.0' in figures


def test_trials_with_other_rules_are_not_kept(dark_model: Path) -> None:
    kept: list[Sighting] = []

    with TestClient(create_app(service_of(dark_model, sink=lambda seen, told: kept.append(seen)))) as client:
        client.post("/detect", files=form(NG), data={"rules": "{}"})

    assert kept == []


def test_a_full_disk_for_kept_images_stops_no_line(dark_model: Path, tmp_path: Path) -> None:
    keeper = Keeper(KeepSettings(str(tmp_path / "kept")))
    (tmp_path / "kept").write_text("a file where the folder should be")
    backlog, told = Backlog(keeper), list[bool]()

    with TestClient(
        create_app(service_of(dark_model, sink=lambda seen, _: backlog.offer(seen, told.append)))
    ) as client:
        verdict = client.post("/detect", files=form(NG)).json()["verdict"]
    backlog.close()

    assert verdict == "NG"
    assert told == [False]


def test_figures_follow_what_is_seen(dark_model: Path, tmp_path: Path) -> None:
    with TestClient(create_app(service_of(dark_model))) as client:
        for level in (0, 200):
            image = np.full((64, 64, 3), level, np.uint8)
            client.post("/detect", files=form(image))
        client.post("/detect", content=b"nothing", headers={"Content-Type": "image/png"})
        client.get("/no/such/place")
        figures = dict(
            line.rsplit(" ", 1) for line in client.get("/metrics").text.splitlines() if line[0] != "#"
        )

    assert figures['autonad_requests_total{path="/detect",status="200"}'] == "2.0"
    assert figures['autonad_requests_total{path="/detect",status="400"}'] == "1.0"
    assert figures['autonad_requests_total{path="other",status="404"}'] == "1.0"
    assert figures['autonad_images_total{verdict="NG"}'] == "2.0"
    assert figures['autonad_defects_total{class="crack",verdict="NG"}'] == "1.0"
    assert figures['autonad_defects_total{class="hole",verdict="NG"}'] == "1.0"
    assert float(figures['autonad_image_feature{feature="grey_p50"}']) == pytest.approx(100 / 255)
    assert float(figures["autonad_image_brightness_sum"]) == pytest.approx(200 / 255)
    assert figures["autonad_requests_in_flight"] == "1.0"
    assert any(name.startswith("autonad_model_info{") for name in figures)


def test_limits_say_how_many_images(dark_model: Path) -> None:
    with TestClient(create_app(service_of(dark_model, limits=Limits(images=2)))) as client:
        refused = client.post("/detect", files=form(NG, NG, NG))

    assert refused.status_code == 422
    assert "Maximum number of files is 2" in refused.json()["detail"]


def test_saved_and_sent_are_one(client: TestClient, tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", NG)

    sent = client.post("/detect", content=path.read_bytes(), headers={"Content-Type": "image/png"}).json()
    form_ = client.post("/detect", files={"image": ("image", path.read_bytes())}).json()

    assert sent["images"] == form_["images"]
