"""One self-contained page about one detector: no script, no address outside, everything escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autonad.files import write_text_atomic
from autonad.report import palette, tables
from autonad.report.drawing import OPERATOR_NAMES, describe, draw_architecture
from autonad.report.flagged import from_json
from autonad.report.front import Population, front_drawings, thinned
from autonad.report.kit import Card, Picture, Swatch, Table, jpeg, render
from autonad.report.line_chart import draw
from autonad.report.panels import HOW_CHOSEN, Panel, pictures
from autonad.report.units import fact, milliseconds, percent
from autonad.space import Architecture, SamplingPrior

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ReportContent:
    """What a report is made of. A section whose content is absent is left out.

    Attributes:
        title: Heading, for example the dataset's name.
        metrics: `EvaluationResult.metrics()`, or the content of `metrics.json`.
        subtitle: One line below the heading.
        highlights: More headline figures, for example ("Latency", "4.1 ms", "median").
        panels: `collect_panels(...)`.
        architecture: The network.
        prior: The sampling prior of the search.
        population: The search's table: `generation`, `miou`, `latency_ms`, `score`, `key`.
        history: The training's table: `epoch`, `train/loss`, `val/miou`, …
        provenance: Heading → fact → value, for example dataset, software, latency measurement.
    """

    title: str
    metrics: Mapping[str, Any]
    subtitle: str = ""
    highlights: Sequence[tuple[str, str, str]] = ()
    panels: Sequence[Panel] = ()
    architecture: Architecture | None = None
    prior: SamplingPrior | None = None
    population: pd.DataFrame | None = None
    history: pd.DataFrame | None = None
    provenance: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


def render_page(content: ReportContent) -> str:
    """The page as text; equal content gives equal text."""
    metrics = content.metrics
    names = list(metrics["classes"])
    return render(
        "evaluation.html",
        title=content.title,
        red_flags=from_json(metrics, "metrics.json"),
        subtitle=content.subtitle,
        metrics=metrics,
        level=metrics["parameters"].get("level", 0.95),
        near_px=metrics["parameters"].get("near_px"),
        cards=[*tables.cards(metrics), *(Card(*highlight) for highlight in content.highlights)],
        sizes=tables.sizes_table(metrics),
        classes=tables.class_table(metrics),
        confusions={
            size: tables.confusion_table(names, metrics[size]["confusion"], f"{size} size")
            for size in ("input", "native")
        },
        events=tables.event_table(metrics["image_level"]),
        panels=[_panel(panel, names) for panel in content.panels],
        how_chosen=HOW_CHOSEN,
        colours=[
            *(Swatch(name, palette.class_colour(k)) for k, name in enumerate(names) if k > 0),
            Swatch("hatched: not labelled", palette.UNLABELLED),
        ],
        architecture=_architecture(content.architecture, len(names)),
        priors=tables.prior_tables(content.prior),
        search=_search(content),
        training=_training(content.history),
        facts=_facts(content.provenance),
    )


def write_page(path: Path, content: ReportContent) -> None:
    """Write the page in one step.

    Raises:
        StorageError: The file cannot be written.
    """
    write_text_atomic(path, render_page(content))


def _panel(panel: Panel, names: Sequence[str]) -> dict[str, Any]:
    what = {
        "image": f"Image {panel.name}",
        "truth": f"Truth: {_contents(panel.truth, names)}",
        "prediction": f"Prediction: {_contents(panel.prediction, names)}",
    }
    shown: list[Picture] = [jpeg(content, what[kind], kind) for kind, content in pictures(panel)]
    return {"reason": panel.reason, "name": panel.name, "miou": panel.miou, "pictures": shown}


def _contents(mask: np.ndarray, names: Sequence[str]) -> str:
    shares = np.bincount(mask.ravel(), minlength=256) / mask.size
    found = [f"{name} {percent(shares[k])}" for k, name in enumerate(names) if k > 0 and shares[k] > 0]
    return ", ".join(found) + " of the pixels" if found else "no defect"


def _architecture(value: Architecture | None, num_classes: int) -> dict[str, Any] | None:
    if value is None:
        return None
    return {
        "key": value.key,
        "num_blocks": value.num_blocks,
        "drawing": draw_architecture(value, num_classes),
        "words": describe(value),
        "legend": [Swatch(OPERATOR_NAMES[name], f"var(--{name}-line)") for name in palette.OPERATORS],
    }


def _search(content: ReportContent) -> dict[str, Any] | None:
    """Best and mean per generation, and every evaluation."""
    population = content.population
    if population is None or population.empty:
        return None
    from autonad.report.charts import progress_charts

    best = population.sort_values("score", kind="stable").iloc[-1]
    story = (
        f"Search over {population['generation'].nunique()} generations: the best mIoU rose to "
        f"{percent(population['miou'].max())}; the highest score belongs to {best['key']} with "
        f"{percent(best['miou'])} at {milliseconds(best['latency_ms'])} by the latency "
        "table."
    )
    chosen = content.architecture.key if content.architecture else None
    drawn, left_out = thinned(Population(population, chosen))
    return {
        "count": len(population),
        "story": story,
        "front": front_drawings([drawn]),
        "left_out": left_out,
        "progress": [draw(chart) for chart in progress_charts(population)],
    }


def _training(history: pd.DataFrame | None) -> dict[str, Any] | None:
    """Loss and validation curves."""
    shown = {"train/loss", "val/loss", "val/miou", "val/mf1"}
    if history is None or history.empty or not shown & set(history.columns):
        return None
    from autonad.report.charts import training_charts

    story = f"Training over {int(history['epoch'].max())} epochs"
    if "val/miou" in history and history["val/miou"].notna().any():
        best = history.sort_values("val/miou", kind="stable", na_position="first").iloc[-1]
        story += f"; the best validation mIoU is {percent(best['val/miou'])}, in epoch {int(best['epoch'])}"
    return {"story": f"{story}.", "charts": [draw(chart) for chart in training_charts(history)]}


def _facts(entries: Mapping[str, Mapping[str, object]]) -> list[Table]:
    """Where everything comes from, as tables of names and values."""
    return [
        Table(("Fact", "Value"), [(name, fact(name, value)) for name, value in facts.items()], title, "facts")
        for title, facts in entries.items()
        if facts
    ]
