"""The one latency of a detector: what search page, report, model card, MLflow and registry show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from autonad.latency.significant import milliseconds
from autonad.reading.shape_checks import Shape


class FileLatency(Shape):
    """The latency of one exported file, as `Measurement.to_dict()` gives it."""

    hardware_key: str
    median_ms: float = Field(ge=0, le=1e9)


class LatencyFile(Shape):
    """`latency.json`: per file that was written its latency."""

    model: FileLatency = Field(alias="model.onnx")


def target_latency(
    provenance: Mapping[str, Any], exported: Mapping[str, Any], key: str | None
) -> float | None:
    """Median latency on a target, ms.

    The search's own measurement on the target comes first: the budget was kept by it, and what is measured
    again differs by noise. Then the exported file's, where the target exported it. What the search predicted
    comes last.

    Args:
        provenance: Of the model, with what `autonad.training.folders.searched_for` found.
        exported: The exported file's `Measurement.to_dict()`.
        key: Hardware key of the target.

    Returns:
        None where nothing is known of this target.
    """
    searched = provenance.get("target_ms") if key == provenance.get("hardware_key") else None
    if searched is not None and provenance.get("target_latency") != "predicted":
        return float(searched)
    if key is not None and exported["hardware_key"] == key:
        return float(exported["median_ms"])
    return None if searched is None else float(searched)


def describe_latency(provenance: Mapping[str, Any], exported: Mapping[str, Any]) -> str:
    """The detector's latency in words: first on the target, then of the exported file where it was exported.

    Args:
        provenance: As in `target_latency`.
        exported: As in `target_latency`.
    """
    threads = exported["target"]["threads"]
    here = (
        f"{milliseconds(exported['median_ms'])} median where it was exported, with {threads} "
        f"{'thread' if threads == 1 else 'threads'}"
    )
    figure = target_latency(provenance, exported, provenance.get("hardware_key"))
    return here if figure is None else f"{milliseconds(figure)} on {provenance['target']}; {here}"
