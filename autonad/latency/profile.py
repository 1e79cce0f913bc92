"""Filling a latency table on the target: every piece alone, then whole networks to calibrate the sums."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from autonad.errors import LatencyError
from autonad.latency.measure import network_run, quiet, time_calls
from autonad.latency.pieces import piece_groups
from autonad.latency.runtime import Run
from autonad.latency.table import COLUMNS, Calibration, LatencyTable
from autonad.latency.target import Target
from autonad.network import AutoNADNet
from autonad.space import Architecture, SearchSpace

# A sample of a short piece spans several calls, so that the clock and the scheduler weigh little.
SAMPLE_MS = 1.0
Log = Callable[[str, int, int], None]


def profile_space(
    space: SearchSpace,
    target: Target,
    num_classes: int,
    input_size: tuple[int, int],
    *,
    warmup: int = 3,
    repeats: int = 20,
    rounds: int = 5,
    piece_seconds: float = 0.25,
    networks: int = 10,
    network_repeats: int = 30,
    seed: int = 0,
    log: Log | None = None,
) -> LatencyTable:
    """Measure what every choice of a space costs on the target.

    Pieces that compete with one another are timed in turns, round after round, so that a machine that slows
    down for a moment slows all of them.

    Args:
        space: Whose choices.
        target: What to run on.
        num_classes: Classes of the head.
        input_size: (height, width) of the images.
        warmup: Calls of each piece in each round that are not timed.
        repeats: Samples of each piece over all rounds, at least three per round.
        rounds: Rounds.
        piece_seconds: Upper bound of the timed seconds per piece.
        networks: Whole networks that calibrate the sums, at least 4; or 0 for no calibration.
        network_repeats: Timed calls of each whole network.
        seed: Of the networks that are drawn.
        log: Receives what is being timed, how many are done and how many there are.

    Returns:
        The table, with its calibration.

    Raises:
        LatencyError: The target cannot be measured here.
    """
    if 0 < networks < 4:
        raise LatencyError(
            f"calibration with {networks} networks is no calibration; use at least 4, or 0 for none"
        )
    groups = piece_groups(space, num_classes, input_size)
    total, done, rows = sum(map(len, groups)) + networks, 0, []
    # Weights are drawn from a generator of their own: profiling must not change the caller's random numbers.
    with torch.random.fork_rng(devices=[]), quiet(target):
        torch.manual_seed(seed)
        overhead_ms = float(np.median(time_calls(_nothing(target), warmup=20, repeats=30, calls=20)))
        for group in groups:
            runs = [network_run(piece.build(), target, piece.shape) for piece in group]
            samples = _time_in_turns(runs, warmup, repeats, rounds, piece_seconds)
            for piece, timed in zip(group, samples, strict=True):
                rows += [{**row, **_statistics(timed, overhead_ms)} for row in piece.rows]
            done += len(group)
            if log is not None:
                log("pieces", done, total)
        context = {
            "target": target.model_dump(),
            "hardware_key": target.hardware_key,
            "space": space.key,
            "num_classes": num_classes,
            "input_size": list(input_size),
            "batch": 1,
            "warmup": warmup,
            "overhead_ms": overhead_ms,
        }
        table = LatencyTable(pd.DataFrame(rows, columns=list(COLUMNS)), "profile", None, context)
        panel = _panel(space, networks, seed)
        shape = (1, 3, *input_size)
        runs = [network_run(AutoNADNet(architecture, num_classes), target, shape) for architecture in panel]
        samples = _time_in_turns(runs, warmup, network_repeats, rounds, seconds=2.0)
        points = [
            (architecture.key, table.raw(architecture), float(np.median(timed)))
            for architecture, timed in zip(panel, samples, strict=True)
        ]
        if log is not None and panel:
            log("networks", total, total)
    return LatencyTable(table.frame, "profile", calibrate(points) if points else None, context)


def calibrate(points: Sequence[tuple[str, float, float]]) -> Calibration:
    """Fit latency = slope · sum + offset, every network's error counting relative to its latency.

    Args:
        points: Key, sum of pieces in ms and measured latency in ms of at least three networks.

    Raises:
        LatencyError: Too few points, or none above zero.
    """
    sums, measured = (np.array([point[index] for point in points], dtype=float) for index in (1, 2))
    if len(points) < 3 or not (measured > 0).all():
        raise LatencyError(
            f"{len(points)} networks with latencies {measured.tolist()} calibrate nothing; give three or "
            "more above zero"
        )
    slope, offset = _fit(sums, measured)
    errors = []
    for index in range(len(points)):
        others = np.arange(len(points)) != index
        a, b = _fit(sums[others], measured[others])
        errors.append(abs(a * sums[index] + b - measured[index]) / measured[index])
    ranks = [pd.Series(values).rank().to_numpy() for values in (sums, measured)]
    constant = any(rank.std() == 0 for rank in ranks)
    rho = 0.0 if constant else float(np.corrcoef(ranks[0], ranks[1])[0, 1])
    return Calibration(slope, offset, rho, float(np.mean(errors)), tuple(points))


def _fit(sums: np.ndarray, measured: np.ndarray) -> tuple[float, float]:
    weights = 1.0 / measured
    design = np.stack([sums, np.ones_like(sums)], axis=1) * weights[:, None]
    (slope, offset), *_ = np.linalg.lstsq(design, measured * weights, rcond=None)
    if slope <= 0 or sums.std() == 0:
        # Noise outweighs the differences between these networks: keep the sums' order and their mean ratio.
        return float(measured.sum() / max(sums.sum(), 1e-9)), 0.0
    return float(slope), float(offset)


def _time_in_turns(
    runs: Sequence[Run], warmup: int, repeats: int, rounds: int, seconds: float
) -> list[list[float]]:
    """Samples of each function in ms per call, spread over the rounds."""
    calls = []
    for run in runs:
        once = float(np.median(time_calls(run, warmup=warmup, repeats=3)))
        calls.append(max(1, min(100, math.ceil(SAMPLE_MS / max(once, 1e-3)))))
    samples: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for timed, run, number in zip(samples, runs, calls, strict=True):
            share = max(3, -(-repeats // rounds))
            timed += time_calls(run, warmup=warmup, repeats=share, calls=number, max_seconds=seconds / rounds)
    return samples


def _statistics(samples: list[float], overhead_ms: float) -> dict[str, Any]:
    """The cost of a piece without the cost of calling it, which a whole network pays once."""
    spread = float(np.std(samples))
    return {
        "ms": max(0.0, float(np.median(samples)) - overhead_ms),
        "n": len(samples),
        "spread": spread,
        # Of a median of normal samples.
        "stderr": math.sqrt(math.pi / 2) * spread / math.sqrt(len(samples)),
    }


def _nothing(target: Target) -> Callable[[], object]:
    return network_run(nn.ReLU(), target, (1, 1, 1, 1))


def _panel(space: SearchSpace, count: int, seed: int) -> list[Architecture]:
    """The space's extremes and random members."""
    if count == 0:
        return []
    rng = np.random.default_rng(seed)
    return [space.smallest(), space.largest(), *(space.sample(rng) for _ in range(count - 2))]
