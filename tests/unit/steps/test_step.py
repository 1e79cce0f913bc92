"""What surrounds every step."""

import subprocess
import sys
from pathlib import Path

import pytest

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
