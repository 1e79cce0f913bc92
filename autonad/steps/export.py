"""Export a model to ONNX, check it against torch, and measure it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autonad.config.context import Context
from autonad.deploy import MODEL
from autonad.errors import ExportError
from autonad.steps.step import begin, dataset_name
from autonad.tracking.tags import ARCHITECTURE


@dataclass(frozen=True)
class ExportResult:
    """The exported network.

    Attributes:
        path: The ONNX file.
        max_difference: Largest difference of a logit between ONNX Runtime and torch.
        p50_ms: Median latency in ONNX Runtime on this machine, batch 1.
        p95_ms: Its 95th percentile.
        megabytes: Size of the file, MB.
        seconds: Wall time.
    """

    path: Path
    max_difference: float
    p50_ms: float
    p95_ms: float
    megabytes: float
    seconds: float


def export(context: Context, *, model: Path, dataset: Path, evaluation: Path, output: Path) -> ExportResult:
    """Write `model.onnx`, `parity.json`, `latency.json` and `MODEL_CARD.md`.

    Args:
        context: Section `export` decides.
        model: Model folder.
        dataset: Dataset folder; test images serve the comparison.
        evaluation: Evaluation folder; its figures go on the model card.
        output: Export folder to write.

    Raises:
        ExportError: The exported network differs from the trained one.
    """
    config = context.config
    from autonad.data.dataset import Dataset
    from autonad.deploy.export import export_checked
    from autonad.files import write_json, write_text_atomic
    from autonad.latency.measure import measure_network
    from autonad.latency.target import Target
    from autonad.report.model_card import render_card
    from autonad.training.folders import load_model
    from autonad.training.inputs import check_classes, evaluation_data

    network, spec, provenance = load_model(model)
    source = Dataset.open(dataset)
    check_classes(source, spec, "the model")
    metrics, weights = _figures(evaluation, model)
    provenance |= {"weights_sha256": weights, "dataset_name": dataset_name(config, source)}
    key = network.architecture.key
    params = {"export": config.export.model_dump(), "architecture": key}
    with begin("export", context, params=params, tags={ARCHITECTURE: key}) as step:
        step.uses(source, "test")
        data = evaluation_data(source, spec, "test")
        images, _ = data.batch(range(min(config.export.parity_images, len(data))), 0)
        path = output / MODEL
        parity = export_checked(
            network, spec, path, provenance, images=images, tolerance=config.export.tolerance
        )
        write_json(output / "parity.json", parity.to_dict())
        here = Target.describe("this machine", "onnxruntime")
        measured = measure_network(path, here, input_shape=(1, 3, *spec.size))
        write_json(output / "latency.json", measured.to_dict())
        megabytes = path.stat().st_size / 1e6
        card = render_card(
            metrics=metrics,
            spec=spec,
            architecture=network.architecture,
            parameters=network.num_parameters,
            parity=parity.to_dict(),
            latency=measured.to_dict(),
            provenance=provenance,
        )
        write_text_atomic(output / "MODEL_CARD.md", card)
        step.run.log(
            {
                "latency/p50_ms": measured.median_ms,
                "latency/p95_ms": measured.p95_ms,
                "latency/mean_ms": measured.mean_ms,
                "model/megabytes": megabytes,
                "export/max_difference": parity.max_difference,
                "export/disagreement": parity.disagreement,
            }
        )
        step.attach(output, MODEL, "parity.json", "latency.json", "MODEL_CARD.md")
        step.headline(f"{measured.median_ms:.2f} ms median on this machine, {megabytes:.1f} MB")
        return ExportResult(
            path, parity.max_difference, measured.median_ms, measured.p95_ms, megabytes, step.seconds
        )


def _figures(evaluation: Path, model: Path) -> tuple[dict[str, Any], str]:
    """The evaluation's metrics, and the sha256 of the weights that they are of.

    Raises:
        ExportError: The model has other weights.
    """
    from autonad.files import read_json, sha256_file

    metrics = read_json(evaluation / "metrics.json", "the evaluation")
    weights = sha256_file(model / "model.safetensors")
    if metrics.get("parameters", {}).get("weights_sha256") != weights:
        raise ExportError(
            f"the evaluation in {evaluation} is of other weights than the model in {model}; run "
            "`autonad evaluate` on this model first, its figures go on the model card"
        )
    return metrics, weights
