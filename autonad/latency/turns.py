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
# Samples of the reference before every round and after the last; the first call after something else is slow.
REFERENCE_SAMPLES = 5
# Fewer samples say nothing about a median.
LEAST_SAMPLES = 3
Log = Callable[[str, int, int], None]
Open = Callable[[], Run]


@dataclass(frozen=True)
class Plan:
    """What is timed, as functions that open a session.

    Attributes:
        nothing: A network that does nothing; what calling it costs is taken off every piece.
        reference: A network that is timed among all others: where its times differ the machine has changed.
        groups: Pieces; those of one group compete with one another and are timed in turns.
        networks: Whole networks.
    """

    nothing: Open
    reference: Open
    groups: Sequence[Sequence[Open]]
    networks: Sequence[Open]


@dataclass(frozen=True)
class Timings:
    """What was timed.

    Attributes:
        overhead_ms: What a call costs.
        reference_ms: Median of the reference beside each group of pieces and each visit to the networks; all
            other times are corrected to the median of these.
        groups: For every piece its `ms` without that, `n`, `spread` and `stderr`, as `Plan.groups`.
        networks: For every network the samples of each visit, ms.
    """

    overhead_ms: float
    reference_ms: list[float]
    groups: list[list[dict[str, Any]]]
    networks: list[list[list[float]]]

    @property
    def medians(self) -> list[list[float]]:
        """For every network the median of each visit, ms."""
        return [[float(np.median(visit)) for visit in visits] for visits in self.networks]

    @property
    def drift(self) -> float:
        """How far the reference's medians lie apart, over their median."""
        return (max(self.reference_ms) - min(self.reference_ms)) / float(np.median(self.reference_ms))


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
        reference = plan.reference()
        runs = [each() for each in plan.networks]
        visits = [_visit(runs, reference, settings)]
        groups = []
        for number, group in enumerate(plan.groups, 1):
            opened = [each() for each in group]
            groups.append(
                _in_turns(
                    opened,
                    reference,
                    repeats=settings.repeats,
                    seconds=settings.piece_seconds,
                    rounds=settings.rounds,
                    warmup=settings.warmup,
                )
            )
            done += len(group)
            log("pieces", done, total)
            if number in middle:
                visits.append(_visit(runs, reference, settings))
        if runs:
            log("networks", total, total)
    return _corrected(overhead_ms, groups, visits)


@dataclass(frozen=True)
class _Turn:
    """Samples of each function in ms per call, and the reference's median beside them."""

    samples: list[list[float]]
    reference_ms: float


def _corrected(overhead_ms: float, groups: list[_Turn], visits: list[_Turn]) -> Timings:
    """All times as they would be on the machine as it typically was."""
    reference_ms = [turn.reference_ms for turn in (*groups, *visits)]
    typical = float(np.median(reference_ms))

    def samples(turn: _Turn) -> list[list[float]]:
        return [[ms * typical / turn.reference_ms for ms in timed] for timed in turn.samples]

    return Timings(
        overhead_ms,
        reference_ms,
        [[_statistics(timed, overhead_ms) for timed in samples(group)] for group in groups],
        [list(one) for one in zip(*(samples(visit) for visit in visits), strict=True)],
    )


def _visit(runs: Sequence[Run], reference: Run, settings: ProfileSettings) -> _Turn:
    """Time every network for its share of the samples."""
    share = max(LEAST_SAMPLES, -(-settings.network_repeats // VISITS))
    rounds = max(1, min(settings.rounds, share // LEAST_SAMPLES))
    return _in_turns(
        runs,
        reference,
        repeats=share,
        seconds=settings.network_seconds / VISITS,
        rounds=rounds,
        warmup=settings.warmup,
    )


def _in_turns(
    runs: Sequence[Run], reference: Run, *, repeats: int, seconds: float, rounds: int, warmup: int
) -> _Turn:
    """Samples of each function, spread over the rounds; the reference is timed around every round.

    A machine that slows down for a moment slows all of them.
    """
    calls = []
    for run in runs:
        once = float(np.median(time_calls(run, warmup=warmup, repeats=3)))
        calls.append(max(1, min(100, math.ceil(SAMPLE_MS / max(once, 1e-3)))))
    samples: list[list[float]] = [[] for _ in runs]
    beside = time_calls(reference, warmup=1, repeats=REFERENCE_SAMPLES)
    for _ in range(rounds):
        for timed, run, number in zip(samples, runs, calls, strict=True):
            share = max(LEAST_SAMPLES, -(-repeats // rounds))
            timed += time_calls(run, warmup=warmup, repeats=share, calls=number, max_seconds=seconds / rounds)
        beside += time_calls(reference, warmup=1, repeats=REFERENCE_SAMPLES)
    return _Turn(samples, float(np.median(beside)))


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
