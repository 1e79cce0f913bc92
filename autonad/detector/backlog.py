"""Keeping beside the work: what waits to be written to a slow place holds up nobody."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore

from autonad.detector.keeping import Keeper, Sighting

# Images that wait at most; each holds its pixels in memory.
MOST_WAITING = 8


class Backlog:
    """Offers images to a keeper, one after the other, in a thread of its own.

    Where more come than the place takes, those are lost that find no room to wait.

    Args:
        keeper: What keeps.
    """

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._room = BoundedSemaphore(MOST_WAITING)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="keeping")

    def offer(self, seen: Sighting, told: Callable[[bool], None]) -> None:
        """Have an image kept, if it is worth it.

        Args:
            seen: The image.
            told: Called with True when it is kept, with False when it is lost; not at all if it need not be.
        """
        if not self._room.acquire(blocking=False):
            told(False)
            return
        self._thread.submit(self._keep, seen, told)

    def close(self) -> None:
        """Wait for what is still to be kept."""
        self._thread.shutdown(wait=True)

    def _keep(self, seen: Sighting, told: Callable[[bool], None]) -> None:
        try:
            lost = self._keeper.lost
            if self._keeper.offer(seen):
                told(True)
            elif self._keeper.lost > lost:
                told(False)
        finally:
            self._room.release()
