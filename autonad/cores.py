"""Cores that this process may use: a container's limit counts, by control groups of both versions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

GROUPS, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


@dataclass(frozen=True)
class Throttling:
    """Counters since the group was made.

    Attributes:
        periods: Periods in which the group wanted to run.
        throttled: Those of them in which it used up its quota and had to wait.
    """

    periods: int
    throttled: int


def usable_cores() -> int:
    """Cores that this process may use: the affinity mask, further limited by a container's CPU quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota()
    # A pod limited to 2 CPUs on a host of 64 runs two threads well and 64 badly.
    return cores if quota is None else max(1, min(cores, int(quota)))


def too_many_threads(threads: int, what: str = "threads") -> str:
    """What is wrong with more threads than this process has cores; empty if there are as many.

    Args:
        threads: How many there would be.
        what: What they are called where they are set.
    """
    cores = usable_cores()
    if threads <= cores:
        return ""
    return (
        f"{what} is {threads}, and this process may use {cores} cores: threads that wait for one another are "
        "slower than fewer"
    )


def machine_cores() -> int:
    """Cores of the whole machine, whoever may use them."""
    return os.cpu_count() or 1


def cpu_quota(root: Path = GROUPS, own: Path = OWN) -> float | None:
    """Cores' worth of time that this process may use; None without a limit.

    Args:
        root: Where control groups are mounted.
        own: The file that names this process's groups.
    """
    quotas = [quota for folder in _folders(root, own) if (quota := _quota(folder)) is not None]
    return min(quotas, default=None)


def throttling(root: Path = GROUPS, own: Path = OWN) -> Throttling | None:
    """Counters of the innermost group that has a limit; None without one."""
    for folder in _folders(root, own):
        if _quota(folder) is not None:
            counters = dict(line.split() for line in (_text(folder / "cpu.stat") or "").splitlines())
            try:
                return Throttling(int(counters["nr_periods"]), int(counters["nr_throttled"]))
            except (KeyError, ValueError):
                return None
    return None


def _folders(root: Path, own: Path) -> Iterator[Path]:
    """Folders of this process's CPU groups that can be seen, innermost first.

    In a container the names in `own` may be the host's, while the mount shows the container's group as root.
    """
    for line in (_text(own) or "0::/").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, name = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        # Version 2 has one tree, version 1 a tree per controller; "cpu" links to "cpu,cpuacct".
        for base in (root / "cpu", root / controllers) if controllers else (root,):
            inner = base / name.lstrip("/")
            yield from (
                path for path in (inner, *inner.parents) if path.is_relative_to(base) and path.is_dir()
            )


def _quota(folder: Path) -> float | None:
    both = _text(folder / "cpu.max")
    if both is None:
        parts = [_text(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period")]
        both = " ".join(part or "" for part in parts)
    try:
        quota, period = (int(number) for number in both.split())
    except ValueError:  # "max", or no such file
        return None
    return quota / period if quota > 0 and period > 0 else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None
