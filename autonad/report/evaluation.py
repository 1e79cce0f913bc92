"""One self-contained page about one detector: no script, no address outside, everything escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonad.files import write_text_atomic
from autonad.report import markup, sections
from autonad.report.panels import Panel
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
        highlights: More headline figures: (name, value, note), for example ("Latency", "4.1 ms", "median").
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


def render_report(content: ReportContent) -> str:
    """The page as text; equal content gives equal text."""
    names = list(content.metrics["classes"])
    chosen = content.architecture.key if content.architecture else None
    parts = {
        "Summary": sections.summary(content.metrics, content.highlights),
        "Classes": sections.classes(content.metrics),
        "Misses and false alarms": sections.images(content.metrics),
        "Examples": sections.examples(content.panels, names),
        "Architecture": sections.architecture(content.architecture, len(names)),
        "Latency prior": sections.latency_prior(content.prior),
        "Search": sections.search_progress(content.population, chosen),
        "Training": sections.training(content.history),
        "Provenance": sections.provenance(content.provenance),
    }
    parts = {name: part for name, part in parts.items() if part}
    links = "".join(
        f'<a href="#{_identifier(part)}">{markup.escape(name)}</a>' for name, part in parts.items()
    )
    nav = f'<nav aria-label="Sections">{links}</nav>'
    return markup.page(content.title, "report", parts.values(), subtitle=content.subtitle, nav_html=nav)


def write_report(path: Path, content: ReportContent) -> None:
    """Write the page in one step.

    Raises:
        StorageError: The file cannot be written.
    """
    write_text_atomic(path, render_report(content))


def _identifier(section_html: str) -> str:
    return section_html.split('id="', 1)[1].split('"', 1)[0]
