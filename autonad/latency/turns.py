"""Timing many small networks fairly: in turns, round after round, and whole ones on several visits.

Needs neither torch nor pandas, so that a device measures with the same code as a workstation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autonad.latency.measure import quiet, time_calls
from autonad.latency.profile_settings import ProfileSettings
from autonad.latency.runtime import Run
from autonad.latency.target import Target

# A sample of a short piece spans several calls, so that the clock and the scheduler weigh little.
SAMPLE_MS = 1.0
# Whole networks are timed before, among and after the pieces: where these differ the machine has changed.
VISITS = 3
# Fewer samples say nothing about a median.
LEAST_SAMPLES = 3
Log = Callable[[str, int, int], None]
Open = Callable[[], Run]


@dataclass(frozen=True)
class Plan:
    """What is timed, as functions that open a session.

    Attributes:
        nothing: A network that does nothing; what calling it costs is taken off every piece.
        groups: Pieces; those of one group compete with one another and are timed in turns.
        networks: Whole networks.
    """

    nothing: Open
    groups: Sequence[Sequence[Open]]
    networks: Sequence[Open]


@dataclass(frozen=True)
class Timings:
    """What was timed.

    Attributes:
        overhead_ms: What a call costs.
        groups: For every piece its `ms` without that, `n`, `spread` and `stderr`, as `Plan.groups`.
        networks: For every network the samples of each visit, ms.
    """

    overhead_ms: float
    groups: list[list[dict[str, Any]]]
    networks: list[list[list[float]]]

    @property
    def medians(self) -> list[list[float]]:
        """For every network the median of each visit, ms."""
        return [[float(np.median(visit)) for visit in visits] for visits in self.networks]


def time_plan(plan: Plan, target: Target, settings: ProfileSettings, log: Log) -> Timings:
    """Time everything in a plan.

    Args:
        plan: What.
        target: What it runs on, for the threads.
        settings: How often.
        log: Receives what is being timed, how many are done and how many there are.

    Raises:
        LatencyError: A session cannot be opened or run here.
    """
    total, done = sum(map(len, plan.groups)) + len(plan.networks), 0
    # After which groups the networks are visited again.
    middle = {round(len(plan.groups) * part / (VISITS - 1)) for part in range(1, VISITS)}
    with quiet(target):
        overhead_ms = float(np.median(time_calls(plan.nothing(), warmup=20, repeats=30, calls=20)))
        runs = [each() for each in plan.networks]
        visits: list[list[list[float]]] = [[] for _ in runs]
        _visit(runs, visits, settings)
        groups = []
        for number, group in enumerate(plan.groups, 1):
            opened = [each() for each in group]
            samples = _in_turns(
                opened, settings.repeats, settings.piece_seconds, settings.rounds, settings.warmup
            )
            groups.append([_statistics(timed, overhead_ms) for timed in samples])
            done += len(group)
            log("pieces", done, total)
            if number in middle:
                _visit(runs, visits, settings)
        if runs:
            log("networks", total, total)
    return Timings(overhead_ms, groups, visits)


def _visit(runs: Sequence[Run], visits: list[list[list[float]]], settings: ProfileSettings) -> None:
    """Time every network for its share of the samples."""
    if not runs:
        return
    share = max(LEAST_SAMPLES, -(-settings.network_repeats // VISITS))
    rounds = max(1, min(settings.rounds, share // LEAST_SAMPLES))
    timed = _in_turns(runs, share, settings.network_seconds / VISITS, rounds, settings.warmup)
    for visit, samples in zip(visits, timed, strict=True):
        visit.append(samples)


def _in_turns(
    runs: Sequence[Run], repeats: int, seconds: float, rounds: int, warmup: int
) -> list[list[float]]:
    """Samples of each function in ms per call, spread over the rounds.

    A machine that slows down for a moment slows all of them.
    """
    calls = []
    for run in runs:
        once = float(np.median(time_calls(run, warmup=warmup, repeats=3)))
        calls.append(max(1, min(100, math.ceil(SAMPLE_MS / max(once, 1e-3)))))
    samples: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for timed, run, number in zip(samples, runs, calls, strict=True):
            share = max(LEAST_SAMPLES, -(-repeats // rounds))
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
