"""Whether latencies were measured well: the processor time that was there, and whether repeating agrees."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from autonad.cores import Throttling, cpu_quota, machine_cores, throttling, usable_cores
from autonad.errors import LatencyError
from autonad.latency import machine
from autonad.latency.machine import CpuTime
from autonad.latency.target import Target

# Cores that others may keep busy on a machine without one to spare: a system that does nothing needs less,
# one busy process needs four times as much.
LOAD_SHARE = 0.25
# Share of a control group's periods in which it had to wait. Threads that use their whole quota touch it now
# and then, a quota that is too small is used up in every period.
THROTTLED_SHARE = 0.05
# By how much the medians of one network may differ between beginning, middle and end, typically. The search
# decides between networks that differ by less, but their pieces are timed in turns.
DISAGREEMENT = 0.15
# By how much the reference's medians may differ between groups of pieces, which are corrected by it: pieces
# slow down in other proportions than a network.
DRIFT = 0.3
# Mean error of whole networks, each predicted by a calibration without it, and the rank correlation: beyond
# these a search finds what the noise prefers. Networks of nearly equal latency need not be in order.
ERROR, RANKS, RANKED_RANGE = 0.15, 0.8, 2.0
# The look at the machine before something is measured, and the wait before a bad profile is repeated, s.
LOOK_SECONDS, PAUSE_SECONDS = 0.5, 15.0

Found = TypeVar("Found")
REMEDY = "measure on a quiet machine, or on the device itself with a kit (`autonad pack-profile`)"


class Quality(BaseModel):
    """How well a profile was measured.

    Attributes:
        threads: Of the target.
        cores: Cores that the process might use, fractions of a CPU limit included.
        load_before: Cores that others kept busy just before; None where the system does not say.
        load: Cores that others kept busy meanwhile; None where the system does not say.
        throttled: Share of periods in which a CPU limit made the process wait; None without a limit.
        disagreement: Typical difference of a whole network's medians between beginning, middle and end,
            over its median; None if none was measured.
        drift: Largest difference of the reference network's medians, over their median; corrected for.
        error: Mean absolute error of the whole networks over their latency, each predicted without it; None
            if none was measured.
        rank_correlation: Of their predicted and measured latencies; None if these are nearly equal.
        attempts: How often it was measured; the best one counts.
        faults: What was wrong, a sentence each; empty for a good profile.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    threads: int = Field(ge=1)
    cores: float = Field(gt=0)
    load_before: float | None
    load: float | None
    throttled: float | None
    disagreement: float | None
    drift: float
    error: float | None
    rank_correlation: float | None
    attempts: int = Field(ge=1)
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Evidence:
    """What a measurement itself says about how good it is.

    Attributes:
        medians: See `disagreement`.
        drift: See `Quality`.
        error: See `Quality`.
        rank_correlation: See `Quality`.
    """

    medians: Sequence[Sequence[float]]
    drift: float = 0.0
    error: float | None = None
    rank_correlation: float | None = None


def check_threads(target: Target) -> None:
    """Make sure that the target's threads have a core each.

    Raises:
        LatencyError: There are fewer cores, or a CPU limit allows less time.
    """
    cores, quota = usable_cores(), cpu_quota()
    if target.threads > cores or (quota is not None and target.threads > quota):
        limit = "" if quota is None else f" and a CPU limit of {quota:g}"
        raise LatencyError(
            f"target {target.name!r} runs on {target.threads} threads, and this process has {_cores(cores)}"
            f"{limit}: they would wait for one another and the latencies would be the limit's. Describe the "
            f"target with --threads {cores} or fewer, or give the task more CPU"
        )


def allowed_load(threads: int, cores: int) -> float:
    """Cores that others may keep busy without disturbing.

    Two logical cores may share a physical one: half of them count as cores.

    Args:
        threads: Of the target.
        cores: Of the whole machine.
    """
    return LOAD_SHARE + max(0.0, cores / 2 - threads)


def load_of_others(before: CpuTime | None, after: CpuTime | None) -> float | None:
    """Cores that other processes kept busy between two moments; None where the system does not say."""
    if before is None or after is None or after.at <= before.at:
        return None
    others = (after.busy - before.busy) - (after.own - before.own)
    return max(0.0, others / (after.at - before.at))


def throttled_share(before: Throttling | None, after: Throttling | None) -> float | None:
    """Share of the periods between two moments in which a CPU limit made this process wait."""
    if before is None or after is None:
        return None
    periods = after.periods - before.periods
    return (after.throttled - before.throttled) / periods if periods > 0 else 0.0


def disagreement(medians: Sequence[Sequence[float]]) -> float | None:
    """How far medians of one network lie apart, over their median: of the typical network.

    Args:
        medians: For each network one median per visit, ms.
    """
    apart = [(max(one) - min(one)) / max(float(np.median(one)), 1e-9) for one in medians if len(one) > 1]
    return float(np.median(apart)) if apart else None


