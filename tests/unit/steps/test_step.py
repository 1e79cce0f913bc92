"""What surrounds every step."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from autonad import cores
from autonad.config import load_config
from autonad.config.context import Context
from autonad.console import Console
from autonad.steps import step

# A parent that holds 400 MiB starts a small process, by fork and exec as a shell and a launcher do.
PARENT = """
import os, sys
held = bytearray(400 * 2**20)
held[::4096] = b"x" * len(held[::4096])
child = os.fork()
if child == 0:
    code = "from autonad.steps.step import peak_memory_mib; print(peak_memory_mib())"
    os.execv(sys.executable, [sys.executable, "-c", code])
os.waitpid(child, 0)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux says it of the program alone")
def test_the_peak_memory_is_the_own_one():
    done = subprocess.run([sys.executable, "-c", PARENT], capture_output=True, text=True, check=True)
    assert 10 < float(done.stdout) < 300


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["threads=4"], "threads is 4"),
        (["threads=2", "processes=2"], "threads × processes is 4"),
        (["processes=4"], "processes is 4"),
        (["threads=3"], None),
        ([], None),
    ],
)
def test_more_threads_than_cores_are_told_once(monkeypatch, asked, words):
    said: list[str] = []
    monkeypatch.setattr(cores, "usable_cores", lambda: 3)
    context = Context(load_config(None, [*asked, "tracking.enabled=false"]), console=Console(said.append))
    before = torch.get_num_threads()
    try:
        for stage in ("train-supernet", "search"):
            with step.begin(stage, context, params={}):
                pass
    finally:
        torch.set_num_threads(before)
    crowded = [line for line in said if "3 cores" in line]
    assert [line.split(",")[0] for line in crowded] == ([] if words is None else [words])
