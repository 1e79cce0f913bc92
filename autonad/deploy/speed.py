"""Which of several files of one network is faster here: timed in turns, so that a busy moment meets all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from autonad.latency.measure import WARMUP, Measurement, network_run, quiet, time_calls
from autonad.latency.target import Target

ROUNDS, SAMPLES = 10, 5


def exporting_machine(provenance: Mapping[str, Any]) -> Target:
    """This machine with as many threads as the target has, if it has so many cores.

    With more it would measure another latency than the one that the detector was searched for.

    Args:
        provenance: Of the model, with what `autonad.training.folders.searched_for` found; where that says
            nothing of threads, all usable cores are taken.
    """
    here = Target.describe("this machine", "onnxruntime")
    return here.model_copy(update={"threads": min(provenance.get("target_threads", here.cores), here.cores)})


def time_in_turns(
    models: Mapping[str, bytes], target: Target, input_shape: Sequence[int], *, rounds: int = ROUNDS
) -> dict[str, Measurement]:
    """Time ONNX files against one another.

    Args:
        models: Name → content.
        target: What they run on, which is this machine.
        input_shape: (1, C, H, W).
        rounds: How often every file has its turn, of `SAMPLES` calls.

    Returns:
        Name → latencies, round after round.

    Raises:
        LatencyError: A file cannot be opened or run.
    """
    runs = {name: network_run(content, target, input_shape) for name, content in models.items()}
    samples: dict[str, list[float]] = {name: [] for name in runs}
    with quiet(target):
        for number in range(rounds):
            for name, run in runs.items():
                samples[name] += time_calls(run, warmup=1 if number else WARMUP, repeats=SAMPLES)
    shape = tuple(int(size) for size in input_shape)
    return {name: Measurement(target, shape, tuple(taken), WARMUP) for name, taken in samples.items()}


def speed_up(base: Measurement, other: Measurement) -> float:
    """How many times as fast the other is: the median over the rounds in which both had their turn.

    Within a round the shortest call counts, since others on the machine only ever make a call longer.
    """
    ours, theirs = (np.reshape(each.samples_ms, (-1, SAMPLES)).min(axis=1) for each in (base, other))
    return float(np.median(ours / theirs))
