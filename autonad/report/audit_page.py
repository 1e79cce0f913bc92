"""What an import, a batch or an audit has found, as a page: by kind, with the images beside their masks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from autonad.data.dataset import SPLITS, UNLABELLED
from autonad.files import write_text_atomic
from autonad.report import palette
from autonad.report.kit import Card, Swatch, Table, jpeg, render
from autonad.report.size_bars import count_sizes
from autonad.report.suspects import MOST_SUSPECTS, Look, Suspect, choose_suspects
from autonad.report.thumbnails import flat, overlay, thumbnail
from autonad.report.units import percent, whole

if TYPE_CHECKING:
    import pandas as pd

    from autonad.data.sanity.looked import Expected, Looked

MOST_LISTED = 5  # findings of a kind on the page; faults.csv has all of them
MOST_JOINS = 12
_REASONS = {
    "equal": "the same pixels",
    "repeats": "one picture or one surface, twice",
    "resembles": "they look alike",
}
SIDE = 200  # longest side of a picture, pixels


class Join(Protocol):
    """Two images that show one part."""

    @property
    def a(self) -> str:
        """Item of the one."""

    @property
    def b(self) -> str:
        """Item of the other."""

    @property
    def correlation(self) -> float:
        """Of their pixels, at most 1."""

    @property
    def reason(self) -> str:
        """Why: "equal", "repeats" or "resembles"."""

    @property
    def joined(self) -> bool:
        """Whether they are in one group; else what is stated of them keeps them apart."""


@dataclass(frozen=True)
class AuditContent:
    """What the page shows.

    Attributes:
        name: What was looked at.
        faults: Severity, kind, item, message; errors first.
        images: Its images, in figures.
        expected: What they were compared with.
        look: Shows an item.
        classes: Names by index, background first.
        rows: One row per image: `group`, `split` ("" if it has none), `pixels` (of each class).
        notes: How the images and masks were read, in sentences.
        joins: Images that show one part.
    """

    name: str
    faults: pd.DataFrame
    images: Sequence[Looked]
    expected: Expected
    look: Look
    classes: Sequence[str]
    rows: pd.DataFrame
    notes: Sequence[str] = ()
    joins: Sequence[Join] = ()


def write_audit_page(path: Path, content: AuditContent) -> None:
    """Write the page in one step; equal content gives equal bytes.

    Raises:
        StorageError: The file cannot be written.
    """
    write_text_atomic(path, render_audit(content))


def render_audit(content: AuditContent) -> str:
    """The page as text."""
    faults = content.faults
    errors = int((faults["severity"] == "error").sum())
    return render(
        "audit.html",
        title=f"{errors} errors, {len(faults) - errors} warnings",
        subtitle=content.name,
        cards=_cards(content),
        kinds=list(_kinds(faults)),
        most=MOST_LISTED,
        most_suspects=MOST_SUSPECTS,
        suspects=[
            _panel(suspect, content) for suspect in choose_suspects(faults, content.images, content.look)
        ],
        colours=[
            *(Swatch(name, palette.class_colour(k)) for k, name in enumerate(content.classes) if k > 0),
            Swatch("not labelled", palette.UNLABELLED),
        ],
        notes=list(content.notes),
        classes=_class_table(content),
        sizes=count_sizes(content.images, content.expected),
        joins=list(_joins(content)),
        more_joins=max(0, len(content.joins) - MOST_JOINS),
    )


def _cards(content: AuditContent) -> list[Card]:
    shares = [image.measures.defect for image in content.images if image.measures.areas]
    labelled = sum(bool(image.labels) for image in content.images)
    parts = content.rows["group"].nunique()
    middle = percent(float(np.median(shares)), 2) if shares else "–"
    return [
        Card("Images", whole(len(content.rows)), f"of {whole(parts)} parts" if parts > 1 else ""),
        Card("With defects", whole(len(shares)), f"{whole(labelled - len(shares))} free of defects"),
        Card("Defect pixels", middle, "of an image with defects, the middle one"),
    ]


def _kinds(faults: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Severity, kind, number and the first findings of each kind, errors first, then the most frequent."""
    groups = [(severity, kind, found) for (severity, kind), found in faults.groupby(["severity", "kind"])]
    for severity, kind, found in sorted(groups, key=lambda one: (one[0], -len(one[2]), one[1])):
        first = [(str(row.item), str(row.message)) for row in found.head(MOST_LISTED).itertuples()]
        yield {"severity": severity, "name": kind, "count": len(found), "first": first}


def _panel(suspect: Suspect, content: AuditContent) -> dict[str, Any]:
    return {
        "name": suspect.item,
        "reasons": suspect.reasons,
        "pictures": list(_pictures(suspect.item, suspect.image, suspect.mask)),
    }


def _pictures(item: str, image: np.ndarray, mask: np.ndarray | None) -> Iterator[Any]:
    yield jpeg(thumbnail(image, SIDE), f"Image {item}", "image")
    if mask is not None:
        yield jpeg(thumbnail(flat(mask), SIDE), f"Mask of {item}", "mask")
        yield jpeg(thumbnail(overlay(image, mask), SIDE), f"Mask of {item} on the image", "both")


def _class_table(content: AuditContent) -> Table:
    """Images, parts and pixels of each class, and its images in each split."""
    rows = content.rows[content.rows["split"] != UNLABELLED]
    pixels = np.array([list(counts) for counts in rows["pixels"]], dtype=np.int64)
    pixels = pixels.reshape(len(rows), len(content.classes))
    splits = [split for split in SPLITS if (rows["split"] == split).any()]
    shows = pixels > 0
    shows[:, 0] = ~shows[:, 1:].any(axis=1)
    body = []
    for index, name in [*list(enumerate(content.classes))[1:], (0, "no defect")]:
        here = shows[:, index]
        body.append(
            [
                name,
                whole(int(here.sum())),
                whole(int(rows.loc[here, "group"].nunique())),
                whole(int(pixels[here, index].sum())) if index else "",
                *(whole(int((here & (rows["split"] == split)).sum())) for split in splits),
            ]
        )
    header = ["Class", "Images", "Parts", "Pixels", *(f"Images in {split}" for split in splits)]
    return Table(header, body, "An image that shows several classes counts for each")


def _reason(join: Join) -> str:
    words = _REASONS.get(join.reason, join.reason)
    apart = "" if join.joined else "; kept apart, as stated"
    return f"{words} (correlation {join.correlation:.3f}){apart}"


def _joins(content: AuditContent) -> Iterator[dict[str, Any]]:
    for join in content.joins[:MOST_JOINS]:
        shown = [(item, content.look(item)) for item in (join.a, join.b)]
        yield {
            "items": (join.a, join.b),
            "reason": _reason(join),
            "pictures": [
                jpeg(thumbnail(found[0], SIDE), f"Image {item}", item)
                for item, found in shown
                if found is not None
            ],
        }
