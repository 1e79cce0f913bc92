"""Timing a plan and judging it: rows, whole networks, and how well the ones predict the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autonad.latency.costs import ProfileCosts
from autonad.latency.measured import Network, Row
from autonad.latency.profile_settings import ProfileSettings
from autonad.latency.quality import RANKED_RANGE, Evidence, Quality, best_of, check_threads
from autonad.latency.sums import Calibration, calibrate
from autonad.latency.target import Target
from autonad.latency.turns import Log, Plan, Timings, time_plan
from autonad.space import Architecture

# For every group and piece, where it counts.
Places = Sequence[Sequence[Sequence[Mapping[str, Any]]]]


@dataclass(frozen=True)
class Found:
    """What timing a plan gave; see `Measured` for the fields."""

    overhead_ms: float
    rows: tuple[Row, ...]
    networks: tuple[Network, ...]


def measure_plan(
    plan: Plan,
    places: Places,
    architectures: Sequence[dict[str, Any]],
    target: Target,
    settings: ProfileSettings,
    *,
    accept_noise: bool = False,
    log: Log = lambda what, done, total: None,
    say: Callable[[str], object] = lambda line: None,
) -> tuple[Found, Quality]:
    """Time a plan, while the machine is watched.

    Args:
        plan: What.
        places: Where each of its pieces counts.
        architectures: Of its whole networks.
        target: What it runs on.
        settings: How much.
        accept_noise: Do not repeat a bad measurement.
        log: Receives progress.
        say: Receives what is waited for.

    Raises:
        LatencyError: There are fewer cores than threads, or something cannot be run here.
    """
    check_threads(target)

    def once() -> tuple[Found, Evidence]:
        timings = time_plan(plan, target, settings, log)
        found = Found(timings.overhead_ms, _rows(timings, places), _networks(timings, architectures))
        fit = calibration_of(found.rows, found.networks)
        if fit is None:
            return found, Evidence(timings.medians, timings.drift)
        latencies = [network.median_ms for network in found.networks]
        ranked = max(latencies) > RANKED_RANGE * min(latencies)
        ranks = fit.rank_correlation if ranked else None
        return found, Evidence(timings.medians, timings.drift, fit.error, ranks)

    return best_of(once, target.threads, accept_noise=accept_noise, say=say)


def calibration_of(rows: Sequence[Row], networks: Sequence[Network]) -> Calibration | None:
    """How whole networks follow from the sums of their pieces; None if none was measured."""
    if not networks:
        return None
    costs = ProfileCosts([row.model_dump() for row in rows])
    architectures = [Architecture.from_dict(network.architecture) for network in networks]
    return calibrate(
        [
            (architecture.key, costs.total(architecture), network.median_ms)
            for architecture, network in zip(architectures, networks, strict=True)
        ]
    )


def _rows(timings: Timings, places: Places) -> tuple[Row, ...]:
    """A row for every place at which a piece counts."""
    return tuple(
        Row(**place, **timed)
        for group, pieces in zip(timings.groups, places, strict=True)
        for timed, rows in zip(group, pieces, strict=True)
        for place in rows
    )


def _networks(timings: Timings, architectures: Sequence[dict[str, Any]]) -> tuple[Network, ...]:
    """The timed networks with their architectures."""
    return tuple(
        Network(
            architecture=architecture,
            median_ms=float(np.median(np.concatenate(visits))),
            visits_ms=tuple(medians),
        )
        for architecture, visits, medians in zip(
            architectures, timings.networks, timings.medians, strict=True
        )
    )
