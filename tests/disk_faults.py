"""Disks that refuse, and outputs that vanish: one line each, and nothing that was there before is lost.

    python tests/disk_faults.py --folder runs/kill-moments

Uses the chain of `kill_moments.py` in that folder, and makes it where it is missing. Ends with 1 if a fault
was answered otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kill_moments import VERBS, build_chain, command, finish, fresh, start


@dataclass(frozen=True)
class Fault:
    """What happens to a verb.

    Attributes:
        name: What is wrong.
        verb: Key of `VERBS`.
        codes: Exit codes that are right.
        lines: How many lines of error there may be.
    """

    name: str
    verb: str
    codes: tuple[int, ...] = (2,)
    lines: int = 1


FAULTS = (
    *(Fault("full", verb) for verb in VERBS if verb != "profile-latency"),
    Fault("small disk", "train-supernet"),
    Fault("small disk", "retrain"),
    Fault("read-only", "evaluate"),
    Fault("removed", "train-supernet", codes=(0, 2), lines=1),
    Fault("closed output", "synthesize", codes=(141,), lines=0),
    Fault("full output", "synthesize", codes=(141,)),
)


def limited(size: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def without_reader() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    os.dup2(writer, 1)


def on_full_disk() -> None:
    os.dup2(os.open("/dev/full", os.O_WRONLY), 1)


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def before(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != "said.txt" and not p.name.startswith(".")
    }


def meet(fault: Fault, root: Path) -> list[str]:
    """Let a verb meet a fault; what is wrong with its answer."""
    verb, folder, chain = VERBS[fault.verb], root / "fault", root / "chain"
    fresh(folder, chain, verb)
    held, asked = before(folder), command(fault.verb, chain, tracked=False)
    prepare: dict[str, Callable[[], None]] = {
        "full": limited(4000),
        "closed output": without_reader,
        "full output": on_full_disk,
    }
    if fault.name in ("small disk", "read-only"):
        options = "size=128k" if fault.name == "small disk" else "size=1m,ro"
        with mounted(folder / "out", options):
            code = finish(start(asked, folder))
    elif fault.name == "removed":
        child = start(asked, folder)
        deadline = time.monotonic() + 300
        while not (folder / "out/checkpoint/latest.json").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        shutil.rmtree(folder / "out", ignore_errors=True)
        code = finish(child)
    else:
        code = finish(start(asked, folder, prepare[fault.name]))
    said = (folder / "said.txt").read_text()
    wrong = [] if code in fault.codes else [f"exit code {code}: {said[-300:]}"]
    errors = [line for line in said.splitlines() if line.startswith(("error", "Traceback"))]
    if (code != 0 and len(errors) != fault.lines) or "Traceback" in said:
        wrong.append(f"said {errors or said[-600:]}")
    now = before(folder)
    if lost := [name for name in held if now.get(name) != held[name]]:
        wrong.append(f"lost {lost}")
    if left := [name for name in os.listdir(folder) if name.endswith((".lock", ".old", ".tmp"))]:
        wrong.append(f"left {left}")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs/kill-moments"))
    root = parser.parse_args().folder.resolve()
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    build_chain(root / "chain")
    bad = 0
    for fault in FAULTS:
        wrong = meet(fault, root)
        bad += bool(wrong)
        print(f"{fault.name}, {fault.verb}: {wrong or 'right'}", flush=True)
    print(json.dumps({"faults": len(FAULTS), "wrong": bad}))
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
