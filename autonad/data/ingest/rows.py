"""Rows of a manifest while they change: there is one for every image, so each is small."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter

import pandas as pd

from autonad.data.dataset import COLUMNS


@dataclass(slots=True)
class Row:
    """One image of a dataset; see `dataset`."""

    image: str
    mask: str
    group: str
    batch: str
    split: str
    sha256: str
    mask_sha256: str
    height: int
    width: int
    pixels: tuple[int, ...]


def rows_of(manifest: pd.DataFrame, num_classes: int) -> dict[str, Row]:
    """Rows of a manifest by image; classes that are new to it have no pixels."""
    rows = {}
    for values in manifest[list(COLUMNS)].itertuples(index=False, name=None):
        row = Row(*values)
        counted = tuple(int(n) for n in row.pixels)
        row.pixels = (*counted, *(0,) * (num_classes - len(counted)))
        rows[row.image] = row
    return rows


def manifest_of(rows: Iterable[Row]) -> pd.DataFrame:
    """The manifest of rows, sorted by image."""
    ordered = sorted(rows, key=attrgetter("image"))
    columns = {name: list(map(attrgetter(name), ordered)) for name in COLUMNS}
    return pd.DataFrame(columns, columns=list(COLUMNS))
