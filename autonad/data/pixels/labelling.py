"""One mask to class indices, as its set is read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autonad.console import some
from autonad.data.images import IGNORE
from autonad.data.pixels.drawn_on import grown
from autonad.data.pixels.lossy_masks import snapped
from autonad.data.pixels.mask_decision import few_pixels
from autonad.data.pixels.mask_files import MaskFile
from autonad.data.pixels.mask_reading import MaskReading
from autonad.data.pixels.mask_survey import packed
from autonad.data.pixels.painted_masks import inner, is_between
from autonad.data.pixels.pixel_options import NOTHING, UNKNOWN, colour_key, shown_key

_INSIDE = 0.1  # share of the pixels of an edge that may lie among others of it
_AWAY = 0.3  # share of them that may lie apart from a defect
_SOFT = 3  # pixels that an edge may be wide
_SAVE = "save one class index per pixel, or say what it means with --mask-values"


class MaskFault(Exception):
    """A mask that cannot be used.

    Attributes:
        kind: Word for the kind of fault.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Meaning:
    """What numbers in the masks of a layout stand for.

    Attributes:
        classes: Names by index; 0 is the background.
        threshold: In grey masks of one class, larger values are defect.
        colours: Class index by colour, of colour-coded index masks.
    """

    classes: tuple[str, ...]
    threshold: int
    colours: Mapping[tuple[int, int, int], int]


@dataclass(frozen=True)
class Labels:
    """A mask, understood.

    Attributes:
        indices: uint8 (H, W) of class indices, 255 = ignore.
        is_grey: Whether a mask of one class held more than two values.
        strange: Pixels with values of no meaning, which are ignored, by value.
        has_soft_edges: Whether blends of two values on their edges are ignored.
    """

    indices: np.ndarray
    is_grey: bool = False
    strange: tuple[tuple[int, int], ...] = ()
    has_soft_edges: bool = False


def label(mask: MaskFile, reading: MaskReading, meaning: Meaning, index: int | None, name: str) -> Labels:
    """Class index of each pixel of a mask.

    Args:
        mask: The mask, decoded.
        reading: How the masks of its set are read.
        meaning: What their numbers stand for.
        index: The class that the mask shows; None for an index mask.
        name: Its file name, for messages.

    Raises:
        MaskFault: It holds what means nothing, in more than a few pixels.
    """
    numbers = mask.channel(reading.channel)
    if reading.centres and numbers.ndim == 2:
        numbers, between = snapped(numbers, reading.centres)
        labels = _by_name(numbers, reading, meaning, index, name)
        labels.indices[between] = IGNORE
        return labels
    if reading.meanings:
        return _by_name(numbers, reading, meaning, index, name)
    if index is not None:
        return _one_class(mask, numbers, reading, meaning.threshold, index, name)
    if mask.header.is_lossy and numbers.any():
        raise MaskFault(
            "lossy-mask",
            f"mask {name} is {mask.header.format}, which is lossy and blurs class indices; save it as PNG",
        )
    if numbers.ndim == 3:
        known = {colour_key(*colour): index for colour, index in meaning.colours.items()}
        return _by_key(packed(numbers), known, meaning, name)
    strange = _strange(numbers, numbers != IGNORE, len(meaning.classes))
    if not strange:
        return Labels(numbers)
    _refuse_many(strange, numbers.size, meaning, name)
    return Labels(np.where(numbers < len(meaning.classes), numbers, IGNORE).astype(np.uint8), False, strange)


