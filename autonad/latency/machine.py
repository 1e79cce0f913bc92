"""Facts about the machine that this process runs on."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CpuTime:
    """Seconds of processor time, counted from some moment in the past.

    Attributes:
        busy: Of all cores of the machine together, by everybody; a virtual machine's neighbours included.
        own: Of all threads of this process.
        at: Of the clock on the wall.
    """

    busy: float
    own: float
    at: float


def cpu_time(source: Path = Path("/proc/stat")) -> CpuTime | None:
    """Processor time so far; None where the system does not say."""
    try:
        words = source.read_text().split("\n", 1)[0].split()
        # user nice system idle iowait irq softirq steal; what follows is counted in the first two already.
        user, nice, kernel, _, _, irq, softirq, steal = (int(word) for word in words[1:9])
        ticks = os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, AttributeError):
        return None
    busy = (user + nice + kernel + irq + softirq + steal) / ticks
    return CpuTime(busy, time.process_time(), time.monotonic())


def cpu_name() -> str:
    """Processor name as its maker writes it; the instruction set where the system does not say."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() in ("model name", "Model", "Hardware") and value.strip():
                return " ".join(value.split())
    except OSError:
        pass
    try:  # Single-board computers name themselves in the device tree only.
        return Path("/proc/device-tree/model").read_text().strip("\0\n ")
    except OSError:
        return (
            _output("sysctl", "-n", "machdep.cpu.brand_string") or platform.processor() or platform.machine()
        )


def gpu_name() -> str | None:
    """Name of the first NVIDIA graphics processor; None without one."""
    names = _output("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
    return names.splitlines()[0].strip() if names else None


def memory_gib() -> int:
    """Main memory, rounded to GiB; 0 where the system does not say."""
    try:
        return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30)
    except (ValueError, OSError, AttributeError):
        return 0


def system() -> str:
    """Operating system, "Linux"."""
    return platform.system()


def instruction_set() -> str:
    """Instruction set, "x86_64"."""
    return platform.machine()


def _output(*command: str) -> str | None:
    if shutil.which(command[0]) is None:
        return None
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (subprocess.SubprocessError, OSError):
        return None
    return answer.stdout.strip() or None
