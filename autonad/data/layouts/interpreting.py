"""How the pixels of a layout are read, told from the whole set: what masks mean, how images are scaled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from autonad.console import some
from autonad.data.dataset import check_classes
from autonad.data.images import IGNORE
from autonad.data.layouts.layout import Layout
from autonad.data.layouts.turning import settle_turns
from autonad.data.pixels.image_survey import scale_of, survey_images
from autonad.data.pixels.kept_masks import KeptMasks
from autonad.data.pixels.mask_decision import Decision, decide, strays
from autonad.data.pixels.mask_reading import MaskReading
from autonad.data.pixels.mask_survey import MaskSurvey, ValueTable, survey_masks
from autonad.data.pixels.pixel_options import COLOUR, NOTHING, UNKNOWN, PixelOptions, shown_key
from autonad.data.pixels.pixel_reading import Reading, Said
from autonad.errors import DatasetError

_LISTED = 8  # values that are named of many
_FEW_MASKS = 5  # so few do not change how a dataset's masks are read


@dataclass(frozen=True)
class Masks:
    """What masks that nothing describes were found to be.

    Attributes:
        classes: Names by index; 0 is the background.
        is_index: Whether they are index masks rather than masks of the one class.
        reading: How they are read.
        said: That, in a sentence.
        kept: The masks that need not be decoded again.
    """

    classes: tuple[str, ...]
    is_index: bool
    reading: MaskReading
    said: Said
    kept: KeptMasks

    def explain(self, layout: Layout) -> Layout:
        """The layout with this reading of its masks."""
        reading = replace(layout.reading, masks=self.reading)
        return replace(layout, reading=reading, said=(self.said,), kept=self.kept)


def interpret(
    masks: dict[str, Path], classes: Sequence[str] | None, folder: Path, options: PixelOptions
) -> Masks:
    """Class names and meaning of masks of which only the folder is known.

    Args:
        masks: Mask files by image.
        classes: Names of the defects, if a user gives them.
        folder: Where the masks lie, for messages.
        options: What a user states about pixels.

    Raises:
        DatasetError: The masks cannot be read, or do not tell their classes.
    """
    survey = survey_masks(masks.values(), options, is_open=True)
    if not survey.total:
        why = "".join(f"; {text}" for text in survey.unread)
        raise DatasetError(f"{folder} holds no readable masks; save one mask per image as PNG{why}")
    classes = classes if classes is not None else options.classes
    names = None if classes is None else check_classes(classes)
    if options.mask_values is not None:
        assert names is not None
        stated, said = _stated(survey, options, names)
        return Masks(names, True, stated, said, survey.kept)
    known = None if names is None else len(names) - 1
    found = decide(survey, num_classes=known, index=None)
    if known is not None and known > 1:
        refuse_binary(survey, found, known, folder)
    names = names or _names_of(found, survey, folder)
    said = Said(found.said, found.is_plain)
    return Masks(names, found.is_index, _named(found.reading, names), said, survey.kept)


def settle(layout: Layout, options: PixelOptions, known: Reading | None = None) -> Layout:
    """The layout with the decision how its pixels are read; its files are looked at for that.

    Args:
        layout: What was listed.
        options: What a user states about pixels.
        known: How the dataset was read that the layout is added to.

    Raises:
        DatasetError: The masks cannot tell the classes.
    """
    known = known or Reading()
    images = survey_images(((record.item, record.image) for record in layout.records), options)
    scale, said = scale_of(images, options, known.images)
    about_images = [Said(text) for text in said]
    if not layout.said:
        layout = _masks_settled(layout, options, known.masks)
    layout = replace(layout, reading=Reading(scale, layout.reading.masks))
    turned, about_turns = settle_turns(layout, images)
    return replace(
        layout,
        reading=Reading(replace(scale, turned=turned), layout.reading.masks),
        said=(*layout.said, *about_images, *about_turns),
    )


def refuse_binary(survey: MaskSurvey, found: Decision, num_classes: int, folder: Path | str) -> None:
    """Make sure that index masks of several classes hold more than 0 and 255.

    Args:
        survey: Of the masks.
        found: How they would be read.
        num_classes: Classes without the background.
        folder: Where the masks lie, for the message.

    Raises:
        DatasetError: They do not, so they are binary masks and cannot tell the classes.
    """
    table = survey.tables[found.reading.channel]
    if set(table.values) - strays(table) == {0, IGNORE} and not found.reading.meanings:
        raise DatasetError(
            f"the masks in {folder} hold 0 and 255 only, which cannot tell {num_classes} classes; "
            "save one index per pixel, or make one sub-folder of masks per class"
        )


def _masks_settled(layout: Layout, options: PixelOptions, known: MaskReading) -> Layout:
    """The layout with its masks' reading, and with binary masks that are index masks listed as these."""
    files = [path for record in layout.records for path, _ in record.masks]
    num_classes = len(layout.classes) - 1
    is_open = layout.assumed and num_classes == 1
    survey = survey_masks(files, options, is_open=is_open)
    layout = replace(layout, kept=survey.kept)
    if not survey.total:
        return replace(layout, reading=Reading(layout.reading.images, known))
    if options.mask_values is not None:
        is_index = any(index is None for record in layout.records for _, index in record.mask_places)
        stated, said = _stated(survey, options, layout.classes if is_index else None)
        return replace(layout, reading=Reading(layout.reading.images, stated), said=(said,))
    index = any(index is None for record in layout.records for _, index in record.mask_places)
    found = decide(survey, num_classes=num_classes, index=None if is_open else index)
    if layout.assumed and num_classes > 1:
        refuse_binary(survey, found, num_classes, layout.source.name)
    if found.is_index and not index:
        records = [r.with_masks((path, None) for path, _ in r.masks) for r in layout.records]
        layout = replace(layout, records=tuple(records))
    reading, said = _named(found.reading, layout.classes), Said(found.said, found.is_plain)
    if reading.channel == "colours" and found.is_index and not reading.meanings:
        reading = _palette_of_classes(layout, survey, reading)
    if known.meanings and reading != known:
        values = {v for v in survey.tables[known.channel].values}
        if values <= known.meanings.keys() or survey.total < _FEW_MASKS:
            reading, said = known, Said("masks: read as the dataset's")
        else:
            odd = ", ".join(shown_key(v) for v in sorted(values - known.meanings.keys())[:8])
            said = Said(f"{said.text}; the dataset's masks hold no {odd} and were read otherwise")
    return replace(layout, reading=Reading(layout.reading.images, reading), said=(said,))


