"""A chart of lines as SVG of our own making: text that a page's fonts write, colours of both schemes."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from autonad.report import palette
from autonad.report.axes import Scale, scale_of, ticks_of
from autonad.report.kit import render

WIDTH, HEIGHT = 440, 290
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 16, 30, 40
_ROW = 18  # of the legend
_SWATCH = 22
FEW = 12  # points; so few are easier to read with dots


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Attributes:
        name: In the legend; any text.
        colour: Name of a colour of `palette.LIGHT`, or "#rrggbb".
        x: Places across, in order.
        y: Values.
        low: Lower ends of the values' intervals; None draws no band.
        high: Upper ends.
        step: Whether a value holds until the next place.
    """

    name: str
    colour: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    step: bool = False


class Ring(NamedTuple):
    """A place that is marked."""

    x: float
    y: float
    colour: str


@dataclass(frozen=True)
class LineChart:
    """What a chart shows.

    Attributes:
        title: What its values are, with their unit.
        across: What the places are, with their unit.
        lines: The lines; those without a point are left out.
        rings: Places that are marked.
        across_range: Ends of the axis across; None fits it to the points.
        range: Ends of the axis of values; None fits it to the points.
        limit: A dashed line: along which axis it is a value, and which.
        counted: Whether places are counts, such as epochs.
    """

    title: str
    across: str
    lines: Sequence[Line]
    rings: Sequence[Ring] = ()
    across_range: tuple[float, float] | None = None
    range: tuple[float, float] | None = None
    limit: tuple[Literal["across", "value"], float] | None = None
    counted: bool = False


class _Entry(NamedTuple):
    """A line's entry of the legend."""

    x: float
    y: float
    name: str
    colour: str


class _Curve(NamedTuple):
    """A line as it is drawn."""

    colour: str
    path: str
    band: str
    dots: tuple[tuple[float, float], ...]


def draw(chart: LineChart) -> str:
    """Draw a chart.

    Returns:
        An `<svg>` element in a page's colours; equal charts give equal text.
    """
    lines = [line for line in chart.lines if len(line.x)]
    legend = _legend(lines)
    top = _TOP + _ROW * (1 + max((row for row, *_ in legend), default=-1))
    bottom = top + HEIGHT - _TOP - _BOTTOM
    ends = chart.across_range or _ends([place for line in lines for place in line.x])
    x = Scale(*ends, _LEFT, WIDTH - _RIGHT) if ends else scale_of([], _LEFT, WIDTH - _RIGHT)
    values = [value for line in lines for part in (line.y, line.low or (), line.high or ()) for value in part]
    y = Scale(*chart.range, bottom, top) if chart.range else scale_of(values, bottom, top)
    return render(
        "line_chart.svg",
        chart=chart,
        width=WIDTH,
        height=bottom + _BOTTOM,
        frame={"left": _LEFT, "right": WIDTH - _RIGHT, "top": top, "bottom": bottom},
        summary=_summary(chart, lines),
        legend=[_Entry(across, _TOP + _ROW * row, name, colour) for row, across, name, colour in legend],
        curves=[_curve(line, x, y) for line in lines],
        rings=[(x(ring.x), y(ring.y), _css(ring.colour)) for ring in chart.rings],
        x_ticks=ticks_of(x, 6, whole=chart.counted),
        y_ticks=ticks_of(y, 5),
        limit=_limit(chart, x, y),
    ).strip()


def chart_file(charts: Sequence[LineChart]) -> str:
    """Charts beside one another as a file of its own, on white paper."""
    return beside([draw(chart) for chart in charts])


def beside(drawings: Sequence[str]) -> str:
    """Drawings of `draw`'s width beside one another, as a file of its own, on white paper."""
    placed = "".join(
        drawing.replace("<svg", f'<svg x="{WIDTH * number}" width="{WIDTH}"', 1)
        for number, drawing in enumerate(drawings)
    )
    heights = (re.search(r'viewBox="0 0 \S+ ([\d.]+)"', drawing) for drawing in drawings)
    height = max(float(found[1]) for found in heights if found)
    size = f'width="{WIDTH * len(drawings)}" height="{height:g}"'
    return palette.with_colours(
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} style="background:var(--paper)">{placed}</svg>\n'
    )


def _ends(places: Sequence[float]) -> tuple[float, float] | None:
    """The axis across begins and ends with the points; a lone one lies in its middle."""
    if not places:
        return None
    low, high = min(places), max(places)
    return (low, high) if high > low else (low - 1, high + 1)


def _curve(line: Line, x: Scale, y: Scale) -> _Curve:
    all_points = ((x(place), y(value)) for place, value in zip(line.x, line.y, strict=True))
    points = [point for point, _ in itertools.groupby(all_points)]  # of those in one place, one is drawn
    band = ""
    if line.low is not None and line.high is not None:
        across = [x(place) for place in line.x]
        upper = [f"{place} {y(value)}" for place, value in zip(across, line.high, strict=True)]
        lower = [f"{place} {y(value)}" for place, value in zip(across, line.low, strict=True)]
        band = f"M{'L'.join([*upper, *reversed(lower)])}Z"
    if line.step:
        path = f"M{points[0][0]} {points[0][1]}" + "".join(f"H{px}V{py}" for px, py in points[1:])
    else:
        path = "M" + "L".join(f"{px} {py}" for px, py in points)
    return _Curve(_css(line.colour), path, band, tuple(points) if len(points) <= FEW else ())


def _limit(chart: LineChart, x: Scale, y: Scale) -> str:
    """The dashed line as a path; empty without one."""
    if chart.limit is None:
        return ""
    along, value = chart.limit
    if along == "across":
        return f"M{x(value)} {y.start}V{y.end}"
    return f"M{x.start} {y(value)}H{x.end}"


def _legend(lines: Sequence[Line]) -> list[tuple[int, float, str, str]]:
    """Row, place, name and colour of each entry; a row takes as many as fit. One unnamed line has none."""
    entries: list[tuple[int, float, str, str]] = []
    row, across = 0, float(_LEFT)
    for line in lines:
        if not line.name:
            continue
        needed = _SWATCH + text_width(line.name) + 14
        if across > _LEFT and across + needed > WIDTH:
            row, across = row + 1, float(_LEFT)
        entries.append((row, round(across, 1), line.name, _css(line.colour)))
        across += needed
    return entries


def text_width(text: str, size: float = 13) -> float:
    """About how wide a text is: East Asian letters are as wide as high, others about six tenths of that."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return size * (wide + 0.6 * (len(text) - wide))


def _summary(chart: LineChart, lines: Sequence[Line]) -> str:
    """The chart in words."""
    told = [
        f"{line.name or 'the line'} from {line.y[0]:.3g} to {line.y[-1]:.3g}" for line in lines if len(line.y)
    ]
    return f"{chart.title}, against {chart.across}: {'; '.join(told) or 'nothing to draw'}"


def _css(colour: str) -> str:
    return colour if colour.startswith("#") else f"var(--{colour})"
