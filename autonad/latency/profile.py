"""Filling a latency table on the target: every piece alone, then whole networks to calibrate the sums."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from autonad.errors import LatencyError
from autonad.latency.measure import network_run, quiet, time_calls
from autonad.latency.pieces import Piece, piece_groups
from autonad.latency.runtime import Run
from autonad.latency.sums import calibrate
from autonad.latency.table import COLUMNS, LatencyTable
from autonad.latency.target import Target
from autonad.network import AutoNADNet
from autonad.space import SearchSpace

# A sample of a short piece spans several calls, so that the clock and the scheduler weigh little.
SAMPLE_MS = 1.0
Log = Callable[[str, int, int], None]


@dataclass(frozen=True)
class ProfileSettings:
    """How much is measured.

    Attributes:
        warmup: Calls of each piece in each round that are not timed.
        repeats: Samples of each piece over all rounds, at least three per round.
        rounds: Rounds.
        piece_seconds: Upper bound of the timed seconds per piece.
        networks: Whole networks that calibrate the sums, at least 4; or 0 for no calibration.
        network_repeats: Timed calls of each whole network.
        network_seconds: Upper bound of the timed seconds per whole network.
        seed: Of the networks that are drawn, and of all weights.
    """

    warmup: int = 3
    repeats: int = 20
    rounds: int = 5
    piece_seconds: float = 0.25
    networks: int = 10
    network_repeats: int = 30
    network_seconds: float = 2.0
    seed: int = 0

    def __post_init__(self) -> None:
        if 0 < self.networks < 4:
            raise LatencyError(
                f"calibration with {self.networks} networks is no calibration; use at least 4, or 0 for none"
            )


def profile_space(
    space: SearchSpace,
    target: Target,
    num_classes: int,
    input_size: tuple[int, int],
    settings: ProfileSettings,
    log: Log = lambda what, done, total: None,
) -> LatencyTable:
    """Measure what every choice of a space costs on the target.

    Pieces that compete with one another are timed in turns, round after round, so that a machine that slows
    down for a moment slows all of them.

    Args:
        space: Whose choices.
        target: What to run on.
        num_classes: Classes of the head.
        input_size: (height, width) of the images.
        settings: How much is measured.
        log: Receives what is being timed, how many are done and how many there are.

    Returns:
        The table, with its calibration.

    Raises:
        LatencyError: The target cannot be measured here.
    """
    groups = piece_groups(space, num_classes, input_size)
    total, done, rows = sum(map(len, groups)) + settings.networks, 0, list[dict[str, Any]]()
    # Weights are drawn from a generator of their own: profiling must not change the caller's random numbers.
    with torch.random.fork_rng(devices=[]), quiet(target):
        torch.manual_seed(settings.seed)
        overhead_ms = float(np.median(time_calls(_nothing(target), warmup=20, repeats=30, calls=20)))
        for group in groups:
            rows += _time_pieces(group, target, overhead_ms, settings)
            done += len(group)
            log("pieces", done, total)
        context = {
            "target": target.model_dump(),
            "hardware_key": target.hardware_key,
            "space": space.key,
            "num_classes": num_classes,
            "input_size": list(input_size),
            "batch": 1,
            "warmup": settings.warmup,
            "overhead_ms": overhead_ms,
        }
        table = LatencyTable(pd.DataFrame(rows, columns=list(COLUMNS)), "profile", None, context)
        if not settings.networks:
            return table
        points = _time_networks(space, table, target, num_classes, input_size, settings)
        log("networks", total, total)
    return replace(table, calibration=calibrate(points))


def _time_pieces(
    group: Sequence[Piece], target: Target, overhead_ms: float, settings: ProfileSettings
) -> Iterator[dict[str, Any]]:
    """Rows of the table of the pieces of one group."""
    runs = [network_run(piece.build(), target, piece.shape) for piece in group]
    samples = _time_in_turns(runs, settings.repeats, settings.piece_seconds, settings)
    for piece, timed in zip(group, samples, strict=True):
        for row in piece.rows:
            yield {**row, **_statistics(timed, overhead_ms)}


def _time_networks(
    space: SearchSpace,
    table: LatencyTable,
    target: Target,
    num_classes: int,
    size: tuple[int, int],
    settings: ProfileSettings,
) -> list[tuple[str, float, float]]:
    """Key, sum of the pieces and measured median, ms, of the space's extremes and random members."""
    rng = np.random.default_rng(settings.seed)
    panel = [space.smallest(), space.largest(), *(space.sample(rng) for _ in range(settings.networks - 2))]
    runs = [network_run(AutoNADNet(item, num_classes), target, (1, 3, *size)) for item in panel]
    samples = _time_in_turns(runs, settings.network_repeats, settings.network_seconds, settings)
    return [
        (architecture.key, table.raw(architecture), float(np.median(timed)))
        for architecture, timed in zip(panel, samples, strict=True)
    ]


def _time_in_turns(
    runs: Sequence[Run], repeats: int, seconds: float, settings: ProfileSettings
) -> list[list[float]]:
    """Samples of each function in ms per call, spread over the rounds."""
    warmup, rounds = settings.warmup, settings.rounds
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