def _palette_of_classes(layout: Layout, survey: MaskSurvey, reading: MaskReading) -> MaskReading:
    """Colours decide in index masks only where the layout knows what all of them stand for."""
    known = {colour[0] if len(set(colour)) == 1 else _packed(colour) for colour in layout.colours or {}}
    return reading if survey.colour_indices.keys() <= known else MaskReading()


def _packed(colour: tuple[int, int, int]) -> int:
    return COLOUR | colour[0] << 16 | colour[1] << 8 | colour[2]


def _stated(
    survey: MaskSurvey, options: PixelOptions, classes: tuple[str, ...] | None
) -> tuple[MaskReading, Said]:
    """What a user states about mask values, whose names have to be classes where these are told by value."""
    assert options.mask_values is not None
    unknown = [name for name in options.classes or () if classes is not None and name not in classes]
    if classes is not None and unknown:
        raise DatasetError(
            f"--mask-values names {', '.join(unknown)}, which is none of the classes "
            f"{some(classes[1:], 8)}; give both the same names"
        )
    meanings = dict(options.mask_values)
    if NOTHING not in meanings.values() and 0 not in meanings:
        meanings[0] = NOTHING
    is_coloured = any(key >= COLOUR for key in meanings)
    found = decide(survey, num_classes=None, index=None).reading.channel
    text = ", ".join(f"{shown_key(key)}={name}" for key, name in sorted(meanings.items()))
    # What compression has blurred is the nearest of the values that are stated.
    centres = tuple(sorted(meanings)) if survey.lossy and not is_coloured and len(meanings) > 1 else ()
    reading = MaskReading("colours" if is_coloured else found, False, meanings, centres)
    return reading, Said(f"masks: {text}, as --mask-values says")


def _names_of(found: Decision, survey: MaskSurvey, folder: Path) -> tuple[str, ...]:
    """Names for classes that nobody names."""
    table = survey.tables[found.reading.channel]
    values = [v for v in table.values if v not in strays(table)]
    if survey.lossy and not table.total and not found.reading.meanings and found.is_index:
        levels = np.flatnonzero(survey.flat)
        raise DatasetError(
            f"{len(survey.lossy)} of {survey.total} masks in {folder} are JPEG or lossy WebP "
            f"({survey.lossy[0]} …), which is lossy and blurs class indices: they hold "
            + (f"{len(levels)} values from {levels[0]} to {levels[-1]}" if levels.size else "many colours")
            + "; save them as PNG, or name their values with --mask-values"
        )
    coloured = len(survey.crowded) + max((table.masks[v] for v in values if v >= COLOUR), default=0)
    if not found.reading.meanings and coloured >= survey.total / 2:
        raise DatasetError(
            f"{coloured} of {survey.total} masks in {folder} are coloured{_most(table, values)}; say what "
            "their colours mean with --mask-values, such as #ff0000=crack, or save one index per pixel"
        )
    if not found.is_index:
        return check_classes(["defect"])
    highest = max((v for v in values if v not in {0, IGNORE}), default=0)
    if found.num_classes and not found.reading.meanings and 0 not in values and table.total:
        listed = ", ".join(shown_key(v) for v in values[:8])
        raise DatasetError(
            f"the masks in {folder} hold {listed} and nowhere 0, so their background cannot be told; say "
            f"what the values mean with --mask-values, such as {values[0]}=background, or name the classes"
        )
    if found.num_classes and (found.reading.meanings or highest < COLOUR):
        return check_classes([f"class{i}" for i in range(1, found.num_classes + 1)])
    raise DatasetError(
        f"the masks in {folder} hold {len(values)} values{_most(table, values)}, so their classes cannot be "
        "told; name them (one class means: larger than the threshold), say what the values mean with "
        "--mask-values, or save one index per pixel"
    )


def _most(table: ValueTable, values: Sequence[int]) -> str:
    """The most frequent of the values, in words; "" if there is none."""
    listed = sorted(sorted(values, key=lambda v: -table.pixels[v])[:_LISTED])
    return f", most often {', '.join(shown_key(v) for v in listed)}" if listed else ""


def _named(reading: MaskReading, classes: tuple[str, ...]) -> MaskReading:
    """A reading whose classes, known by their order so far, have their names."""
    order = [name for name in dict.fromkeys(reading.meanings.values()) if name not in {NOTHING, UNKNOWN}]
    names = dict(zip(order, classes[1:], strict=False))
    return replace(reading, meanings={key: names.get(name, name) for key, name in reading.meanings.items()})
