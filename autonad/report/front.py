"""The Pareto front of one search or of several, as SVG: every architecture, the front, the one returned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from autonad.report import palette
from autonad.report.axes import Scale, Tick, scale_of, ticks_of
from autonad.report.kit import Swatch, render
from autonad.report.units import milliseconds, percent
from autonad.search.pareto import front

if TYPE_CHECKING:
    import pandas as pd

WIDTH, HEIGHT = 840, 440
NARROW_WIDTH, NARROW_HEIGHT = 420, 380
"""Of the drawing for a telephone, whose letters would else be too small."""
MOST_POINTS, MOST_OF_FRONT = 300, 50
"""Points behind and on the front; more would make a page heavy and hide one another."""
_LEFT, _RIGHT, _BOTTOM = 58, 16, 46
SHAPES = ("●", "■", "◆", "▲")


@dataclass(frozen=True)
class Population:
    """A search's evaluations.

    Attributes:
        table: `miou` (fraction), `latency_ms`, `key` and, where it is known, `generation`.
        chosen: Key of the architecture that was returned; None if none was.
        name: Of the search, where several are drawn.
    """

    table: pd.DataFrame
    chosen: str | None = None
    name: str = ""


class Point(NamedTuple):
    """A point of the chart: its place, its colour, and what it says when it is pointed at."""

    x: float
    y: float
    colour: str
    title: str


class Series(NamedTuple):
    """A population as it is drawn; `shape` numbers the marker."""

    name: str
    colour: str
    shape: int
    points: tuple[Point, ...]
    front: tuple[Point, ...]
    path: str
    winner: Point | None


class Drawings(NamedTuple):
    """A chart for a page: for a wide and for a narrow screen."""

    wide: str
    narrow: str


def listed_front(population: Population) -> tuple[pd.DataFrame, int]:
    """The front, fastest first, and how many of it are left out; of a long one, evenly chosen networks.

    The fastest, the most accurate and the chosen network are always there.
    """
    best = front(population.table.dropna(subset=["miou", "latency_ms"]))
    step = max(1, -(-len(best) // MOST_OF_FRONT))
    listed = {*best["key"].iloc[::step], *best["key"].iloc[-1:], population.chosen}
    kept = best[best["key"].isin(listed)]
    return kept, len(best) - len(kept)


def thinned(population: Population) -> tuple[Population, int]:
    """A population with its front and evenly chosen others, and how many are left out; see `listed_front`."""
    table = population.table
    best, _ = listed_front(population)
    keep = table["key"].isin({*best["key"], population.chosen})
    behind = table[~keep]
    shown = behind.iloc[:: max(1, -(-len(behind) // MOST_POINTS))]
    drawn = table.loc[table.index[keep].union(shown.index)]
    return replace(population, table=drawn), len(behind) - len(shown)


def front_drawings(populations: Sequence[Population], *, latency_budget_ms: float | None = None) -> Drawings:
    """A page's chart of mIoU against latency; see `front_figure`."""
    wide, narrow = (
        front_figure(populations, latency_budget_ms=latency_budget_ms, narrow=narrow)
        for narrow in (False, True)
    )
    return Drawings(wide, narrow)


def front_figure(
    populations: Sequence[Population], *, latency_budget_ms: float | None = None, narrow: bool = False
) -> str:
    """Draw mIoU against latency.

    Args:
        populations: One is coloured by generation; several have a colour each.
        latency_budget_ms: Drawn as a line.
        narrow: Whether the screen is narrow; its points cannot be pointed at and say nothing.

    Returns:
        An `<svg>` element in a page's colours.
    """
    width, height = (NARROW_WIDTH, NARROW_HEIGHT) if narrow else (WIDTH, HEIGHT)
    tables = [one.table.dropna(subset=["miou", "latency_ms"]) for one in populations]
    latencies = [float(value) for table in tables for value in table["latency_ms"]]
    if latency_budget_ms is not None:
        latencies.append(latency_budget_ms)
    several = len(populations) > 1
    # One population has its legend inside; in a narrow chart it takes two rows.
    top = 12 if several else 68 if narrow else 44
    x = scale_of(latencies, _LEFT, width - _RIGHT)
    y = scale_of([100 * float(value) for table in tables for value in table["miou"]], height - _BOTTOM, top)
    series = tuple(
        _series(one, table, x, y, number if several else None, speak=not narrow)
        for number, (one, table) in enumerate(zip(populations, tables, strict=True))
    )
    ages = [int(age) for table in tables if "generation" in table for age in (table["generation"])]
    return render(
        "front.svg",
        width=width,
        height=height,
        frame={"left": _LEFT, "right": width - _RIGHT, "top": top, "bottom": height - _BOTTOM},
        ramp={"right": width - _RIGHT, "y": 46 if narrow else 22.5},
        summary=describe(populations),
        series=series,
        several=several,
        generations=(min(ages), max(ages)) if ages else None,
        ages=palette.AGES,
        x_ticks=ticks_of(x, 5 if narrow else 8),
        y_ticks=ticks_of(y, 6),
        budget=None
        if latency_budget_ms is None
        else Tick(x(latency_budget_ms), f"budget {latency_budget_ms:g} ms"),
    ).strip()


