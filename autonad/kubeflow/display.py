"""What the Kubeflow interface shows of a step: figures, curves, pages."""

from __future__ import annotations

import html
import shutil
from pathlib import Path
from typing import Any

from pydantic import Field

from autonad.deploy import MODEL
from autonad.evaluation.line_result import OPERATING, FoundFile, OperatingFile, spread
from autonad.evaluation.result import MetricsFile, RocFile
from autonad.files import read_json, write_text_atomic
from autonad.reading.shape_checks import Shape
from autonad.report.kit import as_markdown, cells
from autonad.steps.prepare import Prepared


class ShownRulesFile(OperatingFile):
    """`operating.json` with the figures on test."""

    test: FoundFile


class AverageFile(Shape):
    """What is shown of the metrics at one size."""

    miou: float | None = Field(ge=0, le=1)
    mf1: float | None = Field(ge=0, le=1)


class ShownMetricsFile(Shape):
    """What is shown of `metrics.json`."""

    input: AverageFile
    intervals: dict[str, dict[str, dict[str, float] | None]]
    images: int
    groups: int


class ShownLatency(Shape):
    """The latency of one file."""

    median_ms: float = Field(ge=0, le=1e9)
    p95_ms: float = Field(ge=0, le=1e9)


class ShownLatencyFile(Shape):
    """What is shown of `latency.json`."""

    model: ShownLatency = Field(alias="model.onnx")


class ShownSearchFile(Shape):
    """What is shown of `search.json`."""

    architecture_key: str
    parameters: int = Field(ge=0)
    target: str


class RegistrationFile(Shape):
    """What is shown of `registration.json`."""

    model: str
    version: int | str | None = None
    champion: bool
    line: FoundFile | None
    reasons: list[str]


# The interface compares runs by these.
FIGURES = ("miou", "mf1", "foreground_miou")
LINE = ("overkill", "review_load", "misses", "unnoticed")


def show_page(page: Path, artifact: Any) -> None:
    """A self-contained HTML page as an artifact.

    Args:
        page: The file.
        artifact: An output of type `dsl.HTML`.
    """
    Path(artifact.path).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(page, artifact.path)


def show_decision(found: Prepared, dataset: Any, decision: Any, page: Any) -> None:
    """What the first task found: the dataset's version, the decision and its page.

    Args:
        found: Its result.
        dataset: An output of type `dsl.Dataset`.
        decision: An output.
        page: An output of type `dsl.HTML`; where nothing was decided it says so.
    """
    dataset.metadata.update(name=found.version.name, dvc_md5=found.version.md5, images=found.images)
    decision.metadata.update(action=found.action, reasons="; ".join(found.reasons), pin_key=found.pin_key)
    if found.page is not None:
        show_page(found.page, page)
    else:
        write_text_atomic(Path(page.path), f"<p>{html.escape('; '.join(found.reasons))}.</p>\n")


def show_evaluation(folder: Path, *, metrics: Any, confusion: Any, roc: Any, report: Any) -> None:
    """An evaluation's figures, confusion matrix, ROC curve and report.

    Args:
        folder: Evaluation folder.
        metrics: An output of type `dsl.Metrics`.
        confusion: An output of type `dsl.ClassificationMetrics`.
        roc: Likewise.
        report: An output of type `dsl.HTML`.
    """
    found = read_json(folder / "metrics.json", "the evaluation", MetricsFile)
    show_figures(metrics, **{name: found["input"].get(name) for name in FIGURES})
    show_figures(metrics, **{f"native_{name}": found["native"].get(name) for name in FIGURES})
    confusion.log_confusion_matrix(found["classes"], found["input"]["confusion"])
    curve = read_json(folder / "roc.json", "the evaluation's ROC curve", RocFile)
    roc.log_roc_curve(curve["false_alarm_rate"], curve["detection_rate"], curve["threshold"])
    show_page(folder / "report.html", report)


def show_rules(folder: Path, *, rules: Any, metrics: Any, report: Any) -> None:
    """What rules promise on validation and do on test, and the report that says so.

    Args:
        folder: What `fit-thresholds` wrote.
        rules: An output, which gets what was wanted.
        metrics: An output of type `dsl.Metrics`.
        report: An output of type `dsl.HTML`.
    """
    operating = read_json(folder / OPERATING, "the rules' figures", ShownRulesFile)
    goal, promise, found = operating["goal"], operating["promise"], operating["test"]
    rules.metadata.update(target=goal["kind"], rate=goal["rate"], promise=promise["text"])
    show_figures(metrics, promised=float(promise["kept"]), promised_at_most=promise["upper"])
    show_figures(metrics, **{f"test_{name}": found[name]["rate"] for name in LINE})
    show_page(folder / "report.html", report)


def show_figures(artifact: Any, **figures: float | None) -> None:
    """Figures that the interface lists and compares; what is not known is left out.

    Args:
        artifact: An output of type `dsl.Metrics`.
        figures: By name.
    """
    for name, value in figures.items():
        if value is not None:
            artifact.log_metric(name, round(float(value), 6))


def show_summary(artifact: Any, search: str, evaluation: str, export: str, registration: str) -> None:
    """The outcome of a pipeline as Markdown: what a person asks first.

    Args:
        artifact: An output of type `dsl.Markdown`.
        search: Search folder.
        evaluation: Evaluation folder.
        export: Export folder.
        registration: Registration folder.
    """
    searched = read_json(Path(search) / "search.json", "the search", ShownSearchFile)
    metrics = read_json(Path(evaluation) / "metrics.json", "the evaluation", ShownMetricsFile)
    latency = read_json(Path(export) / "latency.json", "the export's latency", ShownLatencyFile)[MODEL]
    decided = read_json(Path(registration) / "registration.json", "the registration", RegistrationFile)
    interval = metrics["intervals"]["input"]["miou"]
    between = f" ({_percent(interval['low'])} to {_percent(interval['high'])})" if interval else ""
    rows = [
        ("detector", f"{decided['model']}, version {decided['version'] or '–'}"),
        ("in use", "yes" if decided["champion"] else "no"),
        ("test mIoU", f"{_percent(metrics['input']['miou'])}{between}"),
        ("test mF1", _percent(metrics["input"]["mf1"])),
        *_line_rows(decided["line"]),
        ("test images", f"{metrics['images']} of {metrics['groups']} parts"),
        ("architecture", f"{searched['architecture_key']}, {searched['parameters']:,} parameters"),
        ("target", str(searched["target"])),
        ("latency in this pod", f"{latency['median_ms']:.2f} ms median, {latency['p95_ms']:.2f} ms p95"),
    ]
    table = ["| | |", "| --- | --- |", *(f"| {cells(row)} |" for row in rows)]
    reasons = [f"- {as_markdown(reason)}" for reason in decided["reasons"]]
    text = "\n".join(("# The new detector", "", *table, "", *reasons)) + "\n"
    write_text_atomic(Path(artifact.path), text)


def _line_rows(found: dict[str, Any] | None) -> list[tuple[str, str]]:
    """What the shipped rules do on the test split; nothing where that is not known."""
    names = (("overkill", "overkill"), ("images with a defect missed", "misses"))
    return [] if found is None else [(f"test {label}", spread(found[name])) for label, name in names]


def _percent(fraction: float | None) -> str:
    return "n/a" if fraction is None else f"{100 * fraction:.1f} %"
