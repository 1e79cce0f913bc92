"""From a latency table to the probabilities that operators are drawn with (Section IV-D of the paper)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from autonad.errors import LatencyError, one_line
from autonad.files import read_json, write_json
from autonad.latency.table import LatencyTable
from autonad.reading.bounds import folded
from autonad.reading.shape_checks import Shape
from autonad.space import EDGE_OPERATORS, EDGES, OPERATORS, SamplingPrior


class PriorFile(Shape):
    """`prior.json`: place → operator → probability."""

    blocks: dict[str, dict[str, float]]
    edges: dict[str, dict[str, float]]


def prior_from_table(
    table: LatencyTable, *, temperature: float = 1.0, shrinkage: float = 5.0, floor: float = 0.1
) -> SamplingPrior:
    """Make operators likelier where they are cheaper.

        p(operator) ∝ uniform(operator) · exp(−cost / (temperature · mean cost of a block))

    The unit is the same everywhere, so the prior is bold where operators differ by much of a network's time
    and close to uniform where they do not. "Uniform" is the space's own: every operator equally likely, the
    kernels of convolution sharing its probability. A kernel is therefore compared with its uniform share, not
    with another operator's.

    Args:
        table: Costs per place.
        temperature: Smaller is bolder.
        shrinkage: Records that halve the distance of an operator's cost from its place's mean.
        floor: Share of the uniform distribution that is mixed in; every probability stays above zero.

    Returns:
        Probabilities of every block and edge that the table has, each summing to one.

    Raises:
        LatencyError: A number is out of range.
    """
    if not (temperature > 0 and shrinkage >= 0 and 0 < floor <= 1):
        raise LatencyError(
            f"temperature is {temperature}, shrinkage is {shrinkage} and floor is {floor}; they must be "
            "above 0, at least 0, and above 0 up to 1"
        )
    costs = table.operator_costs()
    blocks = costs[costs["edge"].isna()]
    typical = float(blocks.groupby(["stage", "block"])["ms"].mean().mean()) if len(blocks) else 0.0
    unit = temperature * typical

    def probabilities(place: pd.DataFrame, signal: float) -> dict[str, float]:
        uniform = uniform_share(list(place["mixer"]))
        scores = np.array([uniform[name] for name in place["mixer"]])
        if unit > 0:
            ms = _shrunk(place, shrinkage, signal)
            weighted = scores * np.exp(-(ms - ms.min()) / unit)
            scores = (1 - floor) * weighted / weighted.sum() + floor * scores
        return dict(zip(place["mixer"], (scores / scores.sum()).tolist(), strict=True))

    edges = costs[costs["edge"].notna()]
    return SamplingPrior(
        blocks={
            (int(stage), int(block)): probabilities(place, _signal(blocks))  # type: ignore[call-overload]
            for (stage, block), place in blocks.groupby(["stage", "block"])
        },
        edges={
            str(name): probabilities(place, _signal(edges))
            for name, place in edges.groupby("edge", sort=False)
        },
    )


def uniform_share(mixers: list[str]) -> dict[str, float]:
    """Probability of each mixer or edge operator without a prior; kernels share their operator's."""
    operators = {name: _operator(name) for name in mixers}
    count = len(set(operators.values()))
    return {
        name: 1 / count / list(operators.values()).count(operator) for name, operator in operators.items()
    }


def is_uniform(prior: SamplingPrior) -> bool:
    """Whether a prior prefers nothing: every mixer and edge operator has its uniform share."""
    places = (*prior.blocks.values(), *prior.edges.values())
    return all(
        abs(probability - uniform_share(list(place))[name]) < 1e-3
        for place in places
        for name, probability in place.items()
    )


def _signal(costs: pd.DataFrame) -> float:
    """Variance of true costs within a place, ms²: what is found less what measurement error explains.

    Estimated over all places at once; a single place has too few operators for it.
    """
    places = costs.groupby(["stage", "block", "edge"], dropna=False)["ms"]
    return max(0.0, float(places.var(ddof=0).mean() - (costs["stderr"] ** 2).mean()))


def _shrunk(place: pd.DataFrame, shrinkage: float, signal: float) -> np.ndarray:
    """Costs of one place drawn to their mean: each by its number of records, all by how noisy they are."""
    ms, n = place["ms"].to_numpy(dtype=float), place["n"].to_numpy(dtype=float)
    mean = np.average(ms, weights=np.maximum(n, 1e-9))
    counted = np.where(n > 0, n / (n + shrinkage) if shrinkage else 1.0, 0.0)
    noise = float(np.mean(place["stderr"].to_numpy(dtype=float) ** 2))
    trust = signal / (signal + noise) if signal > 0 else 0.0
    return mean + counted * trust * (ms - mean)


def save_prior(prior: SamplingPrior, path: Path) -> None:
    """Write a prior as JSON: "stage.block", both from 1 as in Fig. 5, or edge → operator → probability."""
    blocks = {f"{stage + 1}.{block + 1}": dict(values) for (stage, block), values in prior.blocks.items()}
    write_json(
        path, {"blocks": blocks, "edges": {name: dict(values) for name, values in prior.edges.items()}}
    )


def load_prior(path: Path) -> SamplingPrior:
    """Read a prior that `save_prior` wrote.

    Raises:
        StorageError: The file is missing or is not JSON.
        LatencyError: It is no prior, or a probability is not above zero.
    """
    data = read_json(path, "the latency prior", PriorFile)
    try:
        blocks = {_place(name): _checked(values) for name, values in data["blocks"].items()}
        edges = {name: _checked(values) for name, values in data["edges"].items()}
        unknown = {
            name
            for values in (*blocks.values(), *edges.values())
            for name in values
            if _operator(name) not in (*OPERATORS, *EDGE_OPERATORS)
        } | (edges.keys() - set(EDGES))
        if unknown:
            raise ValueError(f"{sorted(unknown)[0]!r} is no operator or edge")
        return SamplingPrior(blocks=blocks, edges=edges)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LatencyError(
            f"{path} is no latency prior ({folded(one_line(error))}); run `autonad profile-latency` again"
        ) from error


def prior_matrix(values: Mapping[Any, Mapping[str, float]]) -> pd.DataFrame:
    """Probabilities as in Fig. 5: rows operators, columns places.

    Args:
        values: `SamplingPrior.blocks` or `.edges`.

    Returns:
        Columns "stage.block", both from 1, or edge names; NaN where a place lacks an operator.
    """
    columns = {
        place if isinstance(place, str) else f"{place[0] + 1}.{place[1] + 1}": dict(values[place])
        for place in sorted(values, key=lambda place: EDGES.index(place) if isinstance(place, str) else place)
    }
    matrix = pd.DataFrame(columns)
    order: list[str] = [*OPERATORS, *EDGE_OPERATORS]
    return matrix.loc[sorted(matrix.index, key=lambda name: (order.index(_operator(name)), name))]


def _operator(mixer: str) -> str:
    """Name of the operator of a mixer; edge operators stay as they are."""
    return next((name for name in OPERATORS if mixer.startswith(name)), mixer)


def _place(name: str) -> tuple[int, int]:
    stage, block = (int(part) - 1 for part in name.split("."))
    return stage, block


def _checked(values: Mapping[str, float]) -> dict[str, float]:
    result = {str(name): float(value) for name, value in values.items()}
    if not result or not all(0 < value <= 1 for value in result.values()):
        raise ValueError(f"probabilities are {result}; each must lie above 0 and up to 1")
    return result
