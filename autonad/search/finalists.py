"""The best architectures are measured, not predicted, before one of them is returned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from autonad.errors import SearchError
from autonad.search.ranking import Evaluation
from autonad.space import Architecture

if TYPE_CHECKING:
    from autonad.latency.measure import Measurement
    from autonad.latency.target import Target

LEAST_REPEATS = 50
# Where none of the finalists keeps the budget, at most so many times as many are measured.
PATIENCE = 4


def choose(
    ranked: Sequence[Evaluation],
    measure: Callable[[Architecture], Measurement] | None,
    latency_budget_ms: float | None,
    *,
    count: int | None = None,
) -> tuple[Evaluation, list[dict[str, Any]]]:
    """Measure the finalists; the first within the budget wins.

    If none is, the next ones follow that should be, by how much the first took longer than predicted. Where
    the target is another machine nothing can be measured, and the prediction decides.

    Args:
        ranked: Best first.
        measure: Runs an architecture on the target; None where this machine is another one.
        latency_budget_ms: Upper bound of the median in ms; None without one.
        count: How many are measured whatever they take; None for all.

    Returns:
        The winner, and the figures of all that were measured as plain JSON values.

    Raises:
        SearchError: None of them keeps the budget.
    """
    count = len(ranked) if count is None else count
    rows: list[dict[str, Any]] = []
    winner: Evaluation | None = None
    for number, finalist in enumerate(ranked):
        if number >= count:
            longer = float(np.median([_latency(row) / max(row["predicted_ms"], 1e-9) for row in rows]))
            hopeless = latency_budget_ms is not None and finalist.latency_ms * longer > latency_budget_ms
            if winner is not None or len(rows) >= PATIENCE * count:
                break
            if hopeless:
                continue
        rows.append(_row(finalist, None if measure is None else measure(finalist.architecture)))
        if winner is None and (latency_budget_ms is None or _latency(rows[-1]) <= latency_budget_ms):
            winner = finalist
    if winner is None:
        fastest = min(rows, key=_latency)
        raise SearchError(
            f"none of the {len(rows)} finalists keeps search.latency_budget_ms = {latency_budget_ms:g}; the "
            f"fastest takes {_latency(fastest):.2f} ms. Raise the budget, the generations or the finalists "
            "and repeat the command, which keeps what was evaluated; or use a smaller preset"
        )
    return winner, rows


def _latency(row: dict[str, Any]) -> float:
    return float(row["predicted_ms"] if row["measured_ms"] is None else row["measured_ms"])


def _row(finalist: Evaluation, measured: Measurement | None) -> dict[str, Any]:
    return {
        "key": finalist.architecture.key,
        "miou": finalist.miou,
        "predicted_ms": finalist.latency_ms,
        "measured_ms": None if measured is None else measured.median_ms,
        "p95_ms": None if measured is None else measured.p95_ms,
        "std_ms": None if measured is None else measured.std_ms,
        "n": 0 if measured is None else len(measured.samples_ms),
        "warmup": 0 if measured is None else measured.warmup,
    }


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
