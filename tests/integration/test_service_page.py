"""The service's page in headless Chromium, as a tablet and as a screen on the shop floor.

    SERVICE_PICTURES=FOLDER python -m pytest tests/integration/test_service_page.py

leaves the pictures in FOLDER.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from cockpit import chromium
from dark_detector import CLASSES, export_dark, save, surface
from live_service import Live, live, service_of

from autonad.detector.rules import Rules

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.slow,
    pytest.mark.skipif(chromium() is None, reason="Chromium is not here"),
]
LEAST = 44  # pixels that a finger needs


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(service_of(export_dark(tmp_path_factory.mktemp("model") / "model.onnx"))) as service:
        yield service


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    size = (600, 800)
    both = np.where(surface((400, 200, 440, 300), size=size, level=62) == 62, 62, surface(size=size))
    both[100:118, 120:500] = 20
    save(folder / "ng.png", both.astype(np.uint8))
    save(folder / "review.png", surface((400, 200, 440, 300), size=size, level=62))
    save(folder / "ok.png", surface(size=size))
    (folder / "bad.png").write_bytes(b"no image")
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    camera = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", *camera])
        yield browser
        browser.close()


@pytest.fixture(params=[(400, "light"), (400, "dark"), (1400, "light"), (1400, "dark")], ids=str)
def page(browser: Any, service: Live, request: pytest.FixtureRequest) -> Iterator[Any]:
    width, scheme = request.param
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda sent: None if ours(sent.url, service) else complaints.append(sent.url))
    page.goto(service.address)
    page.wait_for_selector("details")
    yield page
    page.close()
    assert complaints == []


def ours(url: str, service: Live) -> bool:
    return url.startswith((service.address, "blob:", "data:"))


def show(page: Any, path: Path, verdict: str) -> None:
    page.set_input_files("#file", path)
    page.wait_for_selector(f"#verdict.{verdict}:not(.busy)")


def picture(page: Any, name: str) -> None:
    if folder := os.environ.get("SERVICE_PICTURES"):
        is_dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
        file = f"{page.viewport_size['width']}-{'dark' if is_dark else 'light'}-{name}.png"
        page.screenshot(path=Path(folder) / file, full_page=True)


def test_verdicts_are_seen_by_word_shape_and_colour(page: Any, images: Path) -> None:
    seen = []
    for verdict in ("ok", "review", "ng"):
        show(page, images / f"{verdict}.png", verdict)
        picture(page, verdict)
        (shape,) = [
            one.get_attribute("class")
            for one in page.locator("#verdict g").all()
            if one.evaluate("group => getComputedStyle(group).display") != "none"
        ]
        style = "getComputedStyle(document.getElementById('verdict')).backgroundColor"
        seen.append((page.text_content("#word"), shape, page.evaluate(style)))
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        word = page.locator("#word").bounding_box()
        assert word["height"] >= 48
        assert word["x"] + word["width"] <= page.viewport_size["width"]

    assert [word for word, _, _ in seen] == ["OK", "REVIEW", "NG"]
    assert len({shape for _, shape, _ in seen}) == len({colour for _, _, colour in seen}) == 3


def test_defects_are_listed(page: Any, images: Path) -> None:
    show(page, images / "ng.png", "ng")

    rows = page.locator("#defects tr").all_text_contents()
    assert len(rows) == 2
    assert rows[0].startswith("NGcrack")
    assert rows[1].startswith("REVIEWcrack")
    assert page.get_attribute("#picture", "src").startswith("data:image/png")
    page.uncheck("#drawn")
    assert page.get_attribute("#picture", "src").startswith("blob:")


def test_everything_that_is_touched_is_large_enough(page: Any, images: Path) -> None:
    show(page, images / "ng.png", "ng")
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")

    for selector in ("button:visible", "label.button", ".check", "input[type=range]", "summary"):
        boxes = [one.bounding_box() for one in page.locator(selector).all()]
        assert boxes
        for box in boxes:
            assert box["height"] >= LEAST, selector
            assert box["width"] >= LEAST, selector


def test_rules_are_tried_and_taken_along(page: Any, images: Path, tmp_path: Path) -> None:
    show(page, images / "review.png", "review")
    assert page.is_hidden("#changed")
    slider = page.locator("input[aria-label^='crack: Below this mean probability']")
    slider.fill("0.4")
    page.wait_for_selector("#verdict.ng:not(.busy)")
    assert page.is_visible("#changed")
    with page.expect_download() as downloading:
        page.click("#download")
    downloading.value.save_as(tmp_path / "rules.yaml")
    rules = Rules.load(tmp_path / "rules.yaml", CLASSES)
    page.click("#reset")
    page.wait_for_selector("#verdict.review:not(.busy)")

    assert rules.classes["crack"].review == 0.4
    assert rules.classes["hole"] == Rules.default(CLASSES).classes["hole"]
    assert yaml.safe_load((tmp_path / "rules.yaml").read_text()) == rules.to_dict()


def test_a_picture_of_the_camera_is_judged(page: Any, images: Path) -> None:
    show(page, images / "ng.png", "ng")
    page.click("#film")
    page.wait_for_selector("#shoot:visible")
    assert page.text_content("#word") == "Ready"  # no verdict of another picture beside what is seen
    while not page.evaluate("document.getElementById('camera').videoWidth"):
        page.wait_for_timeout(50)
    page.click("#shoot")
    page.wait_for_selector("#verdict:not(.none):not(.busy)")

    assert page.is_hidden("#camera")
    assert page.is_visible("#picture")


def test_what_is_no_image_gives_no_verdict_but_the_reason(page: Any, images: Path) -> None:
    show(page, images / "ng.png", "ng")
    page.set_input_files("#file", images / "bad.png")
    page.wait_for_selector("#note:visible")

    assert "it is damaged or no image" in page.text_content("#note")
    assert page.text_content("#word") == "No verdict"
    assert page.locator("#defects tr").count() == 0
    picture(page, "refused")


def test_a_token_is_asked_for(browser: Any, images: Path, tmp_path: Path) -> None:
    model = export_dark(tmp_path / "model.onnx")
    with live(service_of(model), token="s3cret") as service:
        page = browser.new_page(viewport={"width": 400, "height": 900})
        page.goto(service.address)
        page.fill("#token", "s3cret")
        page.click("#login button")
        page.wait_for_selector("details")
        show(page, images / "ng.png", "ng")
        assert page.is_hidden("#login")
        page.close()
