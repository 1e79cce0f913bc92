"""How much, how large and how long: what a request may ask for, and the refusal that follows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

# Requests whose bodies arrive at the same time, for each that is worked on: a slow network shall not keep
# others waiting, and what has arrived fills memory.
ARRIVING_PER_WORKED_ON = 4


@dataclass(frozen=True)
class Limits:
    """What one request may ask for, and how many there may be.

    Attributes:
        megabytes: Largest body, 10⁶ bytes.
        megapixels: Most pixels of the images of a request together, 10⁶.
        images: Most images of one request.
        in_flight: Requests worked on or waiting for a worker.
        seconds: Longest time from the end of the body to the answer.
        body_seconds: Longest time in which a body arrives.
    """

    megabytes: float = 20
    megapixels: float = 50
    images: int = 16
    in_flight: int = 4
    seconds: float = 30
    body_seconds: float = 10

    @property
    def max_bytes(self) -> int:
        """Largest body, bytes."""
        return round(self.megabytes * 1e6)

    @property
    def max_pixels(self) -> int:
        """Most pixels of the images of a request together."""
        return round(self.megapixels * 1e6)


class Refusal(Exception):
    """A request is refused.

    Args:
        status: HTTP's code.
        detail: Why, in one line: what came, what is needed, how to mend it.
        headers: Of the answer.
    """

    def __init__(self, status: int, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Places:
    """A number of places; one is taken at once or refused. For the event loop's thread alone.

    Args:
        most: How many there are.
        what: What is too many if none is left, for the message.
    """

    def __init__(self, most: int, what: str) -> None:
        self.most, self.taken, self._what = most, 0, what

    def check(self) -> None:
        """Refuse if no place is left.

        Raises:
            Refusal: 429.
        """
        if self.taken >= self.most:
            raise Refusal(
                429, f"{self.most} requests are {self._what}; ask again in a second", Retry_After="1"
            )

    def enter(self) -> None:
        """Take a place; see `check`."""
        self.check()
        self.taken += 1

    def leave(self) -> None:
        """Give a place back."""
        self.taken -= 1

    @contextmanager
    def held(self) -> Iterator[None]:
        """A place for as long as the context is open."""
        self.enter()
        try:
            yield
        finally:
            self.leave()


class Workers:
    """Threads that work on requests; what all of them and the queue before them cannot take is refused.

    Args:
        threads: Requests at the same time.
        limits: How many may wait, and how long.
    """

    def __init__(self, threads: int, limits: Limits) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="detect")
        self._seconds = limits.seconds
        self.places = Places(limits.in_flight, "being worked on")
        self.arriving = Places(ARRIVING_PER_WORKED_ON * limits.in_flight, "arriving")

    async def run(self, work: Callable[[], T]) -> T:
        """Let a thread work.

        Raises:
            Refusal: 429 if all are busy, 503 if it takes too long; a thread that has begun keeps its place
                until it is done.
        """
        loop = asyncio.get_running_loop()
        self.places.enter()

        def done(_: Any) -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self.places.leave)

        future = self._pool.submit(work)
        future.add_done_callback(done)
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.wrap_future(future)
        except TimeoutError as error:
            raise Refusal(
                503,
                f"no answer within {self._seconds:g} s; send a smaller image, or ask again later",
                Retry_After="5",
            ) from error

    def close(self) -> None:
        """Wait for what has begun."""
        self._pool.shutdown(wait=True, cancel_futures=True)
