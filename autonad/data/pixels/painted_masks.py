"""Masks whose few values or colours were chosen to be seen rather than counted: each is a class."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np

from autonad.data.pixels.mask_survey import WHITE, MaskSurvey, ValueTable
from autonad.data.pixels.pixel_options import COLOUR

_APART = 10  # greys that lie closer are counted, or blurred
_MOST = 12  # classes that are told by values alone
_SOLID = 0.1  # share of its pixels that lie among their like, below which a value occurs on edges only


def painted(survey: MaskSurvey, table: ValueTable, values: Collection[int]) -> tuple[int, list[int]] | None:
    """The background and the classes of masks that somebody painted; None if they are no such masks.

    Args:
        survey: Of the masks.
        table: Of the channel that decides.
        values: What occurs in it and is no accident.
    """
    hard = set(values) - edges_only(survey, table, values)
    greys = sorted(v for v in hard if v < COLOUR)
    colours = sorted(v for v in hard if v >= COLOUR)
    if not greys or (greys[0] != 0 and greys != [WHITE]) or (WHITE in greys and greys != [WHITE]):
        return None
    classes = [*greys[1:], *colours]
    if not 0 < len(classes) <= _MOST or (np.diff(greys) < _APART).any():
        return None
    if len(classes) > 1 and not colours:
        return None  # several greys may as well be one class, more or less certain
    return greys[0], classes


def edges_only(survey: MaskSurvey, table: ValueTable, values: Collection[int]) -> set[int]:
    """Values that smoothing made: they lie between two others, and nowhere among their like."""
    loose = [v for v in values if survey.solid[v] < _SOLID * table.pixels[v]]
    rest = set(values) - set(loose)
    return {v for v in loose if is_between(v, rest)}


def inner(region: np.ndarray) -> np.ndarray:
    """The pixels of a region, bool (H, W), whose eight neighbours are in it too."""
    height, width = region.shape[0] - 2, region.shape[1] - 2
    if min(height, width) < 1:
        return np.zeros((0, 0), dtype=bool)
    parts = [region[y : y + height, x : x + width] for y, x in np.ndindex(3, 3)]
    return np.logical_and.reduce(parts)


def is_between(key: int, known: Iterable[int]) -> bool:
    """Whether a value or colour is a blend of two known ones."""
    ends = np.array([_components(other) for other in known], dtype=np.float64)
    if len(ends) < 2:
        return False
    point = np.array(_components(key), dtype=np.float64)
    along = ends[None] - ends[:, None]
    length = np.maximum((along**2).sum(axis=-1), 1e-9)
    share = np.clip(((point - ends[:, None]) * along).sum(axis=-1) / length, 0.0, 1.0)
    nearest = ends[:, None] + share[..., None] * along
    return bool((np.abs(nearest - point).max(axis=-1) <= _APART).any())


def _components(key: int) -> tuple[int, int, int]:
    if key < COLOUR:
        return key, key, key
    return key >> 16 & 255, key >> 8 & 255, key & 255
