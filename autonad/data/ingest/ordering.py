"""The same work for many items in several threads: results in order, and few of them at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from threading import Event
from typing import Generic, TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# Handing one item to a thread costs more than reading a small image.
_CHUNK = 16
_AHEAD = 8


def in_order(
    pool: Executor, function: Callable[[_Item], _Result], items: Sequence[_Item]
) -> Iterator[_Result]:
    """The results of a function, in the order of the items.

    Unlike `Executor.map` it does not run away from whoever takes the results, so memory stays flat; and
    what is not needed any more, after an error or an interrupt, is not begun.

    Args:
        pool: Where the function is called.
        function: Safe to be called by several threads; its errors are raised here, in order.
        items: What it is called with.
    """
    stopped = Event()

    def call(part: Sequence[_Item]) -> list[_Result]:
        return [function(item) for item in part if not stopped.is_set()]

    waiting: deque[Future[list[_Result]]] = deque()
    try:
        for start in range(0, len(items), _CHUNK):
            waiting.append(pool.submit(call, items[start : start + _CHUNK]))
            if len(waiting) > _AHEAD:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        stopped.set()
        for future in waiting:
            future.cancel()


class Bounded(Generic[_Item, _Result]):
    """The same for items that come one by one: whoever brings them waits while too many are under way.

    Attributes:
        under_way: What was begun and not taken yet.
    """

    def __init__(self, pool: Executor, function: Callable[[_Item], _Result]) -> None:
        """Begin without items; see `in_order`."""
        self._pool, self._function = pool, function
        self.under_way: deque[Future[_Result]] = deque()
        self._done: list[_Result] = []

    def add(self, item: _Item) -> None:
        """Begin one item; an error of an earlier one is raised here."""
        self.under_way.append(self._pool.submit(self._function, item))
        while len(self.under_way) > _CHUNK * _AHEAD:
            self._done.append(self.under_way.popleft().result())

    def results(self) -> list[_Result]:
        """Wait for all; their results, in order."""
        while self.under_way:
            self._done.append(self.under_way.popleft().result())
        return self._done

    def cancel(self) -> None:
        """Begin nothing more of what was added."""
        for future in self.under_way:
            future.cancel()
