"""Curves of rules from strict to loose: what is found against what is rejected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from autonad.report.line_chart import Line, LineChart, Ring, chart_file

if TYPE_CHECKING:
    from autonad.evaluation.operating_curves import CurvePoint

_SPLITS = (("val", "best", "validation"), ("test", "chosen", "test"))


def curve_charts(curves: Sequence[CurvePoint], operating: Mapping[str, Any]) -> list[LineChart]:
    """Defect recall against false alarms per image, and image misses against overkill.

    Args:
        curves: Points of each split, with intervals.
        operating: Content of `operating.json`, for the rules that were chosen.

    Returns:
        Two charts; where nothing can be counted, a chart has no line.
    """
    goal = operating["goal"]
    return [
        LineChart(
            "Defects found, %",
            "false alarms per image",
            list(_lines(curves, "false_alarms_per_image", "recall", 1.0)),
            list(_recalls(operating)),
            range=(0.0, 102.0),
        ),
        LineChart(
            "Images with a defect that are missed, %",
            "overkill, %",
            list(_lines(curves, "overkill", "misses", 100.0)),
            list(_misses(operating)),
            range=(-2.0, 102.0),
            limit=("across" if goal["kind"] == "overkill" else "value", 100 * goal["rate"]),
        ),
    ]


def operating_figure(curves: Sequence[CurvePoint], operating: Mapping[str, Any]) -> str:
    """The charts as a file; see `curve_charts`.

    Returns:
        SVG text.
    """
    return chart_file(curve_charts(curves, operating))


def _lines(curves: Sequence[CurvePoint], across: str, along: str, scale: float) -> Iterator[Line]:
    """A line for each split, in percent along."""
    for split, colour, label in _SPLITS:
        known = [
            point
            for point in curves
            if point.split == split
            and getattr(point, across) is not None
            and getattr(point, along) is not None
        ]
        middle, low, high = (
            [100 * getattr(point, name) for point in known]
            for name in (along, f"{along}_low", f"{along}_high")
        )
        yield Line(label, colour, [scale * getattr(point, across) for point in known], middle, low, high)


def _recalls(operating: Mapping[str, Any]) -> Iterator[Ring]:
    """Where the chosen rules are on the first chart."""
    for split, colour, _ in _SPLITS:
        found = operating.get(split)
        recalls = [one["recall"] for one in found["classes"].values()] if found else []
        defects = sum(one["of"] for one in recalls)
        if found and defects:
            recall = sum(one["count"] for one in recalls) / defects
            yield Ring(found["false_alarms_per_image"], 100 * recall, colour)


def _misses(operating: Mapping[str, Any]) -> Iterator[Ring]:
    """Where the chosen rules are on the second chart."""
    for split, colour, _ in _SPLITS:
        found = operating.get(split)
        if found and found["overkill"]["of"] and found["misses"]["of"]:
            yield Ring(100 * found["overkill"]["rate"], 100 * found["misses"]["rate"], colour)
