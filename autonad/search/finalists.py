"""The best architectures are measured, and learn a little, before one of them is returned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from autonad.errors import SearchError
from autonad.latency.significant import milliseconds
from autonad.search.plain import is_plain
from autonad.search.ranking import Evaluation, Ranking
from autonad.space import Architecture

if TYPE_CHECKING:
    from autonad.latency.measure import Measurement
    from autonad.latency.target import Target

LEAST_REPEATS = 50
# Each finalist is measured so often, in turns: what else the machine does disturbs one visit, not all.
VISITS = 3
# Where none of the finalists keeps the budget, at most so many times as many are measured.
PATIENCE = 4
# By so much less score than the best the supernet may have done an architecture of another kind wrong.
MARGIN = 0.03

Learn = Callable[[Architecture], float]
"""mIoU of an architecture after a short training, a fraction."""


def varied(ranked: Sequence[Evaluation], count: int, ranking: Ranking) -> list[Evaluation]:
    """The same architectures with finalists of several kinds first.

    Architectures of one input scale and stem stride share weights that see the same details. Plain ones (see
    `is_plain`) hardly ever were a path of the supernet's training: their weights have mostly learnt beside
    other operators. Between such kinds the supernet's ranking is the least certain. The best of each kind
    that is at most `MARGIN` behind take the first `count` places, kinds in turn.

    Args:
        ranked: Best first.
        count: Finalists.
        ranking: What they are ranked by.
    """
    if not ranked:
        return []
    least = ranking.score(ranked[0]) - MARGIN
    near = [one for one in ranked if ranking.feasible(one) and ranking.score(one) >= least]
    kinds: dict[tuple[float, int, bool], list[Evaluation]] = {}
    for one in near:
        found = one.architecture
        kinds.setdefault((found.scale, found.stem_stride, is_plain(found)), []).append(one)
    turns = [one for turn in range(len(near)) for kind in kinds.values() for one in kind[turn : turn + 1]][
        :count
    ]
    # The supernet's order decides between those that learn equally well.
    first = sorted(turns, key=ranked.index)
    return [*first, *(one for one in ranked if one not in first)]


def choose(
    ranked: Sequence[Evaluation],
    measure: Callable[[Architecture], Measurement] | None,
    ranking: Ranking,
    *,
    count: int | None = None,
    learn: Learn | None = None,
) -> tuple[Evaluation, list[dict[str, Any]]]:
    """Measure the finalists; of those within the budget the one wins that learns best, or else the first.

    If none is within, the next ones follow that should be, by how much the first took longer than predicted.
    Where the target is another machine nothing can be measured, and the prediction decides.

    Args:
        ranked: Best first.
        measure: Runs an architecture on the target; of `VISITS` times the one in the middle counts. None
            where this machine is another one.
        ranking: Its budget bounds the median; its score compares what was learnt.
        count: How many are measured whatever they take; None for all.
        learn: Trains an architecture for a while; None lets the supernet's order decide.

    Returns:
        The winner, and the figures of all that were measured as plain JSON values.

    Raises:
        SearchError: None of them keeps the budget.
    """
    rows, kept = _measured(
        ranked, measure, ranking.latency_budget_ms, len(ranked) if count is None else count
    )
    if not kept:
        fastest = min(rows, key=_latency)
        raise SearchError(
            f"none of the {len(rows)} finalists keeps search.latency_budget_ms = "
            f"{ranking.latency_budget_ms:g}; the fastest takes {milliseconds(_latency(fastest))}. Raise the "
            "budget, the generations or the finalists and repeat the command, which keeps what was "
            "evaluated; or use a smaller preset"
        )
    if learn is None or len(kept) == 1:
        return kept[0], rows
    learnt = {one.architecture.key: learn(one.architecture) for one in kept}
    for row in rows:
        row["learnt_miou"] = learnt.get(row["key"])
    return max(kept, key=lambda one: ranking.score(replace(one, miou=learnt[one.architecture.key]))), rows


def _measured(
    ranked: Sequence[Evaluation],
    measure: Callable[[Architecture], Measurement] | None,
    budget_ms: float | None,
    count: int,
) -> tuple[list[dict[str, Any]], list[Evaluation]]:
    """Figures of all that are measured, and those among the first `count` that keep the budget, or one."""
    rows: list[dict[str, Any]] = []
    kept: list[Evaluation] = []
    visited = _visited(ranked[:count], measure)
    for number, finalist in enumerate(ranked):
        if number >= count:
            longer = float(np.median([_latency(row) / max(row["predicted_ms"], 1e-9) for row in rows]))
            hopeless = budget_ms is not None and finalist.latency_ms * longer > budget_ms
            if kept or len(rows) >= PATIENCE * count:
                break
            if hopeless:
                continue
            visited |= _visited([finalist], measure)
        rows.append(_row(finalist, visited.get(finalist.architecture.key)))
        if budget_ms is None or _latency(rows[-1]) <= budget_ms:
            kept.append(finalist)
    return rows, kept


def _visited(
    finalists: Sequence[Evaluation], measure: Callable[[Architecture], Measurement] | None
) -> dict[str, Measurement]:
    """Of each the visit with the median latency, by key; nothing where nothing can be measured."""
    if measure is None:
        return {}
    visits: dict[str, list[Measurement]] = {one.architecture.key: [] for one in finalists}
    for _ in range(VISITS):
        for one in finalists:
            visits[one.architecture.key].append(measure(one.architecture))
    return {
        key: sorted(found, key=lambda visit: visit.median_ms)[VISITS // 2] for key, found in visits.items()
    }


def _latency(row: dict[str, Any]) -> float:
    return float(row["predicted_ms"] if row["measured_ms"] is None else row["measured_ms"])


def _row(finalist: Evaluation, measured: Measurement | None) -> dict[str, Any]:
    return {
        "key": finalist.architecture.key,
        "miou": finalist.miou,
        "learnt_miou": None,
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
    from autonad.latency.measure import as_the_runtime_takes_it, measure_network

    here = target.verify_here()
    if here is not None:
        say(
            f"this machine is not target {target.name!r} ({target.differences(here)}): finalists are not "
            "measured, the latency table decides"
        )
        return None

    @cache
    def network(architecture: Architecture) -> Any:
        return as_the_runtime_takes_it(extract(architecture), target, input_shape)

    return lambda architecture: measure_network(
        network(architecture),
        target,
        input_shape=input_shape,
        warmup=warmup,
        repeats=max(LEAST_REPEATS, repeats),
    )
