"""The ten figures that people compare detectors by: one small file, for `dvc metrics`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FIGURES = "figures.json"


def headline_figures(
    metrics: Mapping[str, Any], line: Mapping[str, Any] | None, latency_ms: float | None, num_bytes: int
) -> dict[str, float | None]:
    """What an exported detector does on the test split, and what it costs.

    Args:
        metrics: Content of `metrics.json`.
        line: What the rules in its file do on the test split; None where that is not known.
        latency_ms: Its median latency on the target, ms; None if nobody has measured it.
        num_bytes: Size of its file.

    Returns:
        `miou`, the ends of its interval (`low`, `high`), `mf1`, the IoU of the worst defect class (`worst`),
        and at the rules of the line `misses`, `overkill` and `review`, as fractions with three decimals; `ms`
        and `mb` with three significant digits. None where the split cannot say. Short names: ten columns have
        to fit a terminal.
    """
    inside = metrics["input"]
    interval = metrics["intervals"]["input"].get("miou") or {}
    ious = [entry["iou"] for name, entry in inside["classes"].items() if name != metrics["classes"][0]]
    known = [iou for iou in ious if iou is not None]
    rates = {name: line[name]["rate"] if line else None for name in ("misses", "overkill", "review_load")}
    return {
        "miou": _fraction(inside["miou"]),
        "low": _fraction(interval.get("low")),
        "high": _fraction(interval.get("high")),
        "mf1": _fraction(inside["mf1"]),
        "worst": _fraction(min(known, default=None)),
        "misses": _fraction(rates["misses"]),
        "overkill": _fraction(rates["overkill"]),
        "review": _fraction(rates["review_load"]),
        "ms": None if latency_ms is None else _rounded(latency_ms),
        "mb": _rounded(num_bytes / 1e6),
    }


def _fraction(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")
