"""The model card: what a detector is, how well it works and on what, as Markdown beside the ONNX file."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from autonad.detector.spec import DetectorSpec
from autonad.report.flagged import line_of
from autonad.report.kit import render
from autonad.report.line_section import LineFigures, recall_rows, rule_rows
from autonad.report.units import milliseconds, percent, points
from autonad.space import Architecture

if TYPE_CHECKING:
    from autonad.data.faults import Fault

_score = functools.partial(percent, absent="not present")


def render_card(
    *,
    metrics: dict[str, Any],
    line: LineFigures,
    spec: DetectorSpec,
    architecture: Architecture,
    parameters: int,
    parities: dict[str, dict[str, Any]],
    latencies: dict[str, dict[str, Any]],
    provenance: dict[str, Any],
    flags: Iterable[Fault] = (),
) -> str:
    """Markdown for people who receive the ONNX file and nothing else.

    Args:
        metrics: Content of the evaluation's `metrics.json`.
        line: The shipped rules, where they come from, and what they do on the test split.
        spec: Classes and input.
        architecture: The network's.
        parameters: Scalars in its tensors.
        parities: Content of `parity.json`: per file what it differs from torch by; `model.onnx` is the first.
        latencies: Content of `latency.json`: per file that was written its `Measurement.to_dict()`.
        provenance: Where the weights come from, the dataset's name among it.
        flags: What makes it worthless or doubtful; that comes first.
    """
    sizes = [metrics["input"], metrics["native"]]
    exported = next(iter(parities))
    return render(
        "model_card.md",
        key=architecture.key,
        flags=[line_of(flag) for flag in flags],
        spec=spec,
        mean=_triple(spec.mean),
        std=_triple(spec.std),
        images=metrics["images"],
        groups=metrics["groups"],
        figures=[
            ("mIoU, background included", *(_score(size["miou"]) for size in sizes)),
            ("its interval over parts", *(_interval(metrics, size) for size in ("input", "native"))),
            ("mF1, background included", *(_score(size["mf1"]) for size in sizes)),
            ("mIoU of the defects alone", *(_score(size["foreground_miou"]) for size in sizes)),
        ],
        classes=[
            (name, _score(values["iou"]), _score(values["f1"]), values["support"])
            for name, values in metrics["input"]["classes"].items()
        ],
        line=line,
        rules=rule_rows(line.rules),
        recalls=recall_rows(line.figures),
        parameters=parameters,
        latency=latencies[exported],
        on_target=_on_target(provenance),
        parity=parities[exported],
        files=[_file_row(name, parities[name], latency) for name, latency in latencies.items()],
        refused=[(name, facts["reason"]) for name, facts in parities.items() if name not in latencies],
        provenance=provenance,
    )


def _on_target(provenance: dict[str, Any]) -> str | None:
    """The latency that the detector is chosen and judged by; None for one that was not searched."""
    if "target_ms" not in provenance:
        return None
    how = "predicted for" if provenance.get("target_latency") == "predicted" else "median on"
    return f"{milliseconds(provenance['target_ms'])} {how} {provenance['target']}, batch 1, by the search."


def _file_row(name: str, parity: dict[str, Any], latency: dict[str, Any]) -> tuple[str, ...]:
    """Name, size, latency, and what it loses against torch."""
    loss = parity.get("loss")
    return (
        name,
        f"{parity['bytes'] / 1e6:.1f} MB",
        f"{milliseconds(latency['median_ms'])}",
        "none" if loss is None else f"{100 * loss:+.2f} points",
        f"{100 * parity['disagreement']:.4f} %",
        *(f"{100 * parity[f'{level}_disagreement']:.1f} %" for level in ("image", "defect", "verdict")),
    )


def _interval(metrics: dict[str, Any], size: str) -> str:
    interval = metrics["intervals"][size]["miou"]
    return "one part only" if interval is None else f"{points(interval)} %"


def _triple(values: tuple[float, float, float]) -> str:
    return ", ".join(f"{value:.4f}" for value in values)
