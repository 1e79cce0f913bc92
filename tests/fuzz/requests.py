"""What the service is sent, damaged: each request is answered, with a reason where it is refused."""

from __future__ import annotations

import asyncio
import json
import re
import zlib
from functools import cache
from pathlib import Path
from typing import Any

from dark_detector import export_dark, surface
from live_service import png, service_of
from starlette.types import ASGIApp, Message

from autonad.errors import ConfigError
from autonad.service.app import create_app
from autonad.service.limits import Limits

from .artefact import Artefact

LIMITS = Limits(megabytes=0.2, megapixels=1, images=3, seconds=8, body_seconds=0.2)
FORM = 'multipart/form-data; boundary="b0undary"'
_PART = b'--b0undary\r\nContent-Disposition: form-data; name="%s"%s\r\n%s\r\n%s\r\n'
_TYPES = (
    *("image/png", FORM, "multipart/form-data", "multipart/form-data; boundary=", "", "text/html", "image/"),
    *(
        "multipart/form-data; boundary=" + "x" * 5000,
        "\xff; charset=\x00",
        "multipart/form-data; boundary=\xe9",
    ),
    *("multipart/form-data; charset=nonsense; boundary=b0undary", "application/x-www-form-urlencoded"),
)
_LENGTHS = (None, "0", "-1", "1e3", "99999999999999999999", "7", "\xb2", "")


def build(root: Path) -> dict[str, Artefact]:
    """An image, a form and headers in a folder, and a service that they are sent to."""
    model = export_dark(root / "served.onnx")
    image = png(surface((10, 20, 14, 50)))
    kinds, rules = b"Content-Type: image/png\r\n", b"classes:\n  hole: {review: 0.5}\n"
    form = _PART % (b"image", b'; filename="a.png"', kinds, image) * 2 + _PART % (b"rules", b"", b"", rules)
    (root / "sent.png").write_bytes(image)
    (root / "sent.form").write_bytes(form + b"--b0undary--\r\n")
    head = {"type": "image/png", "length": str(len(image)), "query": "shapes=rle", "form": False}
    (root / "sent.json").write_text(json.dumps(head))

    @cache
    def app() -> ASGIApp:
        service = service_of(model, limits=LIMITS, threads=1)
        service.state["ready"] = True
        return create_app(service)

    def ask(body: bytes, kind: str, length: str | None, query: str = "", pieces: int = 2) -> None:
        _check(asyncio.run(_answer(app(), body, kind, length, query, pieces)))

    def headers(folder: Path) -> None:
        told = (folder / "sent.json").read_bytes()
        try:
            found = json.loads(told)
        except (ValueError, RecursionError):
            found = None
        asked: dict[str, Any] = found if isinstance(found, dict) else {}
        number = zlib.crc32(told)
        kind, length, query = (asked.get(name) for name in ("type", "length", "query"))
        ask(
            (folder / ("sent.form" if asked.get("form") else "sent.png")).read_bytes(),
            kind[:9000] if isinstance(kind, str) else _TYPES[number % len(_TYPES)],
            length[:9000] if isinstance(length, str) else _LENGTHS[number % len(_LENGTHS)],
            query[:9000] if isinstance(query, str) else "",
            1 + number % 5,
        )

    return {
        "request-image": Artefact(
            "sent.png", "png", lambda f: ask((f / "sent.png").read_bytes(), "image/png", None)
        ),
        "request-form": Artefact(
            "sent.form", "any", lambda f: ask((f / "sent.form").read_bytes(), FORM, None)
        ),
        "request-head": Artefact("sent.json", "json", headers),
    }


async def _answer(
    app: ASGIApp, body: bytes, kind: str, length: str | None, query: str, pieces: int
) -> list[Message]:
    """What is answered; a client that announced more than it sent goes away."""
    given = [(b"content-type", kind.encode("latin-1", "replace"))] * bool(kind)
    given += [(b"content-length", (length or "").encode("latin-1", "replace"))] * (length is not None)
    scope = {
        **{"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST"},
        **{"path": "/detect", "raw_path": b"/detect", "root_path": "", "scheme": "http", "headers": given},
        **{"query_string": query.encode(errors="replace"), "client": ("c", 1), "server": ("s", 80)},
    }
    step = -(-max(1, len(body)) // pieces)
    waiting: list[Message] = [
        {"type": "http.request", "body": body[at : at + step], "more_body": True}
        for at in range(0, len(body), step)
    ]
    lies = length is not None and length.isascii() and length.isdecimal() and int(length) > len(body)
    waiting.append({"type": "http.disconnect"} if lies else {"type": "http.request", "body": b""})
    sent: list[Message] = []

    async def receive() -> Message:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


def _check(sent: list[Message]) -> None:
    """Make sure that a request was answered as the service's description says.

    Raises:
        ConfigError: With the reason of a refusal, which has to be a line.
    """
    status = sent[0]["status"]
    content = b"".join(message.get("body", b"") for message in sent[1:])
    assert status in (200, 400, 408, 413, 415, 422, 429, 503), status
    if status == 200:
        assert {image["verdict"] for image in json.loads(content)["images"]} <= {"OK", "REVIEW", "NG"}
    elif content:
        detail = json.loads(content)["detail"]
        raise ConfigError(re.sub(r"input should be .*", "", detail, flags=re.IGNORECASE))
