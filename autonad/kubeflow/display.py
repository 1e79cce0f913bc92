"""What the Kubeflow interface shows of a step: figures, curves, pages."""

from __future__ import annotations

import html
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from autonad.deploy import MODEL
from autonad.evaluation.line_result import OPERATING, FoundFile, OperatingFile, spread
from autonad.evaluation.result import MetricsFile, RocFile
from autonad.files import read_json, write_text_atomic
from autonad.latency.significant import milliseconds
from autonad.reading.shape_checks import Shape
from autonad.report.flagged import from_json, line_of
from autonad.report.kit import as_markdown, cells
from autonad.report.units import percent
from autonad.steps.deliver import Delivered
from autonad.steps.prepare import Prepared
from autonad.steps.variants import ALONE, Variant

if TYPE_CHECKING:
    from autonad.data.faults import Fault


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
# What several pages are shown on: each as it is, in a frame that is as high as the window.
FRAMES = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="color-scheme" content="light dark">
<title>A report for each budget</title><style>
body { font-family: system-ui, sans-serif; margin: 1rem } h1 { font-size: 1.2rem }
iframe { border: 1px solid GrayText; box-sizing: border-box; height: 92vh; width: 100% }
</style></head><body>"""


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


def show_evaluations(
    variants: Sequence[Variant], folder: Path, *, metrics: Any, confusion: Any, roc: Any, report: Any
) -> None:
    """Figures and reports of evaluations, and the first one's confusion matrix and ROC curve.

    Args:
        variants: What was evaluated.
        folder: Evaluation folder.
        metrics: An output of type `dsl.Metrics`.
        confusion: An output of type `dsl.ClassificationMetrics`.
        roc: Likewise.
        report: An output of type `dsl.HTML`.
    """
    for each in variants:
        found = read_json(each.within(folder) / "metrics.json", "the evaluation", MetricsFile)
        for size, prefix in (("input", ""), ("native", "native_")):
            figures = {f"{prefix}{name}": found[size].get(name) for name in FIGURES}
            show_figures(metrics, **each.named(**figures))
        show_red_flags(metrics, from_json(found, "the evaluation"), each)
    first = variants[0].within(folder)
    found = read_json(first / "metrics.json", "the evaluation", MetricsFile)
    confusion.log_confusion_matrix(found["classes"], found["input"]["confusion"])
    curve = read_json(first / "roc.json", "the evaluation's ROC curve", RocFile)
    roc.log_roc_curve(curve["false_alarm_rate"], curve["detection_rate"], curve["threshold"])
    _show_pages(variants, folder, report)


def show_rules(variants: Sequence[Variant], folder: Path, *, rules: Any, metrics: Any, report: Any) -> None:
    """What rules promise on validation and do on test, and the reports that say so.

    Args:
        variants: Whose rules they are.
        folder: What `fit-thresholds` wrote.
        rules: An output, which gets what was wanted.
        metrics: An output of type `dsl.Metrics`.
        report: An output of type `dsl.HTML`.
    """
    for each in variants:
        operating = read_json(each.within(folder) / OPERATING, "the rules' figures", ShownRulesFile)
        goal, promise, found = operating["goal"], operating["promise"], operating["test"]
        rules.metadata.update(target=goal["kind"], rate=goal["rate"], **each.named(promise=promise["text"]))
        promised = {"promised": float(promise["kept"]), "promised_at_most": promise["upper"]}
        figures = {f"test_{name}": found[name]["rate"] for name in LINE}
        show_figures(metrics, **each.named(**promised, **figures))
    _show_pages(variants, folder, report)


def _show_pages(variants: Sequence[Variant], folder: Path, artifact: Any) -> None:
    """The `report.html` of each variant, one below the other on a page if there are several."""
    if len(variants) == 1:
        show_page(variants[0].within(folder) / "report.html", artifact)
        return
    parts = [
        f"<h1>{html.escape(each.name)}</h1>"
        f'<iframe title="{html.escape(each.name)}" '
        f'srcdoc="{html.escape((each.within(folder) / "report.html").read_text(errors="replace"))}"></iframe>'
        for each in variants
    ]
    write_text_atomic(Path(artifact.path), f"{FRAMES}{''.join(parts)}</body></html>\n")


def show_figures(artifact: Any, **figures: float | None) -> None:
    """Figures that the interface lists and compares; what is not known is left out.

    Args:
        artifact: An output of type `dsl.Metrics`.
        figures: By name.
    """
    for name, value in figures.items():
        if value is not None:
            artifact.log_metric(name, round(float(value), 6))


def show_red_flags(artifact: Any, flags: Iterable[Fault], variant: Variant = ALONE) -> None:
    """What makes a step's result worthless or doubtful: how many there are, and each in words.

    Args:
        artifact: An output.
        flags: None of them where all is well.
        variant: The detector that it is about.
    """
    lines = [line_of(flag) for flag in flags]
    told = {f"red_flag_{number}": line for number, line in enumerate(lines, 1)}
    artifact.metadata.update(variant.named(red_flags=len(lines), **told))


def show_delivery(
    done: Sequence[tuple[Variant, Delivered]],
    folders: Mapping[str, Path],
    *,
    exported: Any,
    registration: Any,
    metrics: Any,
    summary: Any,
) -> str:
    """What became of the detectors: figures, metadata, and in Markdown what a person asks first.

    Args:
        done: Each with what it became.
        folders: Of the tasks: `search`, `evaluation`, `exported`, `registration`.
        exported: The output with the files.
        registration: An output.
        metrics: An output of type `dsl.Metrics`.
        summary: An output of type `dsl.Markdown`.

    Returns:
        "champion" if all of them are in use, "refused" if none is, else "some".
    """
    exported.metadata.update(format="onnx")
    for each, one in done:
        file, decided = one.exported, one.registered
        show_figures(metrics, **each.named(p50_ms=file.p50_ms, p95_ms=file.p95_ms))
        exported.metadata.update(each.named(max_difference=file.max_difference))
        found = {"model": decided.model, "version": decided.version or 0, "champion": decided.champion}
        registration.metadata.update(each.named(**found))
    show_summary(summary, [each for each, _ in done], folders)
    used = sum(one.registered.champion for _, one in done)
    return "champion" if used == len(done) else "some" if used else "refused"


def show_summary(artifact: Any, variants: Sequence[Variant], folders: Mapping[str, Path]) -> None:
    """The outcome of a pipeline as Markdown.

    Args:
        artifact: An output of type `dsl.Markdown`.
        variants: The detectors.
        folders: See `show_delivery`.
    """
    found = [{name: each.within(folder) for name, folder in folders.items()} for each in variants]
    title = "# The new detector" if len(found) == 1 else f"# {len(found)} new detectors, one for each budget"
    text = "\n\n".join([title, *(_summary(one) for one in found)])
    write_text_atomic(Path(artifact.path), f"{text}\n")


def _summary(folders: Mapping[str, Path]) -> str:
    """A table of what is known of a detector, and why it is in use or not."""
    searched = read_json(folders["search"] / "search.json", "the search", ShownSearchFile)
    metrics = read_json(folders["evaluation"] / "metrics.json", "the evaluation", ShownMetricsFile)
    latency = read_json(folders["exported"] / "latency.json", "the export's latency", ShownLatencyFile)[MODEL]
    decided = read_json(folders["registration"] / "registration.json", "the registration", RegistrationFile)
    interval = metrics["intervals"]["input"]["miou"]
    between = f" ({percent(interval['low'])} to {percent(interval['high'])})" if interval else ""
    median, p95 = milliseconds(latency["median_ms"]), milliseconds(latency["p95_ms"])
    rows = [
        ("detector", f"{decided['model']}, version {decided.get('version') or '–'}"),
        ("in use", "yes" if decided["champion"] else "no"),
        ("test mIoU", f"{percent(metrics['input']['miou'])}{between}"),
        ("test mF1", percent(metrics["input"]["mf1"])),
        *_line_rows(decided["line"]),
        ("test images", f"{metrics['images']} of {metrics['groups']} parts"),
        ("architecture", f"{searched['architecture_key']}, {searched['parameters']:,} parameters"),
        ("target", str(searched["target"])),
        ("latency in this pod", f"{median} median, {p95} p95"),
    ]
    table = ["| | |", "| --- | --- |", *(f"| {cells(row)} |" for row in rows)]
    flags = [f"- **{as_markdown(line_of(flag))}**" for flag in from_json(decided, "the registration")]
    red = ["## Red flags", "", *flags, ""] if flags else []
    return "\n".join((*red, *table, "", *(f"- {as_markdown(reason)}" for reason in decided["reasons"])))


def _line_rows(found: dict[str, Any] | None) -> list[tuple[str, str]]:
    """What the shipped rules do on the test split; nothing where that is not known."""
    names = (("overkill", "overkill"), ("images with a defect missed", "misses"))
    return [] if found is None else [(f"test {label}", spread(found[name])) for label, name in names]
