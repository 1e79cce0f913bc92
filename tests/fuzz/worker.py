"""A process that damages and imports, and the watch that is kept over it from outside."""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path

import psutil

from .verdict import peak_mib, try_one

SECONDS = 10.0  # of one file, of CPU time
_HANGS = f"hang: more than {SECONDS:.0f} s"
MEBIBYTES = 1024.0
_START = 120.0  # seconds of a fresh process, which imports libraries first
_CONTEXT = multiprocessing.get_context("spawn")

Case = tuple[str, int]


def work(connection: Connection, folder: Path) -> None:
    """Try what is sent in a folder, and answer what was wrong with it, until the process is killed."""
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + 3 * 2**30  # address space is more than memory
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    connection.send(None)
    while True:
        wrong = try_one(*connection.recv(), folder)
        if peak_mib() > MEBIBYTES:
            wrong.append(f"memory: {peak_mib():.0f} MiB")
        connection.send(wrong)


START = work  # what a process runs


class _Worker:
    """A process and what it is doing."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="fuzz-")
        self.connection, there = _CONTEXT.Pipe()
        self.process = _CONTEXT.Process(target=START, args=(there, Path(self.folder.name)), daemon=True)
        self.process.start()
        there.close()
        self.case: Case | None = None
        if not self.connection.poll(_START):
            raise RuntimeError(f"a process did not start within {_START:.0f} s")
        self.connection.recv()

    def give(self, case: Case) -> None:
        self.case = case
        self.begun, self.used = time.monotonic(), self.cpu_s()
        self.connection.send(case)

    def cpu_s(self) -> float:
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system

    def hangs(self) -> bool:
        """Whether it computes too long, or waits for ever; others may keep the machine busy."""
        return self.cpu_s() - self.used > SECONDS or time.monotonic() - self.begun > 10 * SECONDS

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.folder.cleanup()


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
            ready = wait([worker.connection for worker in busy], timeout=1.0)
            for worker in [one for one in busy if one.connection in ready or one.hangs()]:
                busy.remove(worker)
                assert worker.case is not None
                try:
                    wrong = [_HANGS] if worker.connection not in ready else worker.connection.recv()
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
