"""The memory of the pod that this process runs in, as its control group counts it (versions 1 and 2)."""

from __future__ import annotations

from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
# With version 2 Kubernetes lets the kernel kill all of a container at once, this process included: the one
# that needs too much is killed before, at this share of the limit. Files that the kernel caches do not count.
FULL = 0.97
GIB = 2**30


class PodMemory:
    """Limit, use and kills; all of it unknown, and nothing done, outside of a control group with a limit.

    Args:
        root: Where the control groups are mounted.
    """

    def __init__(self, root: Path = GROUPS) -> None:
        self._second = (root / "cgroup.controllers").is_file()
        self._folder = root if self._second else root / "memory"
        name = "memory.max" if self._second else "memory.limit_in_bytes"
        text = _read(self._folder / name)
        # Without a limit version 1 says a number that no machine has.
        self.limit = int(text) if text.isdigit() and int(text) < 2**60 else None

    def kills(self) -> int:
        """How many processes of the pod were killed for want of memory."""
        name = "memory.events" if self._second else "memory.oom_control"
        return _figures(self._folder / name).get("oom_kill", 0)

    def nearly_full(self) -> str:
        """Why the task must be killed now, before the kernel kills the whole container; empty if it need not.

        Version 1 kills the largest process alone, which is the task.
        """
        if self.limit is None or not self._second or _read(self._folder / "memory.oom.group") != "1":
            return ""
        figures = _figures(self._folder / "memory.stat")
        used = figures.get("anon", 0) + figures.get("shmem", 0)
        return self.ran_out() if used > FULL * self.limit else ""

    def ran_out(self) -> str:
        """That the limit was reached, and what to do."""
        limit = "" if self.limit is None else f" of {self.limit / GIB:.1f} GiB"
        return f"out of memory: the limit{limit} is reached; raise memory_limit in the form's `resources`"


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _figures(path: Path) -> dict[str, int]:
    """Lines of a name and a number."""
    pairs = (line.split() for line in _read(path).splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}
