"""Clients that are slow, vanish or send nonsense, on real sockets."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from dark_detector import surface
from live_service import Live, live, png, service_of

from autonad.service import serving
from autonad.service.limits import Limits
from autonad.service.serving import is_local, listen

LIMITS = Limits(in_flight=4, body_seconds=0.3, seconds=1)
GOOD = png(surface((10, 20, 14, 50)))
HEAD = b"POST /detect HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n"


@pytest.fixture
def service(dark_model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    monkeypatch.setattr(serving, "SPARE_S", 0.3)
    with live(service_of(dark_model, limits=LIMITS)) as service:
        yield service
        good = service.ask("POST", "/detect", GOOD, Content_Type="image/png")
        assert (good.status, good.json()["verdict"]) == (200, "NG")


def said(service: Live, sent: bytes) -> bytes:
    """All that comes back before the service ends the connection."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        connection.sendall(sent)
        answer = b""
        with suppress(ConnectionResetError):
            while received := connection.recv(65536):
                answer += received
        return answer


def test_a_body_that_never_ends_is_refused(service: Live) -> None:
    answer = said(service, HEAD % len(GOOD) + GOOD[:50])

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"the body did not arrive within 0.3 s" in answer


def test_a_request_that_never_ends_is_refused(service: Live) -> None:
    answer = said(service, b"POST /detect HT")

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"no whole request arrived" in answer


def test_who_says_nothing_is_cut_off(service: Live) -> None:
    assert said(service, b"").startswith(b"HTTP/1.1 408 ")


def test_who_is_refused_and_goes_on_sending_slowly_is_cut_off(service: Live) -> None:
    answer = said(service, HEAD % 10**9)

    assert answer.startswith(b"HTTP/1.1 413 ")


def test_what_is_no_http_is_refused(service: Live) -> None:
    assert said(service, b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_many_slow_clients_keep_nobody_waiting(service: Live) -> None:
    slow = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(8)]
    for one in slow:
        one.sendall(HEAD % len(GOOD) + GOOD[:50])
    begun = time.monotonic()
    good = service.ask("POST", "/detect", GOOD, Content_Type="image/png")
    seconds = time.monotonic() - begun
    for one in slow:
        one.close()

    assert good.status == 200
    assert seconds < 10


def test_who_vanishes_in_the_middle_leaves_nothing_behind(service: Live) -> None:
    for sent in (HEAD % len(GOOD) + GOOD[:50], HEAD % len(GOOD) + GOOD):
        for _ in range(3 * LIMITS.in_flight):
            with socket.create_connection(("127.0.0.1", service.port)) as connection:
                connection.sendall(sent)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        text = service.ask("GET", "/metrics").content.decode()
        if "autonad_requests_in_flight 1.0" in text:
            break

    assert "autonad_requests_in_flight 1.0" in text
    assert 'status="500"' not in text


def test_one_connection_serves_many_requests(service: Live) -> None:
    request = HEAD % len(GOOD) + GOOD
    last = request.replace(b"Host: x", b"Host: x\r\nConnection: close")

    assert said(service, request * 3 + last).count(b"HTTP/1.1 200 OK") == 4


@pytest.mark.parametrize(("host", "local"), [("127.0.0.1", True), ("localhost", True), ("0.0.0.0", False)])
def test_it_is_known_whether_others_can_reach_it(host: str, local: bool) -> None:
    with listen(host, 0) as listening:
        assert is_local(listening) is local
