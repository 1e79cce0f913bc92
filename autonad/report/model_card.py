"""The model card: what a detector is, how well it works and on what, as Markdown beside the ONNX file."""

from __future__ import annotations

from typing import Any

from autonad import __version__
from autonad.network.spec import DetectorSpec
from autonad.space import Architecture

_FITTING = {True: "Keep the aspect ratio and pad", False: "Resize without keeping the aspect ratio"}


def model_card(
    *,
    metrics: dict[str, Any],
    spec: DetectorSpec,
    architecture: Architecture,
    parameters: int,
    parity: dict[str, Any],
    latency: dict[str, Any],
    provenance: dict[str, Any],
) -> str:
    """Markdown for people who receive the ONNX file and nothing else.

    Args:
        metrics: Content of the evaluation's `metrics.json`.
        spec: Classes and input.
        architecture: The network's.
        parameters: Scalars in its tensors.
        parity: `Parity.to_dict()` of the exported file.
        latency: `Measurement.to_dict()` of the exported file.
        provenance: Where the weights come from.
    """
    at_input, native = metrics["input"], metrics["native"]
    target = latency["target"]
    lines = [
        f"# Defect detector {architecture.key}",
        "",
        f"Segments {', '.join(spec.classes[1:])} on surface images. Made by AutoNAD {__version__}.",
        "",
        "## Use",
        "",
        (
            f"- Input `image`: float32 (batch, 3, {spec.height}, {spec.width}), RGB, scaled to 0..1, "
            f"then normalised per channel with mean {_triple(spec.mean)} and standard deviation "
            f"{_triple(spec.std)}."
        ),
        f"- {_FITTING[spec.keep_aspect]}.",
        (
            f"- Output `logits`: float32 (batch, {spec.num_classes}, {spec.height}, {spec.width}); the class "
            f"of a pixel is the largest. Classes in order: {', '.join(spec.classes)}."
        ),
        "",
        "## Quality",
        "",
        f"On {metrics['images']} test images of {metrics['groups']} parts that were never trained on:",
        "",
        "| figure | at input size | at native size |",
        "| --- | --- | --- |",
        f"| mIoU, background included | {_percent(at_input['miou'])} | {_percent(native['miou'])} |",
        f"| its interval over parts | {_interval(metrics, 'input')} | {_interval(metrics, 'native')} |",
        f"| mF1, background included | {_percent(at_input['mf1'])} | {_percent(native['mf1'])} |",
        (
            f"| mIoU of the defects alone | {_percent(at_input['foreground_miou'])} | "
            f"{_percent(native['foreground_miou'])} |"
        ),
        "",
        "| class | IoU | F1 | true pixels |",
        "| --- | --- | --- | --- |",
        *(
            f"| {name} | {_percent(values['iou'])} | {_percent(values['f1'])} | {values['support']:,} |"
            for name, values in at_input["classes"].items()
        ),
        "",
        "## Cost",
        "",
        f"- {parameters:,} parameters.",
        (
            f"- {latency['median_ms']:.2f} ms median, {latency['p95_ms']:.2f} ms p95 over {latency['n']} "
            f"runs after {latency['warmup']} warm-up runs, batch 1, {target['runtime']} {target['version']}, "
            f"{target['provider']}, {target['precision']}, {target['threads']} threads, {target['cpu']}."
        ),
        "",
        "## Provenance",
        "",
        *(f"- {name}: {value}" for name, value in sorted(provenance.items())),
        (
            f"- ONNX and torch differ by at most {parity['max_difference']:.2g} in a logit on "
            f"{parity['images']} images; {100 * parity['disagreement']:.4f} % of the pixels change class."
        ),
        "",
        "## Limits",
        "",
        (
            "The figures hold for images like the test images. A new material, camera, light or defect needs "
            "new images and at least a retraining."
        ),
        "",
    ]
    return "\n".join(lines)


def _percent(fraction: float | None) -> str:
    return "not present" if fraction is None else f"{100 * fraction:.1f} %"


def _interval(metrics: dict[str, Any], size: str) -> str:
    interval = metrics["intervals"][size]["miou"]
    return (
        "one part only"
        if interval is None
        else f"{100 * interval['low']:.1f} to {100 * interval['high']:.1f} %"
    )


def _triple(values: tuple[float, float, float]) -> str:
    return ", ".join(f"{value:.4f}" for value in values)
