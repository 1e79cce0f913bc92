"""Evaluate a model on the test split, with intervals, and write the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonad.config.context import Context
from autonad.latency.significant import milliseconds
from autonad.steps.step import begin, dataset_name
from autonad.tracking.runs.made_for import purpose_of, variant_tags
from autonad.tracking.tags import ARCHITECTURE, FINGERPRINT

if TYPE_CHECKING:
    import pandas as pd

    from autonad.console import Console
    from autonad.data.dataset import Dataset
    from autonad.data.faults import Fault
    from autonad.data.loader import SegmentationData
    from autonad.evaluation.precision_recall import PrecisionRecall
    from autonad.evaluation.predict import Forward
    from autonad.evaluation.result import EvaluationResult
    from autonad.network import AutoNADNet
    from autonad.report.panels import Panel
    from autonad.steps.step import Step


@dataclass(frozen=True)
class EvaluateResult:
    """Test figures, fractions at input size.

    Attributes:
        miou: Background included.
        native_miou: Background included, at the images' own sizes; None where all have the input's size.
        mf1: Background included.
        interval: Bootstrap interval of the mIoU over groups; None with a single group.
        report: The page to open.
        test_time: What the test-time views of `evaluate.test_time` gain and cost, in words; None without any.
        seconds: Wall time.
        red_flags: What makes the detector worthless or doubtful, that of its search included.
    """

    miou: float
    native_miou: float | None
    mf1: float
    interval: tuple[float, float] | None
    report: Path
    test_time: str | None
    seconds: float
    red_flags: tuple[Fault, ...] = ()


def evaluate(
    context: Context,
    *,
    dataset: Path,
    model: Path,
    output: Path,
    search: Path | None = None,
    latency: Path | None = None,
) -> EvaluateResult:
    """Write `metrics.json`, `per_image.parquet`, `roc.json`, `report.html`, and what rules are chosen from.

    That is `candidates-val.npz` and `candidates-test.npz`, which `fit_thresholds` reads.

    Args:
        context: Section `evaluate` decides.
        dataset: Dataset folder; its validation and test splits are used.
        model: Model folder.
        output: Evaluation folder to write.
        search: Search folder, for the report's search progress and latency; optional.
        latency: Latency folder, for the report's prior; optional.
    """
    config, console = context.config, context.console
    from autonad.data.dataset import Dataset
    from autonad.evaluation.candidates import collect_splits
    from autonad.evaluation.result import write_evaluation
    from autonad.evaluation.views import measure_views
    from autonad.files import withdraw, write_json
    from autonad.report.content import read_inputs, report_content
    from autonad.report.evaluation import write_page
    from autonad.report.flagged import KEY, to_json
    from autonad.report.panels import collect_panels
    from autonad.training.folders import load_model, numpy_forward
    from autonad.training.inputs import check_classes, evaluation_data

    settings = config.evaluate
    inputs = read_inputs(search, latency)
    network, spec, provenance = load_model(model)
    source = Dataset.open(dataset)
    check_classes(source, spec, "the model")
    key = network.architecture.key
    params = {"evaluate": settings.model_dump(), "architecture": key}
    tags = {FINGERPRINT: source.fingerprint, ARCHITECTURE: key, **variant_tags(provenance)}
    with begin("evaluate", context, params=params, tags=tags) as step:
        step.uses(source, "test")
        data, forward = evaluation_data(source, spec, "test"), numpy_forward(network)
        result, thresholds = _predict(forward, data, source, console)
        metrics = result.metrics(resamples=settings.resamples, level=settings.confidence, seed=config.seed)
        metrics["parameters"] |= _belongs_to(network, model, source, provenance) | {"seed": config.seed}
        if settings.test_time != "none":
            least, views = network.architecture.least_side, settings.test_time
            metrics["test_time"] = measure_views(forward, data, source, result, views, least_side=least)
        flags = step.flag(_flags(metrics, provenance, model))
        metrics[KEY] = to_json(flags)
        report = output / "report.html"
        withdraw(report)  # An old one would stand for what is written now.
        write_evaluation(output, metrics, result.per_image())
        write_json(output / "roc.json", thresholds.roc().to_dict("list"))
        panels = collect_panels(forward, data, source, result.per_image(), count=settings.panels)
        collect_splits(
            forward, source, spec, output, lambda done, total: console.advance(done, total, "images")
        )
        content = report_content(
            metrics=metrics,
            panels=panels,
            name=dataset_name(config, source),
            dataset=source,
            network=network,
            spec=spec,
            provenance=provenance,
            model=model,
            inputs=inputs,
        )
        write_page(report, content)
        _log(step, output, metrics, thresholds.curves(spec.classes), panels)
        same_size = set(result.sizes) == {spec.size}
        return _summary(metrics, same_size, report=report, seconds=step.seconds, flags=flags)


def _summary(
    metrics: dict[str, Any], same_size: bool, *, report: Path, seconds: float, flags: tuple[Fault, ...]
) -> EvaluateResult:
    """What the step returns; `same_size`: whether all images have the input's size."""
    interval, averaged = metrics["intervals"]["input"]["miou"], metrics.get("test_time")
    return EvaluateResult(
        miou=metrics["input"]["miou"],
        native_miou=None if same_size else metrics["native"]["miou"],
        mf1=metrics["input"]["mf1"],
        interval=(interval["low"], interval["high"]) if interval else None,
        report=report,
        test_time=averaged and _told(averaged),
        seconds=seconds,
        red_flags=flags,
    )