@dataclass(frozen=True)
class Watch:
    """The machine at the moment at which measuring begins; `look` makes one.

    Attributes:
        threads: Of the target.
        load_before: See `Quality`.
        cpu: Processor time so far.
        waits: The CPU limit's counters so far.
    """

    threads: int
    load_before: float | None
    cpu: CpuTime | None
    waits: Throttling | None

    @classmethod
    def look(cls, threads: int) -> Watch:
        """Look what others do for `LOOK_SECONDS`, while this process does nothing."""
        before = machine.cpu_time()
        if before is not None:
            time.sleep(LOOK_SECONDS)
        now = machine.cpu_time()
        return cls(threads, load_of_others(before, now), now, throttling())

    @property
    def crowded(self) -> bool:
        """Whether others are busy right now."""
        return (self.load_before or 0.0) > allowed_load(self.threads, machine_cores())

    def judge(self, evidence: Evidence, attempt: int) -> Quality:
        """The quality of what was measured since.

        Args:
            evidence: What was found.
            attempt: Which attempt this was, from 1.
        """
        quota = cpu_quota()
        cores = float(usable_cores())
        found = Quality(
            threads=self.threads,
            cores=cores if quota is None else min(cores, quota),
            load_before=self.load_before,
            load=load_of_others(self.cpu, machine.cpu_time()),
            throttled=throttled_share(self.waits, throttling()),
            disagreement=disagreement(evidence.medians),
            drift=evidence.drift,
            error=evidence.error,
            rank_correlation=evidence.rank_correlation,
            attempts=attempt,
            faults=(),
        )
        return found.model_copy(update={"faults": tuple(faults_of(found, machine_cores()))})


def faults_of(quality: Quality, machine_cores: int) -> list[str]:
    """What is wrong with figures, a sentence each.

    Args:
        quality: The figures.
        machine_cores: Cores of the whole machine.
    """
    faults = []
    allowed = allowed_load(quality.threads, machine_cores)
    if quality.load is not None and quality.load > allowed:
        faults.append(
            f"other processes kept {quality.load:.1f} of the machine's {_cores(machine_cores)} busy; beside "
            f"{_threads(quality.threads)} at most {allowed:.2f} may be"
        )
    if quality.throttled is not None and quality.throttled > THROTTLED_SHARE:
        faults.append(
            f"the CPU limit of {quality.cores:g} made it wait in "
            f"{_percent(quality.throttled, THROTTLED_SHARE)} of its periods; at most "
            f"{100 * THROTTLED_SHARE:.0f} % may be"
        )
    if quality.disagreement is not None and quality.disagreement > DISAGREEMENT:
        faults.append(
            f"the same networks took times that differ by "
            f"{_percent(quality.disagreement, DISAGREEMENT)} between beginning, middle and end; "
            f"at most {100 * DISAGREEMENT:.0f} % may be"
        )
    if quality.drift > DRIFT:
        faults.append(
            f"the machine changed its speed by {_percent(quality.drift, DRIFT)} meanwhile; at most "
            f"{100 * DRIFT:.0f} % can be corrected"
        )
    if quality.error is not None and quality.error > ERROR:
        faults.append(
            f"whole networks are predicted with an error of {_percent(quality.error, ERROR)}; at most "
            f"{100 * ERROR:.0f} % may be"
        )
    if quality.rank_correlation is not None and quality.rank_correlation < RANKS:
        faults.append(
            f"predicted and measured latencies of whole networks have rank correlation "
            f"{_beside(quality.rank_correlation, RANKS, 2)}; at least {RANKS:.2f} is needed"
        )
    return faults


def _percent(share: float, limit: float) -> str:
    return f"{_beside(100 * share, 100 * limit, 0)} %"


def _beside(value: float, limit: float, decimals: int) -> str:
    """A figure with as many decimals as show that it is not its limit."""
    while decimals < 17 and f"{value:.{decimals}f}" == f"{limit:.{decimals}f}":
        decimals += 1
    return f"{value:.{decimals}f}"


def best_of(
    measure: Callable[[], tuple[Found, Evidence]],
    threads: int,
    *,
    accept_noise: bool = False,
    say: Callable[[str], object] = lambda line: None,
) -> tuple[Found, Quality]:
    """Measure while the machine is watched, and once more after a pause if it was not good.

    Args:
        measure: Returns what was found, and what that says about itself.
        threads: Of the target.
        accept_noise: Measure once, however good.
        say: Receives what is waited for.

    Returns:
        What was found, with the fewest faults; of equally many, what predicts better.
    """
    watch = Watch.look(threads)
    if watch.crowded and not accept_noise:
        say(f"others keep {watch.load_before:.1f} cores busy: waiting {PAUSE_SECONDS:.0f} s")
        time.sleep(PAUSE_SECONDS)
        watch = Watch.look(threads)
    found, evidence = measure()
    quality = watch.judge(evidence, 1)
    if accept_noise or not quality.faults:
        return found, quality
    say(f"{'; '.join(quality.faults)}: measured once more after {PAUSE_SECONDS:.0f} s")
    time.sleep(PAUSE_SECONDS)
    watch = Watch.look(threads)
    again, evidence = measure()
    second = watch.judge(evidence, 2)
    if _badness(second) > _badness(quality):
        return found, quality.model_copy(update={"attempts": 2})
    return again, second


def _badness(quality: Quality) -> tuple[int, float, float, float]:
    return len(quality.faults), quality.error or 0.0, quality.disagreement or 0.0, quality.drift


def _cores(count: int) -> str:
    return f"{count} core" if count == 1 else f"{count} cores"


def _threads(count: int) -> str:
    return f"{count} thread" if count == 1 else f"{count} threads"
