"""Commands as a shell starts them: asked to end while they begin, or with an output that takes nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
COMMAND = [sys.executable, "-m", "autonad.cli"]
SMALL = [
    "--set",
    "synthesize.num_images=12",
    "--set",
    "synthesize.image_side=32",
    "--set",
    "tracking.enabled=false",
]


def ended(arguments: list[str], cwd: Path, **streams: object) -> tuple[int, str]:
    """Exit code and what is said on the standard error."""
    done = subprocess.run(
        [*COMMAND, *arguments], cwd=cwd, stderr=subprocess.PIPE, text=True, check=False, **streams
    )  # type: ignore[call-overload]
    return done.returncode, done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["synthesize", "--output", "out", *SMALL]])
def test_nobody_reads_the_output(tmp_path: Path, arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        assert ended(arguments, tmp_path, stdout=stream) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device /dev/full")
def test_the_output_is_on_a_full_disk(tmp_path: Path) -> None:
    with open("/dev/full", "w") as stream:
        code, said = ended(["synthesize", "--output", "out", *SMALL], tmp_path, stdout=stream)
    assert code == 141
    assert said.count("\n") == 1
    assert "No space left on device" in said
    assert (tmp_path / "out/manifest.parquet").is_file()


def test_started_without_streams(tmp_path: Path) -> None:
    """`>&- 2>&-`: the files of the command do not become its output."""
    command = " ".join([*COMMAND, "synthesize", "--output", "out", *SMALL]) + " <&- >&- 2>&-"
    assert subprocess.run(["sh", "-c", command], cwd=tmp_path, check=False).returncode == 0
    assert (tmp_path / "out/manifest.parquet").is_file()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("seconds", [0.3, 1.0])
def test_a_signal_in_the_first_second_is_quiet(
    tmp_path: Path, number: int, code: int, seconds: float
) -> None:
    process = subprocess.Popen(
        [*COMMAND, "synthesize", "--output", "out", *SMALL, "--set", "synthesize.num_images=2000"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(seconds)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode in (code, -number)  # before Python has begun with ours
    assert "Traceback" not in said or process.returncode == -number
    assert not (tmp_path / "out").exists()
