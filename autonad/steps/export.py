"""Export a model to ONNX, check it against torch, measure it, and try smaller files of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonad.config import Config
from autonad.config.context import Context
from autonad.deploy import FP16, INT8, MODEL
from autonad.errors import ExportError
from autonad.steps.step import begin, dataset_name
from autonad.tracking.runs.made_for import variant_tags
from autonad.tracking.tags import ARCHITECTURE

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from autonad.config.sections import ExportConfig
    from autonad.data.dataset import Dataset
    from autonad.data.faults import Fault
    from autonad.data.loader import SegmentationData
    from autonad.deploy.parity import Judge, Limits, Parity
    from autonad.deploy.reduced import Attempt
    from autonad.detector.rules import Rules
    from autonad.detector.spec import DetectorSpec
    from autonad.latency.measure import Measurement
    from autonad.latency.target import Target
    from autonad.report.line_section import LineFigures


@dataclass(frozen=True)
class ExportResult:
    """The exported network.

    Attributes:
        path: The ONNX file.
        max_difference: Largest difference of a logit between ONNX Runtime and torch.
        latency: What it takes on the target and on this machine, in words.
        p50_ms: Median latency in ONNX Runtime on this machine, batch 1.
        p95_ms: Its 95th percentile.
        megabytes: Size of the file, MB.
        others: Smaller files that were tried: name → what became of it, in one line.
        seconds: Wall time.
    """

    path: Path
    max_difference: float
    latency: str
    p50_ms: float
    p95_ms: float
    megabytes: float
    others: dict[str, str]
    seconds: float


def export(
    context: Context, *, model: Path, dataset: Path, evaluation: Path, output: Path, rules: Path | None = None
) -> ExportResult:
    """Write `model.onnx`, `parity.json`, `latency.json`, `MODEL_CARD.md` and what smaller files are worth it.

    Args:
        context: Section `export` decides.
        model: Model folder.
        dataset: Dataset folder; test images serve the comparison, training images calibrate,
            validation images say what a smaller file loses.
        evaluation: Evaluation folder; its figures go on the model card.
        output: Export folder to write.
        rules: rules.yaml to ship, such as `fit_thresholds` writes; None ships the usual ones.

    Raises:
        ConfigError: The rules are none, or of other classes.
        ExportError: The exported network differs from the trained one, or judges images otherwise.
    """
    config = context.config
    from autonad.data.dataset import Dataset
    from autonad.deploy.export import check_parity, export_checked
    from autonad.deploy.latency_figure import describe_latency
    from autonad.deploy.speed import exporting_machine
    from autonad.files import write_text_atomic
    from autonad.report.model_card import render_card
    from autonad.steps.shipped_rules import shipped_rules
    from autonad.training.folders import load_model
    from autonad.training.inputs import check_classes

    network, spec, provenance = load_model(model)
    source = Dataset.open(dataset)
    check_classes(source, spec, "the model")
    metrics, weights = _figures(evaluation, model)
    shipped, line = shipped_rules(evaluation, rules, spec, weights, config.fit_thresholds.confidence)
    provenance |= {"weights_sha256": weights, "dataset_name": dataset_name(config, source)}
    key = network.architecture.key
    params = {"export": config.export.model_dump(), "architecture": key}
    with begin("export", context, params=params, tags={ARCHITECTURE: key} | variant_tags(provenance)) as step:
        step.uses(source, "test")
        flags = step.flag(_flags(evaluation, metrics, line, provenance))
        _remove_earlier(output)
        images, judge = _shown(source, spec, shipped, config.export.parity_images)
        path, limits = output / MODEL, _limits(config.export)
        parity = export_checked(
            network, spec, path, provenance, images=images, limits=limits, rules=shipped, judge=judge
        )
        here = exporting_machine(provenance)
        attempts = _try_smaller(config, source, spec, path.read_bytes(), here)
        files = {MODEL: path.read_bytes()} | {one.name: one.content for one in attempts if one.content}
        parities = {MODEL: parity.to_dict()} | {one.name: one.to_dict() for one in attempts}
        compare = partial(check_parity, network=network, images=images, judge=judge)
        _write_smaller(output, files, parities, compare)
        timed = _time(output, files, here, spec)
        latencies = {name: one.to_dict() for name, one in timed.items()}
        card = render_card(
            metrics=metrics,
            line=line,
            spec=spec,
            architecture=network.architecture,
            parameters=network.num_parameters,
            parities=parities,
            latencies=latencies,
            provenance=provenance,
            flags=flags,
        )
        write_text_atomic(output / "MODEL_CARD.md", card)
        step.run.log(_logged(parities, latencies, provenance) | _judged(line))
        step.attach(output, *files, "parity.json", "latency.json", "MODEL_CARD.md")
        megabytes, told = parities[MODEL]["bytes"] / 1e6, describe_latency(provenance, latencies[MODEL])
        step.headline(f"{told}, {megabytes:.1f} MB")
        return ExportResult(
            path=path,
            max_difference=parity.max_difference,
            latency=told,
            p50_ms=timed[MODEL].median_ms,
            p95_ms=timed[MODEL].p95_ms,
            megabytes=megabytes,
            others={one.name: one.told for one in attempts},
            seconds=step.seconds,
        )


def _shown(source: Dataset, spec: DetectorSpec, rules: Rules, count: int) -> tuple[np.ndarray, Judge]:
    """At most so many test images or tiles, normalised, and what the rules make of them."""
    from autonad.deploy.agreement import SampleJudge
    from autonad.training.inputs import evaluation_data

    data = evaluation_data(source, spec, "test")
    samples = data.spread(count)
    return data.batch(samples)[0], SampleJudge.of(spec, rules, data, samples)


def _remove_earlier(output: Path) -> None:
    """Remove what an earlier export made of another network: its card, which completes it, and smaller files.

    Raises:
        StorageError: The folder refuses.
    """
    from autonad.files import withdraw

    for name in ("MODEL_CARD.md", INT8, FP16):
        withdraw(output / name)


def _limits(settings: ExportConfig) -> Limits:
    from autonad.deploy.parity import Limits

    return Limits(settings.tolerance, settings.max_disagreement, settings.max_defect_disagreement)


def _try_smaller(
    config: Config, source: Dataset, spec: DetectorSpec, model: bytes, here: Target
) -> list[Attempt]:
    """The smaller files that section `export` asks for."""
    from autonad.deploy.reduced import Examination, try_fp16, try_int8
    from autonad.training.inputs import image_data

    settings = config.export
    if not (settings.int8 or settings.fp16):
        return []
    exam = Examination(
        model=model,
        dataset=source,
        calibration=_sample(source, spec, settings.calibration_images, config.seed),
        validation=image_data(source, _rows(source, "val"), spec),
        target=here,
    )
    least, attempts = settings.int8_min_speedup, []
    if settings.int8:
        attempts.append(try_int8(exam, max_loss=settings.int8_max_loss, min_speedup=least))
    if settings.fp16:
        attempts.append(try_fp16(exam, max_loss=settings.fp16_max_loss))
    return attempts


def _write_smaller(
    output: Path,
    files: dict[str, bytes],
    parities: dict[str, dict[str, Any]],
    compare: Callable[[bytes], Parity],
) -> None:
    """Write all files but the exported one, which is there, and `parity.json` with what is known of each."""
    from autonad.files import sha256_file, write_bytes_atomic, write_json

    for name, content in files.items():
        if name != MODEL:
            write_bytes_atomic(output / name, content)
            parities[name] |= compare(content).to_dict()
        parities[name] |= {"sha256": sha256_file(output / name), "bytes": len(content)}
    write_json(output / "parity.json", parities)


def _time(output: Path, files: dict[str, bytes], here: Target, spec: DetectorSpec) -> dict[str, Measurement]:
    """Time all files against one another, and write `latency.json`."""
    from autonad.deploy.speed import time_in_turns
    from autonad.files import write_json

    timed = time_in_turns(files, here, (1, 3, *spec.size))
    write_json(output / "latency.json", {name: one.to_dict() for name, one in timed.items()})
    return timed


def _rows(source: Dataset, split: str) -> pd.DataFrame:
    """Rows of a split that may hold no images."""
    return source.manifest[source.manifest["split"] == split].reset_index(drop=True)


def _sample(source: Dataset, spec: DetectorSpec, count: int, seed: int) -> SegmentationData:
    """Some images of the training split, without augmentation."""
    from autonad.training.inputs import image_data

    rows = _rows(source, "train")
    if len(rows) > count:
        rows = rows.sample(count, random_state=seed).sort_index()
    return image_data(source, rows, spec)


def _logged(
    parities: dict[str, Any], latencies: dict[str, Any], provenance: dict[str, Any]
) -> dict[str, float | None]:
    """Metrics for MLflow: of the exported network, and of the int8 file if it was tried."""
    from autonad.deploy.latency_figure import target_latency

    parity, latency, int8 = parities[MODEL], latencies[MODEL], parities.get(INT8, {})
    return {
        "latency/p50_ms": target_latency(provenance, latency, provenance.get("hardware_key"))
        or latency["median_ms"],
        "latency/exported_p50_ms": latency["median_ms"],
        "latency/exported_p95_ms": latency["p95_ms"],
        "latency/mean_ms": latency["mean_ms"],
        "model/megabytes": parity["bytes"] / 1e6,
        "export/max_difference": parity["max_difference"],
        "export/disagreement": parity["disagreement"],
        "export/verdict_disagreement": parity["verdict_disagreement"],
        "export/defect_disagreement": parity["defect_disagreement"],
        "export/int8_kept": float(int8["kept"]) if int8 else None,
        "export/int8_loss": int8.get("loss"),
        "export/int8_speedup": int8.get("speedup"),
        "export/int8_verdict_disagreement": int8.get("verdict_disagreement"),
        "export/int8_defect_disagreement": int8.get("defect_disagreement"),
    }


def _flags(
    evaluation: Path, metrics: dict[str, Any], line: LineFigures, provenance: dict[str, Any]
) -> list[Fault]:
    """What makes the detector worthless or doubtful; the model's own are taken out of its provenance."""
    from autonad.report.flagged import KEY, from_json
    from autonad.report.red_flags import rules_find_nothing

    provenance.pop(KEY, None)  # The evaluation has them, and more.
    return [*from_json(metrics, evaluation / "metrics.json"), *rules_find_nothing(line.figures)]


def _judged(line: LineFigures) -> dict[str, float | None]:
    """What the shipped rules do on the test split, for MLflow."""
    from autonad.tracking.names import found_metrics

    return found_metrics(line.figures) if line.figures else {}


def _figures(evaluation: Path, model: Path) -> tuple[dict[str, Any], str]:
    """The evaluation's metrics, and the sha256 of the weights that they are of.

    Raises:
        ExportError: The model has other weights.
    """
    from autonad.evaluation.line_result import EvaluatedFile
    from autonad.files import read_json, sha256_file

    metrics = read_json(evaluation / "metrics.json", "the evaluation", EvaluatedFile)
    weights = sha256_file(model / "model.safetensors")
    if metrics.get("parameters", {}).get("weights_sha256") != weights:
        raise ExportError(
            f"the evaluation in {evaluation} is of other weights than the model in {model}; run "
            "`autonad evaluate` on this model first, its figures go on the model card"
        )
    return metrics, weights
