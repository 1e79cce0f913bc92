"""What a detector does on the line, for the report and the model card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonad.detector.rules import Rules
from autonad.errors import StorageError
from autonad.files import write_text_atomic
from autonad.report.kit import Cell, HeatTable, Table, render
from autonad.report.line_chart import draw
from autonad.report.operating_charts import curve_charts
from autonad.report.palette import WARM, heat
from autonad.report.units import ABSENT, percent, points

if TYPE_CHECKING:
    from autonad.evaluation.line_result import LineResult

# What `templates/evaluation.html` leaves to be filled in lies between these; text of users is escaped.
_BEGIN, _END = "<!-- rules of the line -->", "<!-- end of the rules of the line -->"
_FIGURES = (
    ("Good images that are NG (overkill)", "overkill"),
    ("Good images for REVIEW", "review_load"),
    ("Images with a defect that are not NG (misses)", "misses"),
    ("Images with a defect that are OK (unnoticed)", "unnoticed"),
)


@dataclass(frozen=True)
class LineFigures:
    """Shipped rules and what they do.

    Attributes:
        rules: The rules.
        source: Where they come from.
        told: What they promise and do, in sentences.
        figures: On the test split, as `split_figures` returns them; None where they were not measured.
    """

    rules: Rules
    source: str
    told: tuple[str, ...]
    figures: Mapping[str, Any] | None


def write_line_report(evaluated: Path, path: Path, line: LineResult) -> None:
    """Write an evaluation's report with what rules do on the line.

    Args:
        evaluated: The report that `evaluate` wrote.
        path: The report to write.
        line: The rules.

    Raises:
        StorageError: There is no such report, or it cannot be written.
    """
    try:
        page = evaluated.read_text(encoding="utf-8")
        before, rest = page.split(_BEGIN)
        _, after = rest.split(_END)
    except (OSError, ValueError) as error:
        raise StorageError(
            f"{evaluated} is no report that rules can be added to ({error}); run `autonad evaluate` again"
        ) from error
    section = render("line.html", line=on_the_line(line))
    write_text_atomic(path, f"{before}{_BEGIN}\n{section}\n{_END}{after}")


def on_the_line(line: LineResult) -> dict[str, Any]:
    """What the section "On the line" of the report lays out."""
    from autonad.evaluation.line_result import told

    operating = line.operating
    splits = [name for name in ("val", "test") if name in operating]
    titles = {"val": "Validation", "test": "Test"}
    last = operating[splits[-1]]
    figures = [
        (name, *(cell for split in splits for cell in _entry(operating[split][key])))
        for name, key in _FIGURES
    ]
    alarms = [
        cell for split in splits for cell in (f"{operating[split]['false_alarms_per_image']:.3f}", ABSENT)
    ]
    header = ("", *(text for split in splits for text in (titles[split], "interval")))
    return {
        "told": told(operating),
        "basis": last["basis"],
        "figures": Table(
            header, [*figures, ("False alarms per image", *alarms)], "At the rules that the detector ships"
        ),
        "classes": _classes(last),
        "rules": Table(
            ("Class", "Pixel probability", "Least area, pixels", "NG from a mean of"),
            rule_rows(line.rules),
            "The rules; what is large enough and less sure goes to REVIEW",
        ),
        "curves": [draw(chart) for chart in curve_charts(line.curves, operating)],
    }


def rule_rows(rules: Rules) -> list[tuple[str, ...]]:
    """Class, pixel probability, least area and least mean probability."""
    return [
        (name, f"{rule.probability:g}", f"{rule.min_area_px:g}", f"{rule.review:g}")
        for name, rule in rules.classes.items()
    ]


def recall_rows(figures: Mapping[str, Any] | None) -> list[tuple[str, str, str]]:
    """Class, what is found of it, and what is noticed; classes without a defect say so."""
    return [
        (name, " ".join(_counted(one["recall"])), " ".join(_counted(one["noticed"])))
        for name, one in (figures["classes"] if figures else {}).items()
    ]


def _classes(figures: Mapping[str, Any]) -> HeatTable:
    rows = []
    for name, one in figures["classes"].items():
        cells = []
        for entry in (one["recall"], one["noticed"]):
            value, interval = _entry(entry)
            never = bool(entry["of"]) and not entry["count"]
            cells.append(Cell(value, heat(1, WARM) if never else None, interval))
        rows.append((name, [*cells, Cell(str(one["recall"]["of"])), Cell(str(one["recall"]["parts"]))]))
    columns = ("NG", "NG or REVIEW", "Defects", "Parts")
    return HeatTable("Class", columns, rows, "True defects that are found on the test split")


def _entry(entry: Mapping[str, Any]) -> tuple[str, str]:
    if not entry["of"]:
        return ABSENT, ABSENT
    return f"{entry['count']} of {entry['of']}, {percent(entry['rate'])}", f"{points(entry)} %"


def _counted(entry: Mapping[str, Any]) -> tuple[str, ...]:
    value, interval = _entry(entry)
    return (value, f"({interval})") if entry["of"] else ("none in the test split",)
