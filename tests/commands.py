"""The command line as tests run it, and settings with which a chain takes seconds and learns little."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# A chain of seconds: tiny space, small images, few epochs. `threads` fixes the order of sums.
SETTINGS = """
seed: 3
threads: 1
synthesize: {num_images: 40, image_side: 48, classes: [crack, blowhole]}
input: {height: 48, width: 48}
space: {preset: tiny}
train_supernet: {epochs: 4, batch_size: 4, validate_every: 2, panel: 2}
profile_latency: {warmup: 1, repeats: 5, networks: 4, accept_noise: true}
search: {population: 6, generations: 3, top_k: 3, finalists: 2, finalist_epochs: 1}
retrain: {epochs: 3, batch_size: 4, validate_every: 1}
evaluate: {resamples: 100, panels: 3}
export: {parity_images: 4}
register:
  minimum: 0
  accept: [nothing-learnt, identical-scores, all-missed, class-never-found, rules-find-nothing]
"""

Autonad = Callable[..., "subprocess.CompletedProcess[str]"]


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "autonad.cli", *map(str, arguments)]


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}


def run_killing(start: Callable[..., Any], arguments: list[object], cwd: Path, grows: Path, seed: int) -> int:
    """Repeat a command, killing it some time after `grows` begins to change; returns the kills.

    One that was killed when its result was whole is refused, and has ended as well.
    """
    rng, kills = random.Random(seed), 0
    for _ in range(12):
        process = start(*arguments, cwd=cwd)
        before = grows.stat().st_size if grows.exists() else 0
        # The first kills fall soon after work begins; later ones leave more time, so that the test ends.
        deadline = None
        while process.poll() is None:
            time.sleep(0.005)
            if deadline is None and grows.exists() and grows.stat().st_size != before:
                deadline = time.monotonic() + rng.uniform(0.0, 0.2) * (1 + kills)
            if kills < 3 and deadline is not None and time.monotonic() > deadline:
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
        _, stderr = process.communicate()
        error = stderr.decode()
        if process.returncode == 0 or "holds the result of a finished" in error:
            return kills
        assert process.returncode == -signal.SIGKILL, error
    raise AssertionError("the run did not end")
