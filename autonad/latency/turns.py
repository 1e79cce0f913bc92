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

# Pieces that are called one after the other, neighbours in their group. In a network, too, others have used
# the caches in between, and a piece that is called again and again by itself takes less than it takes there.
TOGETHER = 12
# How long they are called in one round, ms, and how much more often than asked if they are short.
TURN_MS, MOST_OFTEN = 100.0, 10
# A sample of a short network spans several calls, so that the clock and the scheduler weigh little.
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
        nothing, reference = plan.nothing(), plan.reference()
        runs = [each() for each in plan.networks]
        visits = [_visit(runs, reference, settings)]
        groups = []
        for number, group in enumerate(plan.groups, 1):
            groups.append(_group([each() for each in group], nothing, reference, settings))
            done += len(group)
            log("pieces", done, total)
            if number in middle:
                visits.append(_visit(runs, reference, settings))
        if runs:
            log("networks", total, total)
    return _corrected(groups, visits)


@dataclass(frozen=True)
class _Turn:
    """Samples of each function, and beside them of the reference and of a call that does nothing, in ms.

    What a call costs depends on what was called before: it is timed among the pieces of each `TOGETHER`.
    """

    samples: list[list[float]]
    reference: list[float]
    nothing: list[list[float]]

    @property
    def reference_ms(self) -> float:
        return float(np.median(self.reference))


def _corrected(groups: list[_Turn], visits: list[_Turn]) -> Timings:
    """All times as they would be on the machine as it typically was."""
    turns = [*groups, *visits]
    typical = float(np.median([turn.reference_ms for turn in turns]))

    def corrected(turn: _Turn, timed: list[float]) -> list[float]:
        return [ms * typical / turn.reference_ms for ms in timed]

    overheads = [[float(np.median(corrected(one, calls))) for calls in one.nothing] for one in groups]
    return Timings(
        float(np.median([ms for group in overheads for ms in group] or [0.0])),
        [turn.reference_ms for turn in turns],
        [
            [
                _statistics(corrected(one, timed), calls[index // TOGETHER])
                for index, timed in enumerate(one.samples)
            ]
            for one, calls in zip(groups, overheads, strict=True)
        ],
        [list(one) for one in zip(*([corrected(v, x) for x in v.samples] for v in visits), strict=True)],
    )


def _visit(runs: Sequence[Run], reference: Run, settings: ProfileSettings) -> _Turn:
    """Time every network for its share of the samples, each for itself: image after image, as it will run."""
    share = max(LEAST_SAMPLES, -(-settings.network_repeats // VISITS))
    rounds = max(1, min(settings.rounds, share // LEAST_SAMPLES))
    each, seconds = max(LEAST_SAMPLES, -(-share // rounds)), settings.network_seconds / VISITS / rounds
    calls = [max(1, min(100, math.ceil(SAMPLE_MS / _once(run, settings)))) for run in runs]
    turn = _Turn([[] for _ in runs], _beside(reference), [])
    for _ in range(rounds):
        for timed, run, number in zip(turn.samples, runs, calls, strict=True):
            timed += time_calls(run, warmup=settings.warmup, repeats=each, calls=number, max_seconds=seconds)
        turn.reference.extend(_beside(reference))
    return turn


def _group(runs: Sequence[Run], nothing: Run, reference: Run, settings: ProfileSettings) -> _Turn:
    """Time pieces over the rounds; a machine that slows down for a moment slows all of them."""
    once = [_once(run, settings) for run in runs]
    share = max(LEAST_SAMPLES, -(-settings.repeats // settings.rounds))
    starts = range(0, len(runs), TOGETHER)
    turn = _Turn([[] for _ in runs], _beside(reference), [[] for _ in starts])
    for _ in range(settings.rounds):
        for start, calls in zip(starts, turn.nothing, strict=True):
            part = slice(start, start + TOGETHER)
            cycle_ms = sum(once[part])
            most_ms = 1e3 * settings.piece_seconds / settings.rounds * len(once[part])
            wanted = max(share, min(MOST_OFTEN * share, int(TURN_MS / cycle_ms)))
            cycles = max(LEAST_SAMPLES, min(wanted, int(most_ms / cycle_ms)))
            _cycle([*runs[part], nothing], [*turn.samples[part], calls], cycles)
        turn.reference.extend(_beside(reference))
    return turn


def _cycle(runs: Sequence[Run], samples: Sequence[list[float]], cycles: int) -> None:
    """Call each function once per cycle; the first cycle does not count."""
    for number in range(cycles + 1):
        for run, timed in zip(runs, samples, strict=True):
            taken = time_calls(run, warmup=0, repeats=1)
            timed += taken if number else []


def _once(run: Run, settings: ProfileSettings) -> float:
    """What a call takes, roughly, ms."""
    return max(1e-3, float(np.median(time_calls(run, warmup=settings.warmup, repeats=3))))


def _beside(reference: Run) -> list[float]:
    return time_calls(reference, warmup=1, repeats=REFERENCE_SAMPLES)


def _statistics(samples: list[float], overhead_ms: float) -> dict[str, Any]:
    """The cost of a piece without the cost of calling it, which a whole network pays once."""
    low, high = np.percentile(samples, (25, 75))
    # As of normal samples; a few that were interrupted shall not count.
    spread = float(high - low) / 1.349
    return {
        "ms": max(0.0, float(np.median(samples)) - overhead_ms),
        "n": len(samples),
        "spread": spread,
        # Of a median of normal samples.
        "stderr": math.sqrt(math.pi / 2) * spread / math.sqrt(len(samples)),
    }
