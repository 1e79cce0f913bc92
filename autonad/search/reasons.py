"""Why an architecture was chosen: what less or more latency would buy, and what chance would have found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from autonad.errors import SearchError
from autonad.latency.significant import milliseconds
from autonad.search.pareto import front
from autonad.search.ranking import Evaluation

# Random architectures count as equally fast up to this share of the winner's latency.
ALIKE = 0.1


@dataclass(frozen=True)
class Neighbour:
    """A member of the front beside the winner.

    Attributes:
        key: Of the architecture.
        miou: A fraction.
        latency_ms: Predicted.
    """

    key: str
    miou: float
    latency_ms: float


@dataclass(frozen=True)
class Reasons:
    """Why one architecture of a search was returned; all latencies are predicted.

    Attributes:
        sentence: All of it, for people.
        faster: The next one of the front that is faster and no better; None if none is.
        better: The next one of the front that is more accurate; None if none is.
        random_miou: Mean mIoU of the random architectures that take as long; None without any.
        random_count: How many these are.
    """

    sentence: str
    faster: Neighbour | None
    better: Neighbour | None
    random_miou: float | None
    random_count: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def explain_choice(
    table: pd.DataFrame,
    winner: str,
    budget_ms: float | None,
    finalists: Sequence[Mapping[str, Any]] = (),
    peers: Sequence[Evaluation] = (),
) -> Reasons:
    """Why a search returned an architecture.

    Args:
        table: `AskTell.table(goal)`: what was evaluated, with the latency of the goal's target.
        winner: Key of the architecture.
        budget_ms: What it had to keep; None without a budget.
        finalists: Rows of `choose`.
        peers: Random architectures beside those of the table, as many as one likes; those count that take as
            long.

    Raises:
        SearchError: The winner is not in the table.
    """
    chosen = _row(table, winner)
    miou, latency_ms = float(chosen["miou"]), float(chosen["latency_ms"])
    best = front(table)
    # One that is faster by the table and better was refused: measured it was too slow, or it learnt worse.
    faster = _neighbour(best[(best["latency_ms"] < latency_ms) & (best["miou"] <= miou)].tail(1))
    better = _neighbour(best[(best["latency_ms"] > latency_ms) & (best["miou"] > miou)].head(1))
    drawn = {str(row["key"]): float(row["miou"]) for _, row in random_alike(table, winner).iterrows()}
    low, high = alike(latency_ms)
    drawn |= {one.architecture.key: one.miou for one in peers if low <= one.latency_ms <= high}
    drawn.pop(winner, None)
    random_miou = sum(drawn.values()) / len(drawn) if drawn else None
    sentence = "; ".join(
        (
            _won(table, chosen, budget_ms, finalists),
            _instead("faster", faster, miou, latency_ms),
            _instead("more accurate", better, miou, latency_ms),
            _against_chance(miou, random_miou, len(drawn)),
        )
    )
    return Reasons(sentence, faster, better, random_miou, len(drawn))


def alike(latency_ms: float) -> tuple[float, float]:
    """From which latency to which architectures count as equally fast, ms."""
    return (1 - ALIKE) * latency_ms, (1 + ALIKE) * latency_ms


def random_alike(table: pd.DataFrame, winner: str) -> pd.DataFrame:
    """The random architectures of a table that are as fast as one of it, without that one.

    Raises:
        SearchError: The one is not in the table.
    """
    low, high = alike(float(_row(table, winner)["latency_ms"]))
    fits = table["latency_ms"].between(low, high) & (table["key"] != winner)
    return table[fits & (table["origin"] == "sample")]


def _row(table: pd.DataFrame, key: str) -> pd.Series:
    rows = table[table["key"] == key]
    if rows.empty:
        raise SearchError(f"architecture {key} is not in the search's table; give one of its keys")
    return rows.iloc[0]


def _neighbour(row: pd.DataFrame) -> Neighbour | None:
    if row.empty:
        return None
    one = row.iloc[0]
    return Neighbour(str(one["key"]), float(one["miou"]), float(one["latency_ms"]))


def _won(
    table: pd.DataFrame, chosen: pd.Series, budget_ms: float | None, finalists: Sequence[Mapping[str, Any]]
) -> str:
    miou, latency_ms = float(chosen["miou"]), float(chosen["latency_ms"])
    # Where latency only has a price, one may win that the table puts above the budget and measuring below it.
    above = not chosen["feasible"]
    within = table if above else table[table["feasible"]]
    # Where latency has no price, which a budget alone stands for, the score is the mIoU.
    by = "score" if (table["score"] != table["miou"]).any() else "mIoU"
    place = int((within[by.lower()] > float(chosen[by.lower()])).sum()) + 1
    rank = "the best" if place == 1 else f"number {place}"
    limit = "" if budget_ms is None or above else f" predicted within {budget_ms:g} ms"
    cost = f"{milliseconds(latency_ms)} by the latency table"
    learnt = {row["key"]: row["learnt_miou"] for row in finalists if row.get("learnt_miou") is not None}
    measured = any(row["key"] == chosen["key"] and row.get("measured_ms") is not None for row in finalists)
    why = ""
    if learnt:
        best = "the best by score" if by == "score" else "the best"
        percent = 100 * learnt[chosen["key"]]
        why = f", and of {len(learnt)} finalists {best} after a short training ({percent:.1f} %)"
    elif (place > 1 or above) and budget_ms is not None and measured:
        why = ", the first finalist that kept the budget when measured"
    if above and budget_ms is not None:
        cost += f", predicted above {budget_ms:g} ms"
    return (
        f"{chosen['key']} has {100 * miou:.1f} % inherited mIoU at {cost}, {rank} by {by} of "
        f"{len(within)} evaluated{limit}{why}"
    )


def _instead(what: str, other: Neighbour | None, miou: float, latency_ms: float) -> str:
    if other is None:
        return f"none {what} was found on the front"
    points, ms = 100 * (other.miou - miou), other.latency_ms - latency_ms
    takes = milliseconds(ms, signed=True)
    return f"the next {what} one, {other.key}, takes {takes} and has {points:+.1f} points"


def _against_chance(miou: float, random_miou: float | None, count: int) -> str:
    if random_miou is None:
        return f"no random one takes as long within {100 * ALIKE:.0f} %"
    points = 100 * (miou - random_miou)
    many = "the random one that takes" if count == 1 else f"{count} random ones that take"
    lie = "lies" if count == 1 else "lie"
    side = "below" if points >= 0 else "above"
    return f"{many} as long within {100 * ALIKE:.0f} % {lie} {abs(points):.1f} points {side}"
