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
from autonad.report.next_steps import HEADLINES, coming, cost_told, remedies
from autonad.report.thumbnails import overlay, thumbnail
from autonad.report.units import ABSENT

if TYPE_CHECKING:
    import pandas as pd

    from autonad.appearance.pin import Pin
    from autonad.data.dataset import Dataset
    from autonad.data.faults import Fault

SHOWN = 6  # images in a gallery
FIRST = 8  # features before the fold


def write_page(
    path: Path,
    decision: Decision,
    *,
    name: str,
    dataset: Dataset,
    before: Pin | None,
    pin: Pin,
    batches: Mapping[str, pd.DataFrame],
    target: str,
    costs: Mapping[str, float],
    red_flags: Sequence[Fault] = (),
) -> None:
    """Write the page in one step; equal decisions give equal pages.

    Args:
        path: The file.
        decision: What was decided.
        name: What the dataset is called.
        dataset: Where the images are.
        before: The pin that the batches were compared with; None where there was none.
        pin: The pin that now holds.
        batches: Features of each tested batch.
        target: Name of the target.
        costs: Stage → what it took last time, s; those of `TIMED` that are known.
        red_flags: What makes the last search worthless or doubtful; that comes first.

    Raises:
        StorageError: The file cannot be written.
    """
    page = render_page(
        decision,
        name=name,
        dataset=dataset,
        before=before,
        pin=pin,
        batches=batches,
        target=target,
        costs=costs,
        red_flags=red_flags,
    )
    write_text_atomic(path, page)


def render_page(
    decision: Decision,
    *,
    name: str,
    dataset: Dataset,
    before: Pin | None,
    pin: Pin,
    batches: Mapping[str, pd.DataFrame],
    target: str,
    costs: Mapping[str, float],
    red_flags: Sequence[Fault] = (),
) -> str:
    """The page as text; see `write_page`."""
    compared = before or pin
    galleries = [
        (
            "typical",
            f"Most typical of pin {compared.key}",
            _gallery(dataset, most_typical(compared.features), compared.features),
        ),
        *(
            (
                f"unusual-{number}",
                f"Most unusual of batch {name}",
                _gallery(dataset, most_unusual(compared.features, features), features),
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
        cards=_cards(decision, before, pin, costs),
        caveats=[f"Batch {finding.batch}: {finding.note}" for finding in decision.batches if finding.note],
        coming=coming(decision.action, costs),
        disagree=remedies(decision),
        tests=_tests(decision.batches),
        shifts=[(finding.batch, _shifts(finding)) for finding in decision.batches if finding.drift],
        galleries=galleries,
    )


def most_typical(features: pd.DataFrame) -> list[int]:
    """Rows by how near their texture lies to the median of all, nearest first."""
    return [int(row) for row in np.argsort(_distance(features, features), kind="stable")]


def most_unusual(reference: pd.DataFrame, features: pd.DataFrame) -> list[int]:
    """Rows by how far their texture and defects lie from the reference's median, farthest first."""
    return [int(row) for row in np.argsort(-_distance(reference, features), kind="stable")]


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


def _cards(decision: Decision, before: Pin | None, pin: Pin, costs: Mapping[str, float]) -> list[Card]:
    moved = before is None or before.key != pin.key
    size = f"{len(pin.manifest)} images of {pin.manifest['group'].nunique()} parts"
    was = f"; it was {before.key}, {len(before.manifest)} images" if moved and before is not None else ""
    return [
        Card("Action", decision.action, HEADLINES[decision.action].lower()),
        Card("Pin", pin.key, f"{'is new' if moved else 'stays'}: {size}{was}"),
        Card("Takes about", *cost_told(decision.action, costs)),
    ]


def _tests(batches: tuple[BatchFinding, ...]) -> list[Table]:
    """What was found of each batch, and what each of the tests found."""
    rows, effects = [], []
    for finding in batches:
        drift = finding.drift or {}
        rows.append(
            (
                finding.batch,
                f"{finding.images} ({finding.groups})",
                ("yes" if finding.changed else "no") if finding.drift else "not tested",
                _p(drift.get("p_value")),
                f"{finding.alpha:g}",
                _p((drift.get("class_mix") or {}).get("p")),
            )
        )
        effects += [
            (
                f"{finding.batch}: {entry['name']}",
                f"{entry['value']:.3g}",
                _p(entry["p"]),
                f"{entry['effect']:.2f}",
            )
            for entry in drift.get("statistics", [])
        ]
    parts = (
        (("Batch", "Images (parts)", "Changed", "p", "Level", "Class mix, p"), rows, "Each new batch"),
        (("Test", "Value", "p", "Effect"), effects, "Each test: a small effect does not count"),
    )
    return [Table(header, part, caption) for header, part, caption in parts if part]


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
    shown: dict[str, Picture] = {}  # a part is shown once
    for position in rows:
        if len(shown) == SHOWN:
            break
        image = str(features["image"].iloc[position])
        record = by_name.get(image)
        if record is None or not (dataset.root / image).is_file():
            continue  # a pinned image that was withdrawn has no pixels any more
        if str(record.group) in shown:
            continue
        pixels = dataset.read_image(record)
        if record.mask:
            pixels = overlay(pixels, dataset.read_mask(record))
        caption = f"{Path(image).name}, part {record.group}"
        shown[str(record.group)] = jpeg(thumbnail(pixels), image, caption)
    return list(shown.values())


def _records(table: pd.DataFrame) -> Any:
    # The stubs of pandas give every field the union of all types.
    return table.itertuples()


def _p(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.2g}"
