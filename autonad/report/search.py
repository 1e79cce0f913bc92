"""The search as a page: every architecture that was tried, the front, and the winner."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from autonad.errors import SearchError
from autonad.files import write_text_atomic
from autonad.report.front import Population, front_drawings, listed_front, thinned
from autonad.report.kit import Card, render
from autonad.report.units import milliseconds, percent, whole
from autonad.search.reasons import explain_choice

if TYPE_CHECKING:
    import pandas as pd

    from autonad.data.faults import Fault
    from autonad.evaluation.result import Size


class Column(NamedTuple):
    """A column of the front's table: what the rows can be sorted by.

    Attributes:
        name: Of the column.
        cells: One per row.
        ranks: Place of each row when sorted by this column, the best first.
    """

    name: str
    cells: list[str]
    ranks: list[int]


def write_page(
    path: Path,
    table: pd.DataFrame,
    *,
    winner: str | None = None,
    latency_budget_ms: float | None = None,
    num_classes: int | None = None,
    red_flags: Sequence[Fault] = (),
    variants: Sequence[Mapping[str, Any]] = (),
    measured: tuple[str, float] | None = None,
    size: Size = "input",
    why: str | None = None,
) -> None:
    """Write one self-contained page: population by generation, Pareto front and winner.

    Args:
        path: The page, written in one step; it needs no network and no script.
        table: `AskTell.table()`.
        winner: Key of the architecture that was chosen; the best score within the budget when None.
        latency_budget_ms: Drawn as a line.
        num_classes: Classes including background; with it, the page says how many parameters networks have.
        red_flags: What makes it worthless or doubtful; that comes first.
        variants: What was returned for each target and budget, as `search.json` lists it.
        measured: Target and the winner's median latency there, ms; None if it was not measured.
        size: At which size the mIoUs count pixels.
        why: Why the winner was chosen, in a sentence; None tells it from the table.

    Raises:
        SearchError: The table is empty, or the winner is not in it.
        StorageError: The file cannot be written.
    """
    import pandas as pd

    if table.empty:
        raise SearchError("the search has no evaluation to draw; run `autonad search` first")
    if winner is None:
        winner = str(table.sort_values(["feasible", "score"], ascending=False)["key"].iloc[0])
    chosen = table[table["key"] == winner]
    if chosen.empty:
        raise SearchError(f"architecture {winner} is not in the search's table; give one of its keys")
    best, unlisted = listed_front(Population(table, winner))
    drawn, left_out = thinned(Population(table, winner))
    sizes = {} if num_classes is None else _parameters(pd.concat([best, chosen]), num_classes)
    page = render(
        "search.html",
        title=f"{len(table)} architectures, {len(best) + unlisted} on the front",
        subtitle=f"Search over {table['generation'].nunique()} generations, mIoU at {size} size",
        cards=_cards(chosen.iloc[0], latency_budget_ms, sizes.get(winner), measured),
        front=front_drawings([drawn], latency_budget_ms=latency_budget_ms),
        left_out=left_out,
        unlisted=unlisted,
        keys=[str(key) for key in best["key"]],
        winner=winner,
        columns=_columns(best, sizes),
        red_flags=list(red_flags),
        why=why or explain_choice(table, winner, latency_budget_ms).sentence,
        variants=[_variant(one) for one in variants] if len(variants) > 1 else [],
    )
    write_text_atomic(path, page)


def _variant(found: Mapping[str, Any]) -> list[str]:
    """A row of the table of what was returned."""
    measured = found["measured_ms"]
    return [
        str(found["name"]),
        str(found["architecture_key"]),
        percent(float(found["miou"])),
        milliseconds(float(found["predicted_ms"])),
        "–" if measured is None else milliseconds(float(measured)),
        whole(float(found["parameters"])),
    ]


def _cards(
    chosen: pd.Series, budget: float | None, parameters: int | None, measured: tuple[str, float] | None
) -> list[Card]:
    predicted = milliseconds(float(chosen["latency_ms"]))
    latency, how = predicted, "predicted by the latency table"
    if measured is not None:
        latency, how = milliseconds(measured[1]), f"median on {measured[0]}, batch 1; {predicted} predicted"
    if budget is not None:
        how += f"; budget {milliseconds(budget)}"
    cards = [
        Card("Returned", str(chosen["key"]), f"from generation {chosen['generation']}, {chosen['origin']}"),
        Card("mIoU", percent(float(chosen["miou"])), "validation, inherited weights"),
        Card("Latency", latency, how),
    ]
    if parameters is not None:
        cards.append(Card("Parameters", whole(parameters), "scalars in its tensors"))
    return cards


def _parameters(table: pd.DataFrame, num_classes: int) -> dict[str, int]:
    """Scalars in the tensors of each architecture, by key; counted without making the tensors."""
    import torch

    from autonad.network import AutoNADNet
    from autonad.space import Architecture

    with torch.device("meta"):
        return {
            str(key): AutoNADNet(Architecture.from_json(text), num_classes).num_parameters
            for key, text in zip(table["key"], table["architecture"], strict=True)
        }


def _columns(best: pd.DataFrame, parameters: Mapping[str, int]) -> list[Column]:
    """Latency, mIoU, score, generation, and the number of parameters where it is known."""
    columns = [
        _column("Latency", [float(value) for value in best["latency_ms"]], milliseconds),
        _column("mIoU", [float(value) for value in best["miou"]], lambda v: percent(v, 2), falling=True),
        _column("Score", [float(value) for value in best["score"]], lambda v: f"{v:.4f}", falling=True),
        _column("Generation", [float(value) for value in best["generation"]], whole),
    ]
    if parameters:
        columns.append(_column("Parameters", [float(parameters[str(key)]) for key in best["key"]], whole))
    return columns


def _column(
    name: str, values: Sequence[float], text: Callable[[float], str], *, falling: bool = False
) -> Column:
    sign = -1 if falling else 1
    order = sorted(range(len(values)), key=lambda row: sign * values[row])
    ranks = {row: rank for rank, row in enumerate(order, start=1)}
    return Column(name, [text(value) for value in values], [ranks[row] for row in range(len(values))])
