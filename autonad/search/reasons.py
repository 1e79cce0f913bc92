"""Why an architecture was chosen: what less or more latency would buy, and what chance would have found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from autonad.errors import SearchError
from autonad.latency.significant import milliseconds
from autonad.search.pareto import front

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
    table: pd.DataFrame, winner: str, budget_ms: float | None, finalists: Sequence[Mapping[str, Any]] = ()
) -> Reasons:
    """Why a search returned an architecture.

    Args:
        table: `AskTell.table(goal)`: what was evaluated, with the latency of the goal's target.
        winner: Key of the architecture.
        budget_ms: What it had to keep; None without a budget.
        finalists: Rows of `choose`.

    Raises:
        SearchError: The winner is not in the table.
    """
    rows = table[table["key"] == winner]
    if rows.empty:
        raise SearchError(f"architecture {winner} is not in the search's table; give one of its keys")
    chosen = rows.iloc[0]
    miou, latency_ms = float(chosen["miou"]), float(chosen["latency_ms"])
    best = front(table)
    # One that is faster by the table and better was refused: measured it was too slow, or it learnt worse.
    faster = _neighbour(best[(best["latency_ms"] < latency_ms) & (best["miou"] <= miou)].tail(1))
    better = _neighbour(best[(best["latency_ms"] > latency_ms) & (best["miou"] > miou)].head(1))
    alike = table[
        (table["origin"] == "sample")
        & (table["key"] != winner)
        & ((table["latency_ms"] - latency_ms).abs() <= ALIKE * latency_ms)
    ]
    random_miou = float(alike["miou"].mean()) if len(alike) else None
    sentence = "; ".join(
        (
            _won(table, chosen, budget_ms, finalists),
            _instead("faster", faster, miou, latency_ms),
            _instead("more accurate", better, miou, latency_ms),
            _against_chance(miou, random_miou, len(alike)),
        )
    )
    return Reasons(sentence, faster, better, random_miou, len(alike))


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
