"""The decision as one self-contained page: what was decided, why, and what changed, shown in images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autonad.appearance.features import FEATURES
from autonad.appearance.policy import BatchFinding, Decision
from autonad.files import write_text_atomic
from autonad.report.kit import Card, Picture, Table, jpeg, render
from autonad.report.thumbnails import overlay, thumbnail
from autonad.report.units import ABSENT

if TYPE_CHECKING:
    import pandas as pd

    from autonad.appearance.pin import Pin
    from autonad.data.dataset import Dataset
    from autonad.data.faults import Fault

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
    name: str,
    dataset: Dataset,
    pin: Pin,
    batches: Mapping[str, pd.DataFrame],
    target: str,
    red_flags: Sequence[Fault] = (),
) -> None:
    """Write the page in one step; equal decisions give equal pages.

    Args:
        path: The file.
        decision: What was decided.
        name: What the dataset is called.
        dataset: Where the images are.
        pin: What the batches were compared with.
        batches: Features of each tested batch.
        target: Name of the target.
        red_flags: What makes the last search worthless or doubtful; that comes first.

    Raises:
        StorageError: The file cannot be written.
    """
    page = render_page(
        decision, name=name, dataset=dataset, pin=pin, batches=batches, target=target, red_flags=red_flags
    )
    write_text_atomic(path, page)


def render_page(
    decision: Decision,
    *,
    name: str,
    dataset: Dataset,
    pin: Pin,
    batches: Mapping[str, pd.DataFrame],
    target: str,
    red_flags: Sequence[Fault] = (),
) -> str:
    """The page as text; see `write_page`."""
    galleries = [
        ("typical", "Most typical of the pin", _gallery(dataset, most_typical(pin.features), pin.features)),
        *(
            (
                f"unusual-{number}",
                f"Most unusual of batch {name}",
                _gallery(dataset, most_unusual(pin.features, features), features),
            )
            for number, (name, features) in enumerate(batches.items(), start=1)
        ),
    ]
    return render(
        "decision.html",
        title=HEADLINES[decision.action],
        subtitle=f"Dataset {name}, target {target}",
        decision=decision,
        red_flags=red_flags,
        cards=_cards(decision, pin),
        tests=_tests(decision.batches) if decision.batches else None,
        shifts=[(finding.batch, _shifts(finding)) for finding in decision.batches if finding.drift],
        galleries=galleries,
    )


def most_typical(features: pd.DataFrame) -> list[int]:
    """Rows whose texture lies nearest to the median of all, nearest first."""
    return [int(row) for row in np.argsort(_distance(features, features), kind="stable")[:SHOWN]]


def most_unusual(reference: pd.DataFrame, features: pd.DataFrame) -> list[int]:
    """Rows whose texture and defects lie farthest from the reference's median, farthest first."""
    return [int(row) for row in np.argsort(-_distance(reference, features), kind="stable")[:SHOWN]]


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


def _cards(decision: Decision, pin: Pin) -> list[Card]:
    return [
        Card("Action", decision.action, HEADLINES[decision.action].lower()),
        Card("Pin", pin.key, f"{len(pin.manifest)} images of {pin.manifest['group'].nunique()} parts"),
        Card("Pin moves", "yes" if decision.moves_pin else "no", "the images that the next search is run on"),
    ]


def _tests(batches: tuple[BatchFinding, ...]) -> Table:
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
                finding.note or ABSENT,
            )
        )
    names = [entry["name"] for entry in next((f.drift["statistics"] for f in batches if f.drift), [])]
    header = ("batch", "images (parts)", "changed", "p", "level", *names, "class mix, p", "note")
    rows = [
        row if len(row) == len(header) else (*row[:5], *(ABSENT for _ in names), *row[5:]) for row in rows
    ]
    return Table(header, rows, "One row for each new batch")


def _shifts(finding: BatchFinding) -> list[Table]:
    """The features that differ: those to see at once, and the others, if there are any."""
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
    header = ("feature", "KS", "p", "median, pin", "median, batch")
    parts = (
        ("What differs most: this names the change, the tests above judge it", rows[:FIRST]),
        ("The other features that differ", rows[FIRST:]),
    )
    return [Table(header, part, caption) for caption, part in parts if part]


def _gallery(dataset: Dataset, rows: list[int], features: pd.DataFrame) -> list[Picture]:
    by_name = {row.image: row for row in _records(dataset.manifest)}
    shown = []
    for position in rows:
        image = str(features["image"].iloc[position])
        record = by_name.get(image)
        if record is None or not (dataset.root / image).is_file():
            continue  # a pinned image that was withdrawn has no pixels any more
        pixels = dataset.read_image(record)
        if record.mask:
            pixels = overlay(pixels, dataset.read_mask(record))
        shown.append(jpeg(thumbnail(pixels), image, f"{Path(image).name}, part {record.group}"))
    return shown


def _records(table: pd.DataFrame) -> Any:
    # The stubs of pandas give every field the union of all types.
    return table.itertuples()


def _p(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.2g}"


def _effect(entry: Mapping[str, Any]) -> str:
    return f"{entry['value']:.3g}, p {_p(entry['p'])}, effect {entry['effect']:.2f}"
