"""Curves of rules from strict to loose, as SVG: what is found against what is rejected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from autonad.report.charts import styled, svg_text
from autonad.report.palette import LIGHT

if TYPE_CHECKING:
    from autonad.evaluation.operating_curves import CurvePoint

_SPLITS = (("val", "best", "validation"), ("test", "chosen", "test"))


@styled
def operating_figure(curves: Sequence[CurvePoint], operating: Mapping[str, Any]) -> str:
    """Defect recall against false alarms per image, and image misses against overkill.

    Args:
        curves: Points of each split, with intervals.
        operating: Content of `operating.json`, for the rules that were chosen.

    Returns:
        SVG text; where nothing can be counted, a panel is empty.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.2, 3.4), layout="constrained", facecolor=LIGHT["paper"])
    left, right = figure.subplots(1, 2)
    for split, colour, label in _SPLITS:
        own = [point for point in curves if point.split == split]
        if not own:
            continue
        for panel, x, y, scale in (
            (left, "false_alarms_per_image", "recall", 1),
            (right, "overkill", "misses", 100),
        ):
            rows = [
                [getattr(point, name) for name in (x, y, f"{y}_low", f"{y}_high")]
                for point in own
                if getattr(point, x) is not None and getattr(point, y) is not None
            ]
            if not rows:
                continue
            across, value, low, high = zip(*rows, strict=True)
            shown = [scale * one for one in across]
            percents = ([100 * one for one in values] for values in (value, low, high))
            middle, lower, upper = percents
            panel.plot(shown, middle, color=LIGHT[colour], label=label, marker=".", markersize=3)
            panel.fill_between(shown, lower, upper, color=LIGHT[colour], alpha=0.15, linewidth=0)
        _mark(left, right, operating.get(split), LIGHT[colour])
    left.set(title="Defects found, %", xlabel="false alarms per image", ylim=(0, 102))
    right.set(title="Images with a defect that are missed, %", xlabel="overkill, %", ylim=(-2, 102))
    goal = operating["goal"]
    limit = right.axvline if goal["kind"] == "overkill" else right.axhline
    limit(100 * goal["rate"], color=LIGHT["stroke"], linestyle="--", linewidth=1)
    for panel in (left, right):
        panel.set_axisbelow(True)
        if panel.get_legend_handles_labels()[0]:
            panel.legend(fontsize=9)
    return svg_text(figure)


def _mark(left: Any, right: Any, found: Mapping[str, Any] | None, colour: str) -> None:
    """A ring where the chosen rules are."""
    if found is None:
        return
    recalls = [one["recall"] for one in found["classes"].values()]
    defects = sum(one["of"] for one in recalls)
    ring = {"color": colour, "markersize": 8, "mfc": LIGHT["paper"], "mew": 2}
    if defects:
        recall = sum(one["count"] for one in recalls) / defects
        left.plot(found["false_alarms_per_image"], 100 * recall, "o", **ring)
    if found["overkill"]["of"] and found["misses"]["of"]:
        right.plot(100 * found["overkill"]["rate"], 100 * found["misses"]["rate"], "o", **ring)
