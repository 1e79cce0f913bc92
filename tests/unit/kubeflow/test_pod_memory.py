"""The pod's memory, from folders as control groups of both versions have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from autonad.kubeflow.pod_memory import FULL, GIB, PodMemory


def second(root: Path, **files: str) -> Path:
    """A control group of version 2; "memory_max" becomes memory.max."""
    (root / "cgroup.controllers").write_text("cpu memory\n")
    for name, text in files.items():
        (root / name.replace("_", ".", 2 if name == "memory_oom_group" else 1)).write_text(f"{text}\n")
    return root


def first(root: Path, limit: int, kills: int = 0) -> Path:
    """A control group of version 1."""
    (root / "memory").mkdir()
    (root / "memory/memory.limit_in_bytes").write_text(f"{limit}\n")
    (root / "memory/memory.oom_control").write_text(f"oom_kill_disable 0\nunder_oom 0\noom_kill {kills}\n")
    return root


def test_limit_and_kills_of_both_versions(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    old = PodMemory(first(tmp_path / "1", 2 * GIB, kills=3))
    new = PodMemory(second(tmp_path / "2", memory_max=str(GIB), memory_events="low 0\noom 4\noom_kill 2"))

    assert (old.limit, old.kills()) == (2 * GIB, 3)
    assert (new.limit, new.kills()) == (GIB, 2)
    assert new.ran_out() == (
        "out of memory: the limit of 1.0 GiB is reached; raise memory_limit in the form's `resources`"
    )


def test_without_a_limit_nothing_is_known_and_nothing_done(tmp_path: Path) -> None:
    for name in ("none", "1", "2"):
        (tmp_path / name).mkdir()
    places = (
        tmp_path / "none",
        first(tmp_path / "1", 9223372036854771712),
        second(tmp_path / "2", memory_max="max", memory_oom_group="1", memory_stat="anon 99999999999"),
    )
    for place in places:
        memory = PodMemory(place)
        assert (memory.limit, memory.kills(), memory.nearly_full()) == (None, 0, "")
        assert "the limit is reached" in memory.ran_out()


@pytest.mark.parametrize(
    ("anonymous", "shared", "group", "killed"),
    [
        (0.5, 0.4, "1", False),
        (0.5, 0.48, "1", True),
        (0.99, 0.0, "1", True),
        (0.99, 0.0, "0", False),  # the kernel kills the task alone
    ],
)
def test_a_full_pod_is_told_before_the_kernel_kills_it_whole(
    anonymous: float, shared: float, group: str, killed: bool, tmp_path: Path
) -> None:
    figures = {"anon": anonymous, "shmem": shared, "file": 0.9}  # what the kernel caches does not count
    stat = "\n".join(f"{name} {int(share * GIB)}" for name, share in figures.items())
    memory = PodMemory(second(tmp_path, memory_max=str(GIB), memory_stat=stat, memory_oom_group=group))

    assert 0.9 < FULL < 0.98
    assert bool(memory.nearly_full()) == killed
    if killed:
        assert "limit of 1.0 GiB" in memory.nearly_full()


def test_files_with_other_content_are_no_figures(tmp_path: Path) -> None:
    memory = PodMemory(second(tmp_path, memory_max="?", memory_events="oom_kill many\na b c\n\n"))

    assert (memory.limit, memory.kills()) == (None, 0)
