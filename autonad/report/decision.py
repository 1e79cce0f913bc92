"""The decision as one self-contained page: what was decided, why, and what changed, shown in images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autonad.appearance.features import FEATURES
from autonad.appearance.policy import BatchFinding, Decision
from autonad.files import write_text_atomic
from autonad.report import markup
from autonad.report.panels import overlay, thumbnail

if TYPE_CHECKING:
    import pandas as pd

    from autonad.appearance.pin import Pin
    from autonad.data.dataset import Dataset

HEADLINES = {
    "train": "Train a new supernet and search",
    "search": "Search again with the supernet that there is",
    "reuse": "Reuse the last search",
}
SHOWN = 6  # images in a gallery
FIRST = 8  # features before the fold


def write_page(
    path: Path,
    decision: Decision,
    *,
    dataset: Dataset,
    pin: Pin,
    batches: Mapping[str, pd.DataFrame],
    target: str,
) -> None:
    """Write the page in one step; equal decisions give equal pages.

    Args:
        path: The file.
        decision: What was decided.
        dataset: Where the images are.
        pin: What the batches were compared with.
        batches: Features of each tested batch.
        target: Name of the target.

    Raises:
        StorageError: The file cannot be written.
    """
    parts = [_summary(decision, pin, target)]
    if decision.batches:
        parts.append(_tests(decision.batches))
        parts += [_shifts(finding) for finding in decision.batches if finding.drift]
    parts.append(
        _gallery("typical", "Most typical of the pin", dataset, most_typical(pin.features), pin.features)
    )
    for name, features in batches.items():
        rows = most_unusual(pin.features, features)
        parts.append(_gallery(f"unusual-{name}", f"Most unusual of batch {name}", dataset, rows, features))
    subtitle = f"Dataset {dataset.root.name}, target {target}"
    write_text_atomic(path, markup.page(HEADLINES[decision.action], "decision", parts, subtitle=subtitle))


def most_typical(features: pd.DataFrame, count: int = SHOWN) -> list[int]:
    """Rows whose texture lies nearest to the median of all, nearest first."""
    return [int(row) for row in np.argsort(_distance(features, features), kind="stable")[:count]]


def most_unusual(reference: pd.DataFrame, features: pd.DataFrame, count: int = SHOWN) -> list[int]:
    """Rows whose texture and defects lie farthest from the reference's median, farthest first."""
    return [int(row) for row in np.argsort(-_distance(reference, features), kind="stable")[:count]]


def _distance(reference: pd.DataFrame, features: pd.DataFrame) -> np.ndarray:
    """Root mean square of robust z-scores over the features that an image has, each cut at 10."""
    names = list(FEATURES)
    known, found = (table[names].to_numpy(dtype=float) for table in (reference, features))
    usable = np.isfinite(known).any(axis=0)
    known, found = known[:, usable], found[:, usable]
    centre = np.nanmedian(known, axis=0)
    spread = 1.4826 * np.nanmedian(np.abs(known - centre), axis=0)
    scores = np.abs(found - centre) / np.where(spread > 0, spread, 1.0)
    scores = np.clip(scores[:, spread > 0], 0, 10)
    weight = np.isfinite(scores)
    return np.sqrt((np.where(weight, scores, 0.0) ** 2).sum(axis=1) / np.maximum(weight.sum(axis=1), 1))


def _summary(decision: Decision, pin: Pin, target: str) -> str:
    cards = [
        ("Action", decision.action, HEADLINES[decision.action].lower()),
        ("Pin", pin.key, f"{len(pin.manifest)} images of {pin.manifest['group'].nunique()} parts"),
        ("Pin moves", "yes" if decision.moves_pin else "no", "the images that the next search is run on"),
    ]
    if decision.reasons:
        items = "".join(
            f"<li><b>{markup.escape(reason.kind.replace('_', ' '))}</b>: {markup.escape(reason.message)}</li>"
            for reason in decision.reasons
        )
        why = f"<ul>{items}</ul>"
    else:
        why = (
            "<p>Neither the appearance of the defects nor the target has changed: the architecture stays, "
            "and only its weights are trained again.</p>"
        )
    notes = "".join(f'<p class="warning">{markup.escape(note)}</p>' for note in decision.notes)
    return markup.section("decision", "Decision", markup.cards(cards) + why + notes)


def _tests(batches: tuple[BatchFinding, ...]) -> str:
    rows = []
    for finding in batches:
        drift = finding.drift or {}
        statistics = {entry["name"]: entry for entry in drift.get("statistics", [])}
        rows.append(
            (
                finding.batch,
                f"{finding.images} ({finding.groups})",
                "yes" if finding.changed else "no",
                _p(drift.get("p_value")),
                f"{finding.alpha:g}",
                *(_effect(entry) for entry in statistics.values()),
                _p((drift.get("class_mix") or {}).get("p")),
                finding.note or "–",
            )
        )
    names = [entry["name"] for entry in next((f.drift["statistics"] for f in batches if f.drift), [])]
    header = ("batch", "images (parts)", "changed", "p", "level", *names, "class mix, p", "note")
    rows = [row if len(row) == len(header) else (*row[:5], *("–" for _ in names), *row[5:]) for row in rows]
    text = (
        '<p class="note">p-values come from exchanging whole parts between pin and batch. The mix of classes '
        "is tested and reported, and decides nothing.</p>"
    )
    return markup.section(
        "tests", "Tests", text + markup.table(header, rows, caption="One row for each new batch")
    )


def _shifts(finding: BatchFinding) -> str:
    assert finding.drift is not None
    rows = [
        (
            f"{FEATURES.get(entry['feature'], '')} ({entry['feature']})".lstrip(),
            f"{entry['ks']:.2f}",
            _p(entry["p"]),
            f"{entry['reference']:.4g}",
            f"{entry['batch']:.4g}",
        )
        for entry in finding.drift["shifted"]
    ]
    if not rows:
        return ""
    header = ("feature", "KS", "p", "median, pin", "median, batch")
    first, others = rows[:FIRST], rows[FIRST:]
    caption = "What differs most: this names the change, the tests above judge it"
    body = markup.table(header, first, caption=caption)
    if others:
        rest = markup.table(header, others, caption="The other features that differ")
        body += f"<details><summary>{len(others)} more</summary>{rest}</details>"
    return markup.section(f"shifts-{finding.batch}", f"What changed in batch {finding.batch}", body)


def _gallery(identifier: str, title: str, dataset: Dataset, rows: list[int], features: pd.DataFrame) -> str:
    by_name = {row.image: row for row in _records(dataset.manifest)}
    figures = []
    for position in rows:
        image = str(features["image"].iloc[position])
        record = by_name.get(image)
        if record is None or not (dataset.root / image).is_file():
            continue  # a pinned image that was withdrawn has no pixels any more
        pixels = dataset.read_image(record)
        shown = overlay(pixels, dataset.read_mask(record)) if record.mask else pixels
        figures.append(
            f"<figure>{markup.image(thumbnail(shown), image, kind='jpeg')}"
            f"<figcaption>{markup.escape(f'{Path(image).name}, part {record.group}')}</figcaption></figure>"
        )
    if not figures:
        return ""
    return markup.section(identifier, title, f'<div class="gallery">{"".join(figures)}</div>')


def _records(table: pd.DataFrame) -> Any:
    # The stubs of pandas give every field the union of all types.
    return table.itertuples()


def _p(value: float | None) -> str:
    return "–" if value is None else f"{value:.2g}"


def _effect(entry: Mapping[str, Any]) -> str:
    return f"{entry['value']:.3g}, p {_p(entry['p'])}, effect {entry['effect']:.2f}"
