"""What the Kubeflow interface shows of a step: figures, curves, pages."""

from __future__ import annotations

import html
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonad.deploy import MODEL
from autonad.evaluation.line_result import OPERATING, spread
from autonad.files import read_json, write_text_atomic
from autonad.report.flagged import from_json, line_of
from autonad.steps.prepare import Prepared

if TYPE_CHECKING:
    from autonad.data.faults import Fault

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
    found = read_json(folder / "metrics.json", "the evaluation")
    show_figures(metrics, **{name: found["input"].get(name) for name in FIGURES})
    show_figures(metrics, **{f"native_{name}": found["native"].get(name) for name in FIGURES})
    show_red_flags(metrics, from_json(found, "the evaluation"))
    confusion.log_confusion_matrix(found["classes"], found["input"]["confusion"])
    curve = read_json(folder / "roc.json", "the evaluation's ROC curve")
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
    operating = read_json(folder / OPERATING, "the rules' figures")
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


def show_red_flags(artifact: Any, flags: Iterable[Fault]) -> None:
    """What makes a step's result worthless or doubtful: how many there are, and each in words.

    Args:
        artifact: An output.
        flags: None of them where all is well.
    """
    lines = [line_of(flag) for flag in flags]
    artifact.metadata.update(
        red_flags=len(lines), **{f"red_flag_{n}": line for n, line in enumerate(lines, 1)}
    )


def show_summary(artifact: Any, search: str, evaluation: str, export: str, registration: str) -> None:
    """The outcome of a pipeline as Markdown: what a person asks first.

    Args:
        artifact: An output of type `dsl.Markdown`.
        search: Search folder.
        evaluation: Evaluation folder.
        export: Export folder.
        registration: Registration folder.
    """
    searched = read_json(Path(search) / "search.json", "the search")
    metrics = read_json(Path(evaluation) / "metrics.json", "the evaluation")
    latency = read_json(Path(export) / "latency.json", "the export's latency")[MODEL]
    decided = read_json(Path(registration) / "registration.json", "the registration")
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
    table = ["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)]
    reasons = [f"- {reason}" for reason in decided["reasons"]]
    flags = [f"- **{line_of(flag)}**" for flag in from_json(decided, "the registration")]
    red = ["## Red flags", "", *flags, ""] if flags else []
    text = "\n".join(("# The new detector", "", *red, *table, "", *reasons)) + "\n"
    write_text_atomic(Path(artifact.path), text)


def _line_rows(found: dict[str, Any] | None) -> list[tuple[str, str]]:
    """What the shipped rules do on the test split; nothing where that is not known."""
    names = (("overkill", "overkill"), ("images with a defect missed", "misses"))
    return [] if found is None else [(f"test {label}", spread(found[name])) for label, name in names]


def _percent(fraction: float | None) -> str:
    return "n/a" if fraction is None else f"{100 * fraction:.1f} %"