def _one_class(
    mask: MaskFile, numbers: np.ndarray, reading: MaskReading, threshold: int, index: int, name: str
) -> Labels:
    if numbers.ndim == 3:
        raise MaskFault(
            "colour-mask",
            f"mask {name} is a colour image; save it as grey values 0 and 255, or say what its colours mean "
            "with --mask-values",
        )
    highest = int(numbers.max(initial=0))
    if mask.header.is_lossy and 0 < highest <= threshold:
        raise MaskFault(
            "lossy-mask",
            f"mask {name} is {mask.header.format}, which is lossy, and its values reach {highest} only; save "
            "it as PNG with the values 0 and 255",
        )
    # A one-bit or 0/1 mask has no value above the threshold, and means every non-zero pixel.
    if highest <= 1:
        return Labels(numbers * np.uint8(index))
    if not reading.is_binary or mask.header.is_lossy:
        counts = np.bincount(numbers.ravel(), minlength=256)
        return Labels((numbers > threshold) * np.uint8(index), int((counts > 0).sum()) > 2)
    white = numbers == IGNORE
    labels = white * np.uint8(index)
    if np.count_nonzero(numbers) == np.count_nonzero(white):
        return Labels(labels)
    strange = _strange(numbers, (numbers != 0) & (numbers != IGNORE), 0)
    if _is_edge(numbers, strange, {0, IGNORE}, numbers == IGNORE):
        return Labels((numbers > threshold) * np.uint8(index), is_grey=True)
    if not few_pixels(sum(n for _, n in strange), numbers.size):
        raise MaskFault(
            "other-values",
            f"mask {name} holds the values {[v for v, _ in strange][:8]}, the others of its set 0 and 255 "
            "only; save it so, or say what the values mean with --mask-values",
        )
    labels[(numbers != 0) & (numbers != IGNORE)] = IGNORE
    return Labels(labels, False, strange)


def _by_name(
    numbers: np.ndarray, reading: MaskReading, meaning: Meaning, index: int | None, name: str
) -> Labels:
    """Class indices of values or colours whose meaning a user, or the whole set, says."""
    known = {}
    for key, word in reading.meanings.items():
        if word in {NOTHING, UNKNOWN}:
            known[key] = 0 if word == NOTHING else IGNORE
        elif index is not None:
            known[key] = index
        elif word in meaning.classes:
            known[key] = meaning.classes.index(word)
    return _by_key(packed(numbers) if numbers.ndim == 3 else numbers, known, meaning, name)


def _by_key(keys: np.ndarray, known: Mapping[int, int], meaning: Meaning, name: str) -> Labels:
    result = np.full(keys.shape, IGNORE, dtype=np.uint8)
    present, pixels = np.unique(keys, return_counts=True)
    strange = []
    for key, count in zip(present.tolist(), pixels.tolist(), strict=True):
        if key in known:
            result[keys == key] = known[key]
        else:
            strange.append((key, count))
    if _is_edge(keys, strange, known, (result != 0) & (result != IGNORE)):
        return Labels(result, has_soft_edges=True)
    _refuse_many(strange, keys.size, meaning, name)
    return Labels(result, False, tuple(strange))


def _is_edge(
    keys: np.ndarray, strange: Sequence[tuple[int, int]], known: Collection[int], defect: np.ndarray
) -> bool:
    """Whether strange pixels are soft edges: thin, of blends of two known values, along what is defect."""
    count = sum(n for _, n in strange)
    if few_pixels(count, keys.size) or not all(is_between(key, known) for key, _ in strange):
        return False
    unknown = np.isin(keys, [key for key, _ in strange])
    for _ in range(_SOFT):
        defect = grown(defect)
    return int(inner(unknown).sum()) <= _INSIDE * count and int((unknown & ~defect).sum()) <= _AWAY * count


def _strange(numbers: np.ndarray, among: np.ndarray, first: int) -> tuple[tuple[int, int], ...]:
    """Values from `first` on, with their pixels, where `among` is true."""
    counts = np.bincount(numbers[among], minlength=256)
    return tuple((int(v), int(counts[v])) for v in np.flatnonzero(counts) if v >= first)


def _refuse_many(
    strange: tuple[tuple[int, int], ...] | list[tuple[int, int]], total: int, meaning: Meaning, name: str
) -> None:
    if not strange or few_pixels(sum(n for _, n in strange), total):
        return
    values = [shown_key(v) for v, _ in strange]
    last = len(meaning.classes) - 1
    raise MaskFault(
        "unknown-value",
        f"mask {name} holds the values {some(values, 8)}; the classes {some(meaning.classes, 8)} "
        f"have the indices 0 to {last}, and 255 is ignored; {_SAVE}",
    )
