"""A process that damages and imports, and the watch that is kept over it from outside."""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
from collections.abc import Iterable, Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from .verdict import peak_mib, try_one

SECONDS = 10.0  # of one file
MEBIBYTES = 1024.0
_START = 120.0  # seconds of a fresh process, which imports libraries first
_CONTEXT = multiprocessing.get_context("spawn")

Case = tuple[str, int]


def work(connection: Connection) -> None:
    """Try what is sent until nothing is, and answer what was wrong with it."""
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + 3 * 2**30  # address space is more than memory
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        connection.send(None)
        while (case := connection.recv()) is not None:
            before = peak_mib()
            wrong = try_one(*case, Path(folder))
            if peak_mib() > max(MEBIBYTES, before + 1):
                wrong.append(f"memory: {peak_mib():.0f} MiB")
            connection.send(wrong)


class _Worker:
    """A process and what it is doing."""

    def __init__(self) -> None:
        self.connection, there = _CONTEXT.Pipe()
        self.process = _CONTEXT.Process(target=work, args=(there,), daemon=True)
        self.process.start()
        there.close()
        self.case: Case | None = None
        if not self.connection.poll(_START):
            raise RuntimeError(f"a process did not start within {_START:.0f} s")
        self.connection.recv()

    def give(self, case: Case | None) -> None:
        self.case = case
        self.connection.send(case)

    def stop(self) -> None:
        self.process.kill()
        self.process.join()


def try_all(cases: Iterable[Case], workers: int) -> Iterator[tuple[Case, list[str]]]:
    """Try each case in one of several processes; one that dies or hangs is replaced.

    Yields:
        The case, and what should not have happened.
    """
    todo = iter(cases)
    free: list[_Worker] = [_Worker() for _ in range(workers)]
    busy: list[_Worker] = []
    try:
        while True:
            while free and (case := next(todo, None)) is not None:
                free[-1].give(case)
                busy.append(free.pop())
            if not busy:
                return
            by_connection: dict[Any, _Worker] = {worker.connection: worker for worker in busy}
            ready = wait(list(by_connection), timeout=SECONDS)
            # Without any answer for that long, whatever is running hangs.
            for worker in [by_connection[one] for one in ready] if ready else list(busy):
                busy.remove(worker)
                assert worker.case is not None
                try:
                    wrong = worker.connection.recv() if ready else [f"hang: more than {SECONDS:.0f} s"]
                except EOFError:
                    worker.process.join()
                    wrong = [f"died: exit code {worker.process.exitcode}"]
                yield worker.case, wrong
                if any(one.startswith(("hang", "died", "memory")) for one in wrong):
                    worker.stop()
                    worker = _Worker()
                free.append(worker)
    finally:
        for worker in (*free, *busy):
            worker.stop()