def legend(populations: Sequence[Population]) -> list[Swatch]:
    """The colours of several populations; beyond the last colour they begin anew with another marker."""
    if len(populations) < 2:
        return []
    count = len(palette.SERIES)
    return [
        Swatch(
            f"{SHAPES[n // count % len(SHAPES)]} {one.name}" if n >= count else one.name,
            f"var(--{palette.SERIES[n % count]})",
        )
        for n, one in enumerate(populations)
    ]


def front_file(populations: Sequence[Population]) -> str:
    """The same chart as a file of its own, on white paper."""
    attributes = 'xmlns="http://www.w3.org/2000/svg" style="background:var(--paper)"'
    return palette.with_colours(front_figure(populations).replace("<svg", f"<svg {attributes}", 1))


def describe(populations: Sequence[Population]) -> str:
    """The chart in words, for a reader who cannot see it."""
    found = []
    for one in populations:
        name = f"{one.name}: " if one.name else ""
        table = one.table.dropna(subset=["miou", "latency_ms"])
        if table.empty:
            found.append(f"{name}no architecture")
            continue
        best = percent(float(table["miou"].max()))
        found.append(f"{name}{len(table)} architectures, {len(front(table))} on the front, up to {best}")
    return "; ".join(found)


def _series(
    one: Population, table: pd.DataFrame, x: Scale, y: Scale, number: int | None, *, speak: bool
) -> Series:
    colour = "best" if number is None else palette.SERIES[number % len(palette.SERIES)]
    first, last = (table["generation"].min(), table["generation"].max()) if "generation" in table else (1, 1)

    def points(rows: pd.DataFrame, of: str | None = colour) -> tuple[Point, ...]:
        return tuple(
            Point(
                x(row.latency_ms),
                y(100 * row.miou),
                of or _age(getattr(row, "generation", 1), first, last),
                _title(row, one.name) if speak else "",
            )
            for row in _records(rows)
        )

    best = points(front(table))
    winner = points(table[table["key"] == one.chosen].tail(1), "chosen" if number is None else colour)
    return Series(
        name=one.name,
        colour=colour,
        shape=(number or 0) // len(palette.SERIES) % len(SHAPES),
        points=points(table, None if number is None else colour),
        front=best,
        # The front as a staircase: what a budget of this many milliseconds buys.
        path="".join(f"{'H' if at else 'M'}{p.x}{'V' if at else ' '}{p.y}" for at, p in enumerate(best)),
        winner=winner[0] if winner else None,
    )


def _title(row: Any, name: str) -> str:
    said = [name] if name else []
    said += [str(row.key), f"mIoU {percent(row.miou, 2)}", milliseconds(row.latency_ms)]
    if hasattr(row, "generation"):
        origin = f", {row.origin}" if hasattr(row, "origin") else ""
        said.append(f"generation {row.generation}{origin}")
    return " · ".join(said)


def _age(generation: int, first: int, last: int) -> str:
    steps = len(palette.AGES)
    share = (generation - first) / max(last - first, 1)
    return palette.AGES[min(int(share * steps), steps - 1)]


def _records(table: pd.DataFrame) -> Any:
    # The stubs of pandas give every field the union of all types.
    return table.itertuples()
