"""What cannot be answered is refused with a reason, and the next request is answered."""

from __future__ import annotations

import io
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dark_detector import surface
from live_service import png, service_of
from PIL import Image
from starlette.testclient import TestClient

from autonad.service.app import create_app
from autonad.service.limits import Limits

LIMITS = Limits(megabytes=0.2, megapixels=1, in_flight=2, seconds=20)
GOOD = png(surface((10, 20, 14, 50)))


@pytest.fixture(scope="module")
def client(dark_model: Path) -> Iterator[TestClient]:
    with TestClient(create_app(service_of(dark_model, limits=LIMITS))) as client:
        yield client


def claimed(width: int, height: int) -> bytes:
    """The header of a PNG that claims to be so large."""
    head = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\0\0\0"
    return b"\x89PNG\r\n\x1a\n\0\0\0\r" + head + zlib.crc32(head).to_bytes(4, "big") + b"\0\0\1\0IDAT"


def animated() -> bytes:
    buffer = io.BytesIO()
    frames = [Image.fromarray(surface(level=level)) for level in (0, 90)]
    frames[0].save(buffer, "WEBP", save_all=True, append_images=[Image.fromarray(surface((1, 1, 9, 9)))])
    return buffer.getvalue()


def noise() -> bytes:
    return png(np.random.default_rng(0).integers(0, 256, (400, 400, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [
        (b"", 400, "the file is empty"),
        (b"no image", 400, "it is damaged or no image"),
        (GOOD[: len(GOOD) // 2], 400, "it is damaged or no image"),
        (b"GIF89a" + bytes(50), 400, "it is damaged or no image"),
        (animated(), 400, "holds 2 pictures"),
        (claimed(2000, 2000), 413, "2000 × 2000 pixels; at most 1 megapixels"),
        (claimed(65000, 65000), 413, "at most 1 megapixels"),
        (noise(), 413, "more than 0.2 MB"),
    ],
    ids=["empty", "text", "truncated", "gif", "animated", "large", "gigantic", "heavy"],
)
@pytest.mark.parametrize("way", ["raw", "form", "chunked"])
def test_bad_images_are_refused_and_the_service_goes_on(
    client: TestClient, content: bytes, status: int, reason: str, way: str
) -> None:
    if way == "form":
        refused = client.post("/detect", files={"image": ("a.png", content)})
    else:
        body: Any = content if way == "raw" else iter([content[:100], content[100:]])
        refused = client.post("/detect", content=body, headers={"Content-Type": "image/png"})

    assert (refused.status_code, refused.headers["Content-Type"]) == (status, "application/json")
    assert reason in refused.json()["detail"]
    assert client.post("/detect", files={"image": ("a.png", GOOD)}).json()["verdict"] == "NG"


def test_small_files_cannot_claim_much_memory_together(client: TestClient) -> None:
    part = png(np.zeros((600, 1000, 3), np.uint8))
    one, two = (
        client.post("/detect", files=[("image", (f"{number}.png", part)) for number in range(count)])
        for count in (1, 2)
    )

    assert (one.status_code, two.status_code) == (200, 413)
    assert two.json()["detail"].startswith("image 1.png has 600 × 1000 pixels; at most 1 megapixels")


def test_one_bad_image_of_a_batch_is_named(client: TestClient) -> None:
    refused = client.post("/detect", files=[("image", ("good.png", GOOD)), ("image", ("bad.png", b"x"))])

    assert refused.status_code == 400
    assert refused.json()["detail"].startswith("image bad.png cannot be read")


BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ("classes: {crak: {}}", "did you mean crack?"),
        ("classes: {crack: {probability: 2}}", "probability"),
        ("defaults: {min_area_mm2: 1}", "nobody says how large a pixel is"),
        ("[", "are no YAML"),
        (BOMB, "with its aliases it holds more than"),
        ("[" * 5000, "are no YAML"),
        ("just text", "is no mapping"),
        ("x" * 70_000, "exceeded maximum size"),
    ],
)
def test_rules_that_are_none_are_refused(client: TestClient, rules: str, reason: str) -> None:
    refused = client.post("/detect", files={"image": ("a.png", GOOD)}, data={"rules": rules})

    assert refused.status_code == 422
    assert reason in refused.json()["detail"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"files": {"picture": ("a.png", GOOD)}}, "a field 'picture'"),
        ({"files": {"rules": ("a.png", GOOD)}}, "must be text"),
        ({"files": {"image": (None, "text")}}, "must be a file"),
        ({"files": {"rules": (None, "{}")}}, "no field image"),
        ({"content": b"--x\r\n", "headers": {"Content-Type": "multipart/form-data"}}, "boundary"),
        (
            {"content": b"junk", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
            "cannot be read",
        ),
        ({"files": [("image", ("a.png", GOOD))] * 2, "params": {"overlay": "png"}}, "2 images came"),
        ({"files": {"image": ("a.png", GOOD)}, "params": {"shapes": "stars"}}, "shapes: "),
    ],
)
def test_wrong_forms_and_parameters_are_refused(
    client: TestClient, options: dict[str, Any], reason: str
) -> None:
    refused = client.post("/detect", **options)

    assert refused.status_code == 422
    assert reason in refused.json()["detail"]


def test_what_is_no_image_by_its_type_is_refused(client: TestClient) -> None:
    refused = client.post("/detect", data={"image": "x"})

    assert refused.status_code == 415
    assert "multipart/form-data" in refused.json()["detail"]


def test_a_token_guards_what_is_not_for_everybody(dark_model: Path) -> None:
    with TestClient(create_app(service_of(dark_model), token="s3cret")) as client:
        for path in ("/version", "/rules", "/metrics"):
            assert client.get(path).status_code == 401
        refused = client.post("/detect", content=GOOD, headers={"Authorization": "Bearer wrong"})
        assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert client.get("/version", headers={"Authorization": "Bearer s3cret"}).status_code == 200
        for path in ("/health", "/ready", "/", "/page.js", "/page.css"):
            assert client.get(path).status_code == 200


def test_beyond_the_limit_a_request_is_refused_at_once(dark_model: Path) -> None:
    service = service_of(dark_model, limits=LIMITS)
    go, begun = threading.Event(), threading.Semaphore(0)

    def wait() -> None:
        begun.release()
        go.wait()

    with TestClient(create_app(service)) as client:
        portal = client.portal
        assert portal is not None
        running = [portal.start_task_soon(service.workers.run, wait) for _ in range(LIMITS.in_flight)]
        for _ in range(LIMITS.in_flight):
            begun.acquire()
        refused = client.post("/detect", content=GOOD, headers={"Content-Type": "image/png"})
        go.set()
        for one in running:
            one.result()
        while service.workers.places.taken:
            time.sleep(0.001)
        after = client.post("/detect", content=GOOD, headers={"Content-Type": "image/png"})

    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    assert "2 requests are being worked on" in refused.json()["detail"]
    assert after.status_code == 200


def test_what_takes_too_long_is_given_up_but_keeps_its_place(dark_model: Path) -> None:
    service = service_of(dark_model, limits=Limits(in_flight=1, seconds=0.2))
    go = threading.Event()
    with TestClient(create_app(service)) as client:
        assert client.portal is not None
        waiting = client.portal.start_task_soon(service.workers.run, go.wait)
        error = waiting.exception()
        refused = client.post("/detect", content=GOOD, headers={"Content-Type": "image/png"})
        go.set()

    assert getattr(error, "status", None) == 503
    assert refused.status_code == 429
