"""The command line as tests run it, and settings with which a whole chain takes seconds."""

import os
import subprocess
import sys
from collections.abc import Callable

# A chain of seconds: tiny space, small images, few epochs. `threads` fixes the order of sums.
SETTINGS = """
seed: 3
threads: 1
synthesize: {num_images: 40, image_side: 48, classes: [crack, blowhole]}
input: {height: 48, width: 48}
space: {preset: tiny}
train_supernet: {epochs: 4, batch_size: 4, validate_every: 2, panel: 2}
profile_latency: {warmup: 1, repeats: 5, networks: 4, accept_noise: true}
search: {population: 6, generations: 3, top_k: 3, finalists: 2}
retrain: {epochs: 3, batch_size: 4, validate_every: 1}
evaluate: {resamples: 100, panels: 3}
export: {parity_images: 4}
"""

Autonad = Callable[..., "subprocess.CompletedProcess[str]"]


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "autonad.cli", *map(str, arguments)]


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
