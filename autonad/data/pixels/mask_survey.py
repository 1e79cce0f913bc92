"""Which values, colours and alphas the masks of a set hold, in counts that stay small with many masks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from autonad.data.pixels.kept_masks import KeptMasks
from autonad.data.pixels.lossy_masks import flat_pixels
from autonad.data.pixels.mask_files import MaskFile, read_mask_file
from autonad.data.pixels.pixel_options import PixelOptions, colour_key
from autonad.data.runs import Runs
from autonad.errors import DatasetError

WHITE = 255
SOFT_LEVELS = 8  # a mask of one class with more values was smoothed
_NAMED = 3  # masks that are named of many
_OUR_CLASSES = 10  # from this value on, values of one set may be grey levels that somebody painted
_MOST_COLOURS = 256  # a mask of more is a photograph


@dataclass
class ValueTable:
    """How many masks hold which values, in one channel.

    Attributes:
        masks: Masks by value.
        pixels: Pixels by value.
        largest: Largest share of one mask's pixels, by value.
        names: The first masks with each value.
        white_only: Masks whose one value besides 0 is 255.
        white_among: Masks with 255 and others.
        others: Masks with other values only.
        empty: Masks of zeros.
        ones: Masks whose one value besides 0 is 1.
    """

    masks: Counter[int] = field(default_factory=Counter)
    pixels: Counter[int] = field(default_factory=Counter)
    largest: dict[int, float] = field(default_factory=dict)
    names: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    white_only: int = 0
    white_among: int = 0
    others: int = 0
    empty: int = 0
    ones: int = 0

    def add(self, name: str, counts: dict[int, int]) -> None:
        """Count a mask, given its pixels by value."""
        total = sum(counts.values())
        for value, pixels in counts.items():
            self.masks[value] += 1
            self.pixels[value] += pixels
            self.largest[value] = max(self.largest.get(value, 0.0), pixels / total)
            if len(self.names[value]) < _NAMED:
                self.names[value].append(name)
        shown = counts.keys() - {0}
        self.ones += shown == {1}
        self.white_only += shown == {WHITE}
        self.white_among += WHITE in shown and len(shown) > 1
        self.others += bool(shown) and WHITE not in shown
        self.empty += not shown

    @property
    def total(self) -> int:
        """Masks that were counted."""
        return self.white_only + self.white_among + self.others + self.empty

    @property
    def values(self) -> list[int]:
        """Everything that occurs."""
        return sorted(self.masks)


@dataclass
class MaskSurvey:
    """What the masks of a set hold.

    Attributes:
        is_open: Whether they may be masks of one class or index masks, so that soft edges matter.
        tables: By channel, of masks that no lossy compression has changed; where one lacks it, its samples.
        palettes: Masks with a palette.
        index_colours: Colours that each palette index stands for.
        colour_indices: Palette indices that each colour has.
        with_alpha: Masks whose alpha hides something.
        shaped: Masks whose alpha varies.
        painted: Masks with alpha whose visible pixels have one colour.
        opaque: Masks with an alpha that does not vary.
        is_finer: Whether a mask tells pixels of one colour apart by their indices.
        lossy: Names of masks that lossy compression may have changed.
        flat: Pixels by value, int64 (256,), within the areas of lossy and of soft masks.
        crowded: Masks with more colours than classes can have.
        kept: Those that need not be decoded again.
        smooth: Open masks of more greys than one class needs.
        solid: Pixels whose neighbours equal them, by value or colour, of open masks of a few odd values.
        unread: What is wrong with the first masks that could not be read.
    """

    is_open: bool = False
    tables: dict[str, ValueTable] = field(
        default_factory=lambda: {"values": ValueTable(), "colours": ValueTable(), "alpha": ValueTable()}
    )
    palettes: int = 0
    index_colours: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    colour_indices: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    with_alpha: int = 0
    shaped: int = 0
    painted: int = 0
    opaque: int = 0
    is_finer: bool = False
    lossy: list[str] = field(default_factory=list)
    flat: np.ndarray = field(default_factory=lambda: np.zeros(256, dtype=np.int64))
    crowded: list[str] = field(default_factory=list)
    kept: KeptMasks = field(default_factory=KeptMasks)
    smooth: int = 0
    solid: Counter[int] = field(default_factory=Counter)
    unread: list[str] = field(default_factory=list)

    def add(self, path: Path, mask: MaskFile) -> None:
        """Count a mask, and keep it while that is cheap."""
        name = path.name
        if mask.header.is_lossy:
            self.lossy.append(name)
            if mask.samples.ndim == 2:
                self.flat += flat_pixels(mask.samples)
            return
        samples = self._count(path, mask)
        if samples is None:
            self.crowded.append(name)
            return
        if self.is_open and mask.samples.ndim == 2 and len(samples) > SOFT_LEVELS:
            self.flat += flat_pixels(mask.samples)
            self.smooth += 1
        if self.is_open and any(_OUR_CLASSES <= key != WHITE for key in samples):
            self._count_solid(mask)
        colours = samples if mask.palette is None else self._palette(mask.palette, samples)
        alpha = self._alpha(mask, samples)
        for channel, counts in (("values", samples), ("colours", colours), ("alpha", alpha)):
            self.tables[channel].add(name, counts)

    def _count_solid(self, mask: MaskFile) -> None:
        keys = packed(mask.colours) if mask.colours.ndim == 3 else mask.colours
        centre = keys[1:-1, 1:-1]
        height, width = centre.shape
        is_solid = np.ones(centre.shape, dtype=bool)
        for y, x in np.ndindex(3, 3):
            is_solid &= centre == keys[y : y + height, x : x + width]
        values, pixels = np.unique(centre[is_solid], return_counts=True)
        self.solid.update(dict(zip(values.tolist(), pixels.tolist(), strict=True)))

    @property
    def total(self) -> int:
        """Masks that could be read."""
        return self.tables["values"].total + len(self.lossy) + len(self.crowded)

    def _count(self, path: Path, mask: MaskFile) -> dict[int, int] | None:
        if mask.samples.ndim == 3:
            return _counts(mask.samples)
        runs = Runs.of(mask.samples)
        self.kept.keep(path, mask, runs)
        counts = runs.counts()
        return {v: int(counts[v]) for v in np.flatnonzero(counts).tolist()}

    def _palette(self, palette: np.ndarray, indices: dict[int, int]) -> dict[int, int]:
        self.palettes += 1
        colours: Counter[int] = Counter()
        for index, pixels in indices.items():
            red, green, blue = (int(v) for v in palette[index])
            key = colour_key(red, green, blue)
            colours[key] += pixels
            self.index_colours[index].add(key)
            self.colour_indices[key].add(index)
        self.is_finer |= len(colours) < len(indices)
        return dict(colours)

    def _alpha(self, mask: MaskFile, samples: dict[int, int]) -> dict[int, int]:
        if mask.alpha is None:
            return samples
        counts = _counts(mask.alpha)
        assert counts is not None  # it is grey
        if len(counts) == 1 and 0 not in counts:
            self.opaque += 1
            return samples
        self.with_alpha += 1
        self.shaped += len(counts) > 1
        visible = mask.samples[mask.alpha > 0]
        self.painted += not visible.size or bool((visible == visible[:1]).all())
        return counts


def survey_masks(masks: Iterable[Path], options: PixelOptions, *, is_open: bool) -> MaskSurvey:
    """Decode the masks of a set, one after the other; those that cannot be read are named when read.

    Args:
        masks: Their files.
        options: What a user states.
        is_open: See `MaskSurvey`.
    """
    survey = MaskSurvey(is_open)
    for path in masks:
        try:
            mask = read_mask_file(path, page=options.page, max_pixels=options.max_pixels)
            survey.add(path, mask)
        except DatasetError as error:
            if len(survey.unread) < _NAMED:
                survey.unread.append(str(error))
    return survey


def packed(colours: np.ndarray) -> np.ndarray:
    """Colours uint8 (..., 3) as keys of `pixel_options.colour_key`, int64 (...)."""
    wide = colours.astype(np.int64)
    is_grey = (colours == colours[..., :1]).all(axis=-1)
    keys = (1 << 24) | wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
    return np.where(is_grey, wide[..., 0], keys)


def _counts(samples: np.ndarray) -> dict[int, int] | None:
    """Pixels by value or colour; None if there are more colours than classes can have."""
    if samples.ndim == 2:
        counts = np.bincount(samples.ravel(), minlength=256)
        return {int(v): int(counts[v]) for v in np.flatnonzero(counts)}
    keys, pixels = np.unique(packed(samples), return_counts=True)
    if len(keys) > _MOST_COLOURS:
        return None
    return {int(k): int(n) for k, n in zip(keys, pixels, strict=True)}
