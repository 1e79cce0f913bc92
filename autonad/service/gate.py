"""Around every request: what is counted, and what every answer carries."""

from __future__ import annotations

import time
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from autonad.service.monitoring import Monitor

# The page loads nothing from elsewhere, and nobody may frame it.
HEADERS: Final = (
    (
        b"content-security-policy",
        b"; ".join(
            (
                b"default-src 'none'",
                b"script-src 'self'",
                b"style-src 'self'",
                b"img-src 'self' blob: data:",
                b"media-src 'self' blob:",
                b"connect-src 'self'",
                b"base-uri 'none'",
                b"form-action 'none'",
                b"frame-ancestors 'none'",
            )
        ),
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"camera=(self), microphone=(), geolocation=()"),
)
OTHER = "other"


class Gate:
    """Counts requests and adds the headers of every answer.

    Args:
        app: What answers.
        monitor: Counts.
        paths: Those that are counted by name.
    """

    def __init__(self, app: ASGIApp, monitor: Monitor, paths: frozenset[str]) -> None:
        self._app, self._monitor, self._paths = app, monitor, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, begun = 500, time.perf_counter()

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
            await send(message)

        with self._monitor.in_flight.track_inprogress():
            try:
                await self._app(scope, receive, sent)
            finally:
                path = scope["path"] if scope["path"] in self._paths else OTHER
                self._monitor.request(path, status, time.perf_counter() - begun)
