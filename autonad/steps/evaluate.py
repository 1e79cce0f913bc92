"""Evaluate a model on the test split, with intervals, and write the report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonad.config.context import Context
from autonad.steps.context import Step, begin
from autonad.tracking.tags import ARCHITECTURE, FINGERPRINT

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from autonad.config import Config
    from autonad.data.dataset import Dataset
    from autonad.evaluation.result import EvaluationResult
    from autonad.network import AutoNADNet
    from autonad.report.panels import Panel


@dataclass(frozen=True)
class EvaluateResult:
    """Test figures, fractions at input size.

    Attributes:
        miou: Background included.
        mf1: Background included.
        interval: Bootstrap interval of the mIoU over groups; None with a single group.
        report: The page to open.
        seconds: Wall time.
    """

    miou: float
    mf1: float
    interval: tuple[float, float] | None
    report: Path
    seconds: float


def evaluate(
    context: Context,
    *,
    dataset: Path,
    model: Path,
    output: Path,
    search: Path | None = None,
    latency: Path | None = None,
) -> EvaluateResult:
    """Write `metrics.json`, `per_image.parquet`, `roc.json` and `report.html`.

    Args:
        context: Section `evaluate` decides.
        dataset: Dataset folder; its test split is used.
        model: Model folder.
        output: Evaluation folder to write.
        search: Search folder, for the report's search progress and latency; optional.
        latency: Latency folder, for the report's prior; optional.
    """
    from autonad.data.dataset import Dataset
    from autonad.evaluation.precision_recall import PrecisionRecall
    from autonad.evaluation.predict import evaluate_network
    from autonad.evaluation.result import write_evaluation
    from autonad.files import write_json
    from autonad.report.content import read_inputs, report_content
    from autonad.report.evaluation import write_page
    from autonad.report.panels import collect_panels
    from autonad.training.folders import load_model
    from autonad.training.inputs import check_classes, evaluation_data

    config = context.config
    inputs = read_inputs(search, latency)
    network, spec, provenance = load_model(model)
    source = Dataset.open(dataset)
    check_classes(source, spec, "the model")
    key = network.architecture.key
    params = {"evaluate": config.evaluate.model_dump(), "architecture": key}
    tags = {FINGERPRINT: source.fingerprint, ARCHITECTURE: key}
    with begin("evaluate", context, params=params, tags=tags) as step:
        step.uses(source, "test")
        forward = _forward(network)
        data = evaluation_data(source, spec, "test")
        thresholds = PrecisionRecall(spec.num_classes)
        result = evaluate_network(
            forward,
            data,
            source,
            batch_size=16,
            num_classes=spec.num_classes,
            observe=thresholds.update,
            progress=lambda done, total: step.console.advance(done, total, "images"),
        )
        metrics = _metrics(config, result, network, model, source)
        write_evaluation(output, metrics, result.per_image())
        write_json(output / "roc.json", thresholds.roc().to_dict("list"))
        panels = collect_panels(forward, data, source, result.per_image(), count=config.evaluate.panels)
        content = report_content(
            metrics=metrics,
            panels=panels,
            dataset=source,
            network=network,
            spec=spec,
            provenance=provenance,
            model=model,
            inputs=inputs,
        )
        write_page(output / "report.html", content)
        _log(step, output, metrics, thresholds.curves(spec.classes), panels)
        interval = metrics["intervals"]["input"]["miou"]
        return EvaluateResult(
            miou=metrics["input"]["miou"],
            mf1=metrics["input"]["mf1"],
            interval=(interval["low"], interval["high"]) if interval else None,
            report=output / "report.html",
            seconds=step.seconds,
        )


def _forward(network: AutoNADNet) -> Callable[[Any], torch.Tensor]:
    """The network on the best device of this machine, as a function of numpy images."""
    import torch

    from autonad.training.folders import pick_device

    device = pick_device()
    network.to(device)

    @torch.inference_mode()
    def forward(images: Any) -> torch.Tensor:
        return network(torch.from_numpy(images).to(device))

    return forward


def _metrics(
    config: Config, result: EvaluationResult, network: AutoNADNet, model: Path, source: Dataset
) -> dict[str, Any]:
    """Content of `metrics.json`: the figures, and what they belong to."""
    from autonad.files import sha256_file

    settings = config.evaluate
    metrics = result.metrics(resamples=settings.resamples, level=settings.confidence, seed=config.seed)
    metrics["parameters"] |= {
        "model_parameters": network.num_parameters,
        "architecture": network.architecture.key,
        "weights_sha256": sha256_file(model / "model.safetensors"),
        "dataset": source.fingerprint,
        "seed": config.seed,
    }
    return metrics


def _log(
    step: Step,
    output: Path,
    metrics: dict[str, Any],
    curves: dict[str, tuple[pd.DataFrame, float]],
    panels: list[Panel],
) -> None:
    """Log figures, files and drawings."""
    from autonad.tracking.names import class_metric, split_metrics
    from autonad.tracking.runs.step_figures import evaluation_headline, log_figures

    averages = {class_metric("test/ap", name): average for name, (_, average) in curves.items()}
    step.run.log(split_metrics(metrics) | averages)
    step.attach(output, "metrics.json", "per_image.parquet", "report.html")
    log_figures(step.run, metrics, curves, panels)
    step.headline(evaluation_headline(metrics))
