"""The best architectures are measured, not predicted, before one of them is returned."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from autonad.errors import SearchError
from autonad.search.ranking import Evaluation
from autonad.space import Architecture

if TYPE_CHECKING:
    from autonad.latency.measure import Measurement
    from autonad.latency.target import Target

LEAST_REPEATS = 50


def choose(
    finalists: Sequence[Evaluation],
    measure: Callable[[Architecture], Measurement] | None,
    latency_budget_ms: float | None,
) -> tuple[Evaluation, list[dict[str, Any]]]:
    """Measure all finalists; the first within the budget wins.

    Where the target is another machine nothing can be measured, and the prediction decides.

    Args:
        finalists: Best first.
        measure: Runs an architecture on the target; None where this machine is another one.
        latency_budget_ms: Upper bound of the median in ms; None without one.

    Returns:
        The winner, and the figures of every finalist as plain JSON values.

    Raises:
        SearchError: None of them keeps the budget.
    """
    rows: list[dict[str, Any]] = []
    winner, fastest = None, math.inf
    for finalist in finalists:
        measured = None if measure is None else measure(finalist.architecture)
        latency_ms = finalist.latency_ms if measured is None else measured.median_ms
        rows.append(
            {
                "key": finalist.architecture.key,
                "miou": finalist.miou,
                "predicted_ms": finalist.latency_ms,
                "measured_ms": None if measured is None else measured.median_ms,
                "p95_ms": None if measured is None else measured.p95_ms,
                "std_ms": None if measured is None else measured.std_ms,
                "n": 0 if measured is None else len(measured.samples_ms),
                "warmup": 0 if measured is None else measured.warmup,
            }
        )
        within = latency_budget_ms is None or latency_ms <= latency_budget_ms
        fastest = min(fastest, latency_ms)
        winner = finalist if winner is None and within else winner
    if winner is None:
        raise SearchError(
            f"none of the {len(rows)} finalists keeps search.latency_budget_ms = {latency_budget_ms:g}; the "
            f"fastest takes {fastest:.2f} ms. Raise the budget, the generations or the finalists and repeat "
            "with --resume, which keeps what was evaluated; or use a smaller preset"
        )
    return winner, rows


def measurer(
    extract: Callable[[Architecture], Any],
    target: Target,
    *,
    input_shape: Sequence[int],
    warmup: int,
    repeats: int,
    say: Callable[[str], object],
) -> Callable[[Architecture], Measurement] | None:
    """What `choose` measures with; None where this machine is not the target.

    Args:
        extract: The network of an architecture, on the processor.
        target: What it will run on.
        input_shape: (1, C, H, W).
        warmup: Calls that are not timed.
        repeats: Timed calls; at least `LEAST_REPEATS` are made.
        say: Receives why nothing is measured.
    """
    from autonad.latency.measure import measure_network

    here = target.verify_here()
    if here is not None:
        say(
            f"this machine is not target {target.name!r} ({target.differences(here)}): finalists are not "
            "measured, the latency table decides"
        )
        return None
    return lambda architecture: measure_network(
        extract(architecture),
        target,
        input_shape=input_shape,
        warmup=warmup,
        repeats=max(LEAST_REPEATS, repeats),
    )
