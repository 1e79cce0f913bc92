"""One self-contained page, and one table of text, about several runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from autonad.report import markup
from autonad.report.charts import styled, svg_text
from autonad.report.compared import (
    ABSENT,
    FIGURES,
    Change,
    Compared,
    Paired,
    changed_params,
    changes,
    genes,
    paired,
)
from autonad.report.drawing import draw_architecture
from autonad.search.pareto import front

if TYPE_CHECKING:
    import pandas as pd

RESAMPLES, LEVEL, SEED = 2000, 0.95, 0
# Okabe and Ito's colours; more runs than that repeat them with another marker.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#1d2733")
_MARKERS = ("o", "s", "^", "D")


def text_table(runs: Sequence[Compared]) -> str:
    """One line per run, for a terminal."""
    brief = [figure for figure in FIGURES if figure.brief]
    header = ["run", *(figure.label for figure in brief), "architecture", "started"]
    rows = [
        [
            run.name,
            *(figure.cell(run) for figure in brief),
            run.architecture.key if run.architecture else ABSENT,
            run.started,
        ]
        for run in runs
    ]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (header, *rows)
    ]
    return "\n".join(lines)


def changes_text(runs: Sequence[Compared], limit: int = 12) -> list[str]:
    """What changed from run to run, a line each, for a terminal; the page has all of it."""
    lines = []
    for what, rows in _changes(runs).items():
        lines += [f"{what:<8}{row.what}: {' → '.join(_short(value) for value in row.values)}" for row in rows]
    return lines if len(lines) <= limit else [*lines[:limit], f"… and {len(lines) - limit} more"]


def render_comparison(runs: Sequence[Compared]) -> str:
    """The page as text; equal content gives equal text."""
    parts = {
        "Runs": _runs(runs),
        "Figures": _figures(runs),
        "On the same images": _pairs(runs),
        "Pareto fronts": _fronts(runs),
        "Architectures": _architectures(runs),
        "What changed": _changed(runs),
    }
    parts = {name: part for name, part in parts.items() if part}
    links = "".join(f'<a href="#{_identifier(name)}">{markup.escape(name)}</a>' for name in parts)
    return markup.page(
        f"{len(runs)} runs compared",
        "comparison",
        parts.values(),
        subtitle=", ".join(run.name for run in runs),
        nav_html=f'<nav aria-label="Sections">{links}</nav>',
    )


def _section(title: str, body_html: str) -> str:
    return markup.section(_identifier(title), title, body_html)


def _identifier(title: str) -> str:
    return title.lower().replace(" ", "-")


def _note(text: str) -> str:
    return f'<p class="note">{markup.escape(text)}</p>'


def _runs(runs: Sequence[Compared]) -> str:
    facts = [
        ("Started", *(run.started for run in runs)),
        ("Status", *(run.status.lower() for run in runs)),
        ("Run id in MLflow", *(run.run_id for run in runs)),
    ]
    stages = dict.fromkeys(stage for run in runs for stage in run.said)
    facts += [(stage, *(run.said.get(stage, ABSENT) for run in runs)) for stage in stages]
    header = ("", *(run.name for run in runs))
    body = markup.table(header, facts, caption="What was run, and what each step said", kind="facts")
    return _section("Runs", body)


def _figures(runs: Sequence[Compared]) -> str:
    rows = [(figure.label, *(figure.cell(run) for run in runs)) for figure in FIGURES]
    rows = [row for row in rows if set(row[1:]) != {ABSENT}]
    rows.append(("Time of all steps", *(_seconds(run) for run in runs)))
    body = markup.table(("Figure", *(run.name for run in runs)), rows, caption="What each run found")
    body += _note(
        "In brackets: bootstrap intervals over groups of images of one part. Figures are at the network's "
        "input size unless they say otherwise. A latency is that of the exported file on the machine that "
        "exported it; where nothing was exported, that of the search on its target."
    )
    keys = {run.data.get("hardware key", ABSENT) for run in runs}
    if len(keys) > 1:
        body += (
            '<p class="warning">The runs were made for different hardware, so their latencies do not '
            "compare.</p>"
        )
    return _section("Figures", body)


def _seconds(run: Compared) -> str:
    seconds = [values["time/seconds"] for values in run.metrics.values() if "time/seconds" in values]
    return f"{sum(seconds):,.0f} s" if seconds else ABSENT


def _pairs(runs: Sequence[Compared]) -> str:
    first, *others = runs
    rows = []
    for run in others:
        found = paired(run, first, resamples=RESAMPLES, level=LEVEL, seed=SEED)
        rows.append((run.name, *_paired_cells(found)))
    if all(row[1] == "no evaluation" for row in rows):
        return ""
    header = ("Run", "Difference of mIoU, points", f"{100 * LEVEL:g} % interval", "P(better)", "Images")
    body = markup.table(header, rows, caption=f"Against {first.name}, on the same test images at input size")
    body += _note(
        "Paired bootstrap over groups: an interval that holds 0 says that the two cannot be told apart on "
        "these images."
    )
    return _section("On the same images", body)


def _paired_cells(found: Paired) -> tuple[str, str, str, str]:
    if found.difference is None:
        return found.why_not, ABSENT, ABSENT, ABSENT
    difference, interval = found.difference, found.difference.interval
    return (
        f"{100 * difference.difference:+.2f}",
        f"{100 * interval.low:+.2f} to {100 * interval.high:+.2f}",
        f"{difference.probability:.3f}",
        str(found.images),
    )


def _fronts(runs: Sequence[Compared]) -> str:
    tables = {run.name: run.population for run in runs if run.population is not None}
    if not tables:
        return ""
    chosen = {run.name: run.architecture.key for run in runs if run.architecture is not None}
    alt = "; ".join(
        f"{name}: {len(front(table))} architectures on the front, up to {100 * table['miou'].max():.1f} %"
        for name, table in tables.items()
    )
    body = f'<div class="chart" tabindex="0">{markup.image(fronts_figure(tables, chosen), alt)}</div>'
    body += _note(
        "Every architecture that a search evaluated (faint), its Pareto front, and the one that it returned "
        "(star). Inherited mIoU on validation images: it compares between searches of one supernet, less so "
        "between supernets."
    )
    return _section("Pareto fronts", body)


@styled
def fronts_figure(tables: dict[str, pd.DataFrame], chosen: dict[str, str]) -> str:
    """The searches of several runs in one chart.

    Args:
        tables: Run → the search's table: `miou` (fraction), `latency_ms`, `key`.
        chosen: Run → key of the architecture that was returned.

    Returns:
        SVG text.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.4, 4.6), layout="constrained")
    panel = figure.subplots()
    for number, (name, table) in enumerate(tables.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        marker = _MARKERS[number // len(_COLOURS) % len(_MARKERS)]
        points = table.dropna(subset=["miou", "latency_ms"])
        panel.scatter(
            points["latency_ms"], 100 * points["miou"], s=16, color=colour, alpha=0.25, lw=0, marker=marker
        )
        best = front(points)
        panel.step(
            best["latency_ms"],
            100 * best["miou"],
            where="post",
            color=colour,
            lw=1.8,
            label=name,
            marker=marker,
            markersize=5,
        )
        winner = points[points["key"] == chosen.get(name)]
        panel.plot(
            winner["latency_ms"],
            100 * winner["miou"],
            "*",
            color=colour,
            markersize=17,
            mec="white",
            zorder=5,
        )
    panel.set_title("Pareto fronts")
    panel.set_xlabel("latency, ms")
    panel.set_ylabel("inherited validation mIoU, %")
    panel.set_axisbelow(True)
    panel.legend(fontsize=9, loc="lower right")
    return svg_text(figure)


def _architectures(runs: Sequence[Compared]) -> str:
    known = [run for run in runs if run.architecture is not None]
    if not known:
        return ""
    rows = [
        (f"≠ {row.what}" if len(set(row.values)) > 1 else row.what, *row.values)
        for row in genes([run.architecture for run in known if run.architecture is not None])
    ]
    header = ("Gene", *(run.name for run in known))
    body = markup.table(header, rows, caption="Gene by gene; ≠ marks what is not the same", kind="facts")
    for run in known:
        assert run.architecture is not None
        # A picture of its own: two drawings in one page would share their identifiers.
        drawing = (
            draw_architecture(run.architecture, _classes(run))
            .replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
            .replace('font-family="inherit"', 'font-family="system-ui, sans-serif"', 1)
        )
        picture = markup.image(drawing, f"Architecture {run.architecture.key} of {run.name}")
        title = markup.escape(f"{run.name}: {run.architecture.key}")
        body += f'<details><summary>{title}</summary><div class="chart">{picture}</div></details>'
    return _section("Architectures", body)


def _classes(run: Compared) -> int:
    return int(run.data.get("classes", "1 ").split(" ", 1)[0])


def _changes(runs: Sequence[Compared]) -> dict[str, list[Change]]:
    return {
        "data": changes([run.data for run in runs]),
        "params": changed_params(runs),
        "code": changes([run.code for run in runs]),
    }


def _changed(runs: Sequence[Compared]) -> str:
    titles = {"data": "Data", "params": "Parameters", "code": "Code"}
    body = ""
    for what, rows in _changes(runs).items():
        if rows:
            header = ("What", *(run.name for run in runs))
            cells = [(row.what, *row.values) for row in rows]
            body += markup.table(header, cells, caption=titles[what], kind="facts")
        else:
            body += _note(f"{titles[what]}: the same in all of them.")
    return _section("What changed", body)


def _short(value: str, limit: int = 40) -> str:
    return value if len(value) <= limit else value[: limit - 1] + "…"
