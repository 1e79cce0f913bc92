"""Connections whose clients take too long are cut off: uvicorn itself waits for ever."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class ImpatientProtocol(H11Protocol):
    """HTTP/1.1 on one connection, with a limit for the arrival of a request and for taking its answer.

    Args:
        arrival_seconds: From a request's first byte, or the connection, to its last byte.
        taking_seconds: In which an answer that does not fit into the socket's buffers is taken.
        options: Of `H11Protocol`.
    """

    def __init__(self, *, arrival_seconds: float, taking_seconds: float, **options: Any) -> None:
        super().__init__(**options)
        self._arrival_seconds, self._taking_seconds = arrival_seconds, taking_seconds
        self._arriving: asyncio.TimerHandle | None = None
        self._taking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Wait for the rest of a request, or no more."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing."""
        for timer in (self._arriving, self._taking):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client takes its answer more slowly than it comes."""
        super().pause_writing()
        self._taking = self.loop.call_later(self._taking_seconds, self._abort)

    def resume_writing(self) -> None:
        """The client has taken most of its answer."""
        super().resume_writing()
        if self._taking is not None:
            self._taking.cancel()

    def _watch(self) -> None:
        is_arriving = self.conn.their_state in (h11.IDLE, h11.SEND_BODY)
        if is_arriving and self._arriving is None:
            self._arriving = self.loop.call_later(self._arrival_seconds, self._give_up)
        elif not is_arriving and self._arriving is not None:
            self._arriving.cancel()
            self._arriving = None

    def _give_up(self) -> None:
        if self.conn.our_state is h11.IDLE and not self.transport.is_closing():
            text = f"no whole request arrived within {self._arrival_seconds:g} s; send it faster".encode()
            head = h11.Response(
                status_code=408,
                headers=[("content-type", "text/plain; charset=utf-8"), ("connection", "close")],
                reason=b"Request Timeout",
            )
            for event in (head, h11.Data(data=text), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
            self.transport.close()
        else:
            self._abort()

    def _abort(self) -> None:
        self.transport.abort()


def impatient(*, arrival_seconds: float, taking_seconds: float) -> Any:
    """What uvicorn makes a connection's protocol with; see `ImpatientProtocol`."""
    return partial(ImpatientProtocol, arrival_seconds=arrival_seconds, taking_seconds=taking_seconds)
