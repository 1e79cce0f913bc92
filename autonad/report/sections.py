"""The sections of a report, each from values to HTML; one that has nothing to say is empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from autonad.report import markup
from autonad.report.drawing import EDGE_NAMES, OPERATOR_COLOURS, OPERATOR_NAMES, draw_architecture
from autonad.report.markup import percent
from autonad.report.panels import HOW_CHOSEN, Panel, class_colour, pictures
from autonad.report.tables import class_table, confusion_table, rate_text, sizes_table
from autonad.space import EDGES, Architecture, SamplingPrior

if TYPE_CHECKING:
    import pandas as pd

_WARM = (217, 72, 1)


def summary(metrics: Mapping[str, Any], highlights: Sequence[tuple[str, str, str]]) -> str:
    """Headline figures: mIoU, mF1, foreground mIoU, misses and false alarms, then `highlights`."""
    score, intervals, images = metrics["input"], metrics["intervals"]["input"], metrics["image_level"]
    entries = [
        (name, percent(score[key]), _interval(score[key], intervals.get(key)))
        for name, key in (("mIoU", "miou"), ("mF1", "mf1"), ("Foreground mIoU", "foreground_miou"))
    ]
    alarms = images["false_alarms_clean"]
    entries += [
        ("Missed defect images", *rate_text(images["misses"], "defect images")),
        ("False alarms", *rate_text(alarms, "clean images"))
        if alarms["of"]
        else ("False alarms", *rate_text(images["false_alarms_defect"], "defect images")),
        *highlights,
    ]
    level = metrics["parameters"].get("level", 0.95)
    body = markup.cards(entries) + sizes_table(metrics)
    body += _note(
        f"{metrics['images']} images in {metrics['groups']} groups. mIoU and mF1 average over the classes of "
        "one confusion matrix of the whole split, background included; foreground mIoU leaves it out. "
        f"Ranges are {100 * level:g} % bootstrap intervals over groups of images of one part. Input "
        "size is the network's, native size is each image's own."
    )
    return markup.section("summary", "Summary", body + _skipped(score["skipped_classes"]))


def classes(metrics: Mapping[str, Any]) -> str:
    """Per class figures and the confusion matrices."""
    body = class_table(metrics) + confusion_table(
        metrics["classes"], metrics["input"]["confusion"], "input size"
    )
    native = confusion_table(metrics["classes"], metrics["native"]["confusion"], "native size")
    body += f"<details><summary>Confusion at native size</summary>{native}</details>"
    return markup.section("classes", "Classes", body)


def images(metrics: Mapping[str, Any]) -> str:
    """Misses and false alarms, with their definitions."""
    level = metrics["image_level"]
    rows = [
        ("Defect images on which nothing was found", *_counts(level["misses"])),
        ("Clean images on which something was found", *_counts(level["false_alarms_clean"])),
        ("Defect images with a class found nowhere near a defect", *_counts(level["false_alarms_defect"])),
    ]
    rows += [
        (f"Images with {name} on which none of it was found", *_counts(entry))
        for name, entry in level["misses_by_class"].items()
    ]
    near = metrics["parameters"].get("near_px")
    body = markup.table(
        ("Event", "Images", "Of", "Share"), rows, caption="Misses and false alarms, image by image"
    )
    body += _note(
        "A defect image has at least one labelled defect pixel; a clean image has none. "
        + (f"Near means within {near} pixels at native size. " if near is not None else "")
        + "A dash stands where there is no image to count."
    )
    return markup.section("images", "Misses and false alarms", body)


def examples(panels: Sequence[Panel], names: Sequence[str]) -> str:
    """Image, truth and prediction side by side."""
    if not panels:
        return ""
    swatches = [(name, class_colour(k)) for k, name in enumerate(names) if k > 0]
    figures = "".join(_panel(panel, names) for panel in panels)
    body = _note(HOW_CHOSEN) + markup.legend([*swatches, ("hatched: not labelled", "#808080")])
    return markup.section("examples", "Examples", f'{body}<div class="panels">{figures}</div>')


def architecture(value: Architecture | None, num_classes: int) -> str:
    """The network, drawn."""
    if value is None:
        return ""
    colours = [(OPERATOR_NAMES[name], line) for name, (_, line) in OPERATOR_COLOURS.items()]
    drawing = f'<div class="drawing" tabindex="0">{draw_architecture(value, num_classes)}</div>'
    body = _note(f"Architecture {value.key}: {value.num_blocks} blocks in four stages.") + markup.legend(
        colours
    )
    return markup.section("architecture", "Architecture", body + drawing)


def latency_prior(prior: SamplingPrior | None) -> str:
    """Sampling probabilities as heat maps, operators against places (Fig. 5)."""
    if prior is None or not (prior.blocks or prior.edges):
        return ""
    places = sorted(prior.blocks)
    body = _note(
        "How likely the search is to draw each operator at each place: the warmer, the likelier, because the "
        "latency table says that it is faster there. A dash: the operator is not offered."
    )
    if places:
        columns = [f"{stage + 1}.{block + 1}" for stage, block in places]
        body += _probabilities(
            "Operator", columns, [prior.blocks[place] for place in places], "Blocks (stage.block)"
        )
    if prior.edges:
        edges = [edge for edge in EDGES if edge in prior.edges]
        body += _probabilities("Operator", edges, [prior.edges[edge] for edge in edges], "Edges of the MFAM")
    return markup.section("prior", "Latency prior", body)


def search_progress(population: pd.DataFrame | None, chosen: str | None) -> str:
    """Best and mean per generation, and every evaluation."""
    if population is None or population.empty:
        return ""
    from autonad.report.charts import search_figure

    best = population.sort_values("score", kind="stable").iloc[-1]
    alt = (
        f"Search over {population['generation'].nunique()} generations: the best mIoU rose to "
        f"{percent(population['miou'].max())}; the highest score belongs to {best['key']} with "
        f"{percent(best['miou'])} at {best['latency_ms']:.1f} ms."
    )
    body = f'<div class="chart" tabindex="0">{markup.image(search_figure(population, chosen), alt)}</div>'
    note = f"{len(population)} architectures were evaluated with inherited weights. {alt}"
    return markup.section("search", "Search", _note(note) + body)


def training(history: pd.DataFrame | None) -> str:
    """Loss and validation curves."""
    shown = {"train/loss", "val/loss", "val/miou", "val/mf1"}
    if history is None or history.empty or not shown & set(history.columns):
        return ""
    from autonad.report.charts import training_figure

    alt = f"Training over {int(history['epoch'].max())} epochs"
    if "val/miou" in history and history["val/miou"].notna().any():
        best = history.sort_values("val/miou", kind="stable", na_position="first").iloc[-1]
        alt += f"; the best validation mIoU is {percent(best['val/miou'])}, in epoch {int(best['epoch'])}"
    body = f'<div class="chart" tabindex="0">{markup.image(training_figure(history), alt + ".")}</div>'
    return markup.section("training", "Training", body)


def provenance(entries: Mapping[str, Mapping[str, object]]) -> str:
    """Where everything comes from, as tables of names and values."""
    body = ""
    for title, facts in entries.items():
        rows = [(name, "–" if value is None else str(value)) for name, value in facts.items()]
        if rows:
            body += markup.table(("Fact", "Value"), rows, caption=title, kind="facts")
    return markup.section("provenance", "Provenance", body) if body else ""


def _panel(panel: Panel, names: Sequence[str]) -> str:
    what = {
        "image": f"Image {panel.name}",
        "truth": f"Truth: {_contents(panel.truth, names)}",
        "prediction": f"Prediction: {_contents(panel.prediction, names)}",
    }
    shown = "".join(
        f"<div>{markup.image(content, what[kind], kind='jpeg')}<span>{kind}</span></div>"
        for kind, content in pictures(panel)
    )
    reason, name = markup.escape(panel.reason), markup.escape(panel.name)
    caption = f"<strong>{reason}</strong>{name} · mIoU {percent(panel.miou)}"
    return f'<figure class="panel"><figcaption>{caption}</figcaption><div>{shown}</div></figure>'


def _contents(mask: np.ndarray, names: Sequence[str]) -> str:
    shares = np.bincount(mask.ravel(), minlength=256) / mask.size
    found = [f"{name} {percent(shares[k])}" for k, name in enumerate(names) if k > 0 and shares[k] > 0]
    return ", ".join(found) + " of the pixels" if found else "no defect"


def _probabilities(
    corner: str, columns: Sequence[str], places: Sequence[Mapping[str, float]], caption: str
) -> str:
    names = list(dict.fromkeys(name for place in places for name in place))
    top = max(value for place in places for value in place.values())
    rows = [
        (
            _operator_name(name),
            [
                markup.heat_cell(percent(place[name], 0), place[name] / top if top else 0.0, _WARM)
                if name in place
                else "<td>–</td>"
                for place in places
            ],
        )
        for name in names
    ]
    return markup.heat_table(corner, columns, rows, caption=caption)


def _operator_name(name: str) -> str:
    """A mixer's or an edge operator's name as people write it: "convolution3" → "convolution 3×3"."""
    if name in EDGE_NAMES:
        return EDGE_NAMES[name]
    kernel = name.removeprefix("convolution")
    return f"convolution {kernel}×{kernel}" if kernel.isdigit() else name


def _interval(value: float | None, interval: Mapping[str, Any] | None) -> str:
    if value is None:
        return "no defect is labelled or predicted"
    if interval is None:
        return "no interval: too few groups"
    return f"{100 * interval['low']:.1f} – {100 * interval['high']:.1f} %"


def _counts(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    return (str(entry["count"]) if entry["of"] else "–", str(entry["of"]), percent(entry["rate"]))


def _skipped(names: Sequence[str]) -> str:
    if not names:
        return ""
    text = f"Not in this split, neither labelled nor predicted, and in no average: {', '.join(names)}."
    return f'<p class="warning">{markup.escape(text)}</p>'


def _note(text: str) -> str:
    return f'<p class="note">{markup.escape(text)}</p>'
