"""From the records of supernet training to a latency table: additive, so that depth confounds nothing.

Averaging the time of all steps in which an operator was used would charge it for the other blocks of those
networks; counting operators in the fastest networks would favour whatever shallow networks hold. Instead
every step is explained as a sum of effects,

    ms = constant + Σ blocks (presence + operator) + Σ stages (width + slope · FFN ratio) + Σ edges operator,

by ridge regression. The penalty is on the differences between the choices of one place, so an operator with
few records falls back to its place's mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from autonad.errors import ArchitectureError, LatencyError
from autonad.latency.ridge import Ridge
from autonad.latency.table import COLUMNS, LatencyTable
from autonad.space import Architecture

Term = tuple[Any, ...]

# Weight of the penalty, in records: an operator with this many goes halfway to its place's mean.
RIDGE = 1.0
# Just enough to choose among equal fits: presence of a block that every network has is part of the constant.
TIE_BREAK = 1e-6
# A step this many robust standard deviations slower than explained was interrupted by something else.
OUTLIER = 6.0


def table_from_records(records: pd.DataFrame) -> LatencyTable:
    """Estimate the cost of every operator at every place from training records.

    Args:
        records: One row per step with the columns `architecture` (JSON) and `ms`; of several batch or image
            sizes only the commonest counts.

    Returns:
        A table of source "records": one row per (stage, block, operator, kernel), (edge, operator), (stage,
        width), one slope per stage and the constant; `n` counts records, `stderr` is that of the difference
        from the place's mean. Edge and width rows count from their place's cheapest choice.

    Raises:
        LatencyError: A column is missing, there are fewer than two records, or a time is no positive number.
    """
    times, architectures = _checked(records)
    ratios = [
        float(np.mean([block.ffn_ratio for item in architectures for block in item.stages[stage].blocks]))
        for stage in range(len(architectures[0].stages))
    ]
    terms = [dict(_terms(architecture, ratios)) for architecture in architectures]
    names = sorted({name for item in terms for name in item}, key=repr)
    columns = {name: index for index, name in enumerate(names)}
    design = np.zeros((len(terms), len(names)))
    for row, item in enumerate(terms):
        for name, value in item.items():
            design[row, columns[name]] = value
    penalty = np.array([TIE_BREAK if name[0] == "presence" else RIDGE for name in names])

    keep = np.ones(len(times), dtype=bool)
    fit = Ridge(design, times, penalty)
    residuals = times - fit.predict(design)
    scale = 1.4826 * float(np.median(np.abs(residuals - np.median(residuals))))
    if scale > 0:
        keep = residuals < OUTLIER * scale
        fit = Ridge(design[keep], times[keep], penalty)
    used, stderr = (design[keep] != 0).sum(axis=0), fit.stderr([_place(name) for name in names])
    effects = {
        name: (float(fit.weights[i]), int(used[i]), float(stderr[i]))
        for name, i in columns.items()
        if used[i] > 0 or name[0] == "ffn"
    }
    rows = list(_rows(effects, fit, int(keep.sum()), ratios))
    context = {
        "records": len(times),
        "outliers": int((~keep).sum()),
        "residual_ms": fit.sigma,
        "explained": fit.explained,
    }
    return LatencyTable(pd.DataFrame(rows, columns=list(COLUMNS)), "records", None, context)


def _terms(architecture: Architecture, ratios: list[float]) -> Iterator[tuple[Term, float]]:
    """Regressors of one network that are not zero."""
    for index, stage in enumerate(architecture.stages):
        yield ("width", index, stage.width), 1.0
        yield ("ffn", index), sum(block.ffn_ratio - ratios[index] for block in stage.blocks)
        for position, block in enumerate(stage.blocks):
            yield ("presence", index, position), 1.0
            yield ("block", index, position, block.operator, block.kernel), 1.0
    for name, operator in architecture.edge_items():
        yield ("edge", name, operator), 1.0


def _rows(
    effects: dict[Term, tuple[float, int, float]], fit: Ridge, count: int, ratios: list[float]
) -> Iterator[dict[str, Any]]:
    constant = fit.constant
    presence, moved = _presence(effects, count)
    constant -= moved
    for part in ("edge", "width"):
        for place in sorted({_place(name) for name in effects if name[0] == part}):
            members = [name for name in effects if _place(name) == place]
            base = min(effects[name][0] for name in members)
            constant += base
            for name in members:
                effect, n, stderr = effects[name]
                effects[name] = (effect - base, n, stderr)
    for name in sorted(effects, key=repr):
        effect, n, stderr = effects[name]
        figures = {"ms": effect, "n": n, "spread": fit.sigma, "stderr": stderr}
        match name:
            case ("block", stage, block, operator, kernel):
                genes = {"stage": stage, "block": block, "operator": operator, "kernel": kernel}
                yield {"part": "block", **genes, **figures, "ms": effect + presence[stage, block]}
            case ("edge", edge, operator):
                yield {"part": "edge", "edge": edge, "operator": operator, **figures}
            case ("width", stage, width):
                yield {"part": "width", "stage": stage, "width": width, **figures}
            case ("ffn", stage):
                yield {"part": "ffn", "stage": stage, "ffn_ratio": ratios[stage], **figures}
    error = fit.sigma / count**0.5
    yield {"part": "rest", "ms": constant, "n": count, "spread": fit.sigma, "stderr": error}


def _presence(
    effects: dict[Term, tuple[float, int, float]], count: int
) -> tuple[dict[tuple[int, int], float], float]:
    """What a block costs whatever its operator, and how much of the constant was moved into such costs.

    A block that every network has cannot be told from the constant: it gets the mean of the others.
    """
    found = {name[1:]: (effect, n) for name, (effect, n, _) in effects.items() if name[0] == "presence"}
    optional = [effect for effect, n in found.values() if n < count]
    typical = max(0.0, float(np.mean(optional))) if optional else 0.0
    presence = {place: effect if n < count else typical for place, (effect, n) in found.items()}
    moved = sum(presence[place] - effect for place, (effect, _) in found.items())
    return {(int(stage), int(block)): value for (stage, block), value in presence.items()}, moved


def _place(name: Term) -> Term:
    """What the choices of one place have in common: all but the operator, kernel or width."""
    return name[:3] if name[0] == "block" else name[:2]


def _checked(records: pd.DataFrame) -> tuple[np.ndarray, list[Architecture]]:
    missing = [name for name in ("architecture", "ms") if name not in records.columns]
    if missing or len(records) < 2:
        what = f"lack the column {', '.join(missing)}" if missing else f"are {len(records)}; two is the least"
        raise LatencyError(f"the training records {what}; train the supernet with this version")
    shape = [name for name in ("batch", "height", "width", "device") if name in records.columns]
    if shape:
        # The last batch of an epoch may be smaller; its times are of another kind.
        records = records.merge(records[shape].value_counts().reset_index().head(1)[shape], on=shape)
    times = pd.to_numeric(records["ms"], errors="coerce").to_numpy(dtype=float)
    faulty = np.flatnonzero(~(np.isfinite(times) & (times > 0)))
    if len(faulty):
        raise LatencyError(
            f"training record {faulty[0]} has ms = {records['ms'].iloc[faulty[0]]!r}; it must be a positive "
            "number: remove the faulty records, or train the supernet again"
        )
    parsed: dict[str, Architecture] = {}
    try:
        for text in records["architecture"].unique():
            parsed[text] = Architecture.from_json(text)
    except (ArchitectureError, TypeError) as error:
        raise LatencyError(
            f"a training record holds no architecture: {error}; train the supernet again"
        ) from error
    _check_one_macro(list(parsed.values()))
    return times, [parsed[text] for text in records["architecture"]]


def _check_one_macro(architectures: Sequence[Architecture]) -> None:
    """Make sure that effects can add up: what changes the cost of every operator must be the same in all."""
    for what, values in {
        "input scale": {one.scale for one in architectures},
        "stem stride": {one.stem_stride for one in architectures},
        "number of stages": {len(one.stages) for one in architectures},
        "decoder width": {one.mfam_width for one in architectures},
    }.items():
        if len(values) > 1:
            raise LatencyError(
                f"the training records hold networks of {what} {', '.join(map(str, sorted(values)))}: an "
                "operator costs something else in each, and no table of records can say so; measure on the "
                "target, without --records"
            )