def _flags(metrics: dict[str, Any], provenance: dict[str, Any], model: Path) -> tuple[Fault, ...]:
    """What makes the detector worthless or doubtful; the model's own are taken out of its provenance."""
    from autonad.report.flagged import KEY, from_json
    from autonad.report.red_flags import few_parts, missed_defects

    carried = from_json({KEY: provenance.pop(KEY, None)}, model / "model.json")
    return *carried, *missed_defects(metrics), *few_parts(metrics)


def _belongs_to(
    network: AutoNADNet, model: Path, source: Dataset, provenance: dict[str, Any]
) -> dict[str, Any]:
    """What an evaluation is of."""
    from autonad.files import sha256_file

    return {
        "model_parameters": network.num_parameters,
        "architecture": network.architecture.key,
        "weights_sha256": sha256_file(model / "model.safetensors"),
        "dataset": source.fingerprint,
        **purpose_of(provenance),
    }


def _told(views: dict[str, Any]) -> str:
    return (
        f"with {views['views']} {100 * views['gain']:+.2f} points of mIoU, for {milliseconds(views['ms'])} "
        f"a pass (image or tile) in place of {milliseconds(views['plain_ms'])}"
    )


def _predict(
    forward: Forward, data: SegmentationData, source: Dataset, console: Console
) -> tuple[EvaluationResult, PrecisionRecall]:
    """Every image once: what was confused with what, and what each threshold would find."""
    from autonad.evaluation.precision_recall import PrecisionRecall
    from autonad.evaluation.predict import evaluate_network

    thresholds = PrecisionRecall(len(source.classes))
    result = evaluate_network(
        forward,
        data,
        source,
        batch_size=16,
        num_classes=len(source.classes),
        observe=thresholds.update,
        progress=lambda done, total: console.advance(done, total, "images"),
    )
    return result, thresholds


def _draw_confusion(output: Path, metrics: dict[str, Any]) -> None:
    import numpy as np

    from autonad.files import write_text_atomic
    from autonad.report.class_charts import confusion_figure

    figure = confusion_figure(np.array(metrics["input"]["confusion"]), metrics["classes"])
    write_text_atomic(output / "confusion.svg", figure)


def _log(
    step: Step,
    output: Path,
    metrics: dict[str, Any],
    curves: Mapping[str, tuple[pd.DataFrame, float]],
    panels: list[Panel],
) -> None:
    """Figures, files and headline for MLflow; the confusion as a picture of its own."""
    from autonad.tracking.names import class_metric, split_metrics
    from autonad.tracking.runs.step_figures import evaluation_headline, log_figures

    averages = {class_metric("test/ap", name): average for name, (_, average) in curves.items()}
    views = metrics.get("test_time", {})
    extra = {"test/views_gain": views.get("gain"), "latency/views_ms": views.get("ms")}
    step.run.log(split_metrics(metrics) | averages | extra)
    step.attach(output, "metrics.json", "per_image.parquet", "report.html")
    _draw_confusion(output, metrics)
    log_figures(step.run, metrics, curves, panels)
    step.headline(evaluation_headline(metrics))
