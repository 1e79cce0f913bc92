"""One self-contained page, and one table of text, about several runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autonad.console import shown
from autonad.files import write_text_atomic
from autonad.report.compared import FIGURES, Change, Compared, Paired, changed_params, changes, paired
from autonad.report.drawing import describe as describe_architecture
from autonad.report.drawing import draw_architecture
from autonad.report.front import Population, describe, front_drawings, legend, thinned
from autonad.report.genes import gene_changes
from autonad.report.kit import Table, render
from autonad.report.units import ABSENT

RESAMPLES, LEVEL, SEED = 2000, 0.95, 0


# Of the changes that a terminal shows; the page has all of them.
MOST_CHANGES = 12
LONGEST_VALUE = 40  # characters


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
    table = [[shown(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]
    return "\n".join(lines)


def changes_text(runs: Sequence[Compared]) -> list[str]:
    """What changed from run to run, a line each, for a terminal; the page has all of it."""
    lines = []
    for what, rows in _changes(runs).items():
        lines += [f"{what:<8}{row.what}: {' → '.join(_short(value) for value in row.values)}" for row in rows]
    more = len(lines) - MOST_CHANGES
    return [*lines[:MOST_CHANGES], f"… and {more} more"] if more > 0 else lines


def render_page(runs: Sequence[Compared]) -> str:
    """The page as text; equal content gives equal text."""
    titles = {"data": "Data", "params": "Parameters", "code": "Code"}
    return render(
        "comparison.html",
        title=f"{len(runs)} runs compared",
        subtitle=", ".join(run.name for run in runs),
        runs=_runs(runs),
        figures=_figures(runs),
        other_hardware=len({run.data.get("hardware key", ABSENT) for run in runs}) > 1,
        pairs=_pairs(runs),
        fronts=_fronts(runs),
        genes=_genes(runs),
        drawings=[
            (
                run.name,
                run.architecture.key,
                draw_architecture(run.architecture, _classes(run)),
                describe_architecture(run.architecture),
            )
            for run in runs
            if run.architecture is not None
        ],
        changed=[
            (titles[what], _table("What", runs, rows, titles[what]) if rows else None)
            for what, rows in _changes(runs).items()
        ],
    )


def write_page(path: Path, runs: Sequence[Compared]) -> None:
    """Write the page in one step.

    Raises:
        StorageError: The file cannot be written.
    """
    write_text_atomic(path, render_page(runs))


def _table(corner: str, runs: Sequence[Compared], rows: Sequence[Change], caption: str) -> Table:
    header = (corner, *(run.name for run in runs))
    return Table(header, [(row.what, *row.values) for row in rows], caption, "facts")


def _runs(runs: Sequence[Compared]) -> Table:
    facts = [
        Change("Started", tuple(run.started for run in runs)),
        Change("Status", tuple(run.status.lower() for run in runs)),
        Change("Run id in MLflow", tuple(run.run_id for run in runs)),
    ]
    stages = dict.fromkeys(stage for run in runs for stage in run.said)
    facts += [Change(stage, tuple(run.said.get(stage, ABSENT) for run in runs)) for stage in stages]
    return _table("", runs, facts, "What was run, and what each step said")


def _figures(runs: Sequence[Compared]) -> Table:
    rows = [(figure.label, *(figure.cell(run) for run in runs)) for figure in FIGURES]
    rows = [row for row in rows if set(row[1:]) != {ABSENT}]
    rows.append(("Time of all steps", *(_seconds(run) for run in runs)))
    return Table(("Figure", *(run.name for run in runs)), rows, "What each run found")


def _seconds(run: Compared) -> str:
    seconds = [values["time/seconds"] for values in run.metrics.values() if "time/seconds" in values]
    return f"{sum(seconds):,.0f} s" if seconds else ABSENT


def _pairs(runs: Sequence[Compared]) -> Table | None:
    """Each run against the first one on the same images; None where none can be."""
    first, *others = runs
    found = [(run.name, paired(run, first, resamples=RESAMPLES, level=LEVEL, seed=SEED)) for run in others]
    if all(pair.why_not == "no evaluation" for _, pair in found):
        return None
    header = ("Run", "Difference of mIoU, points", f"{100 * LEVEL:g} % interval", "P(better)", "Images")
    caption = f"Against {first.name}, on the same test images at input size"
    return Table(header, [(name, *_paired_cells(pair)) for name, pair in found], caption)


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


def _fronts(runs: Sequence[Compared]) -> dict[str, Any] | None:
    populations = [
        Population(run.population, run.architecture.key if run.architecture else None, run.name)
        for run in runs
        if run.population is not None
    ]
    if not populations:
        return None
    return {
        "drawing": front_drawings([thinned(one)[0] for one in populations]),
        "summary": describe(populations),
        "legend": legend(populations),
    }


def _genes(runs: Sequence[Compared]) -> Table | None:
    known = [run for run in runs if run.architecture is not None]
    if not known:
        return None
    rows = [
        Change(f"≠ {row.what}" if len(set(row.values)) > 1 else row.what, row.values)
        for row in gene_changes([run.architecture for run in known if run.architecture is not None])
    ]
    return _table("Gene", known, rows, "Gene by gene; ≠ marks what is not the same")


def _classes(run: Compared) -> int:
    return int(run.data.get("classes", "1 ").split(" ", 1)[0])


def _changes(runs: Sequence[Compared]) -> dict[str, list[Change]]:
    return {
        "data": changes([run.data for run in runs]),
        "params": changed_params(runs),
        "code": changes([run.code for run in runs]),
    }


def _short(value: str) -> str:
    return value if len(value) <= LONGEST_VALUE else value[: LONGEST_VALUE - 1] + "…"
