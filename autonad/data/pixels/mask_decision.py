"""How the masks of a set are read, told from what all of them hold; a single file never decides."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from autonad.data.pixels.lossy_masks import centres_of
from autonad.data.pixels.mask_reading import DEFECT, Channel, MaskReading
from autonad.data.pixels.mask_survey import WHITE, MaskSurvey, ValueTable
from autonad.data.pixels.painted_masks import edges_only, painted
from autonad.data.pixels.pixel_options import COLOUR, NOTHING, colour_key, shown_key

_ENOUGH = 5  # masks of which one can be the exception
_RARE = 0.02  # share of the masks that may hold a value by accident
_MIDDLE = 127  # below it, the brighter of two blurred values is none that a threshold would tell
_BRIGHT = 248  # a blurred value from here on was white
_FEW = 0.001  # share of a mask's pixels that may be an accident
_ODD = 0.2  # share of masks with other values, above which a set is grey
_MOST_CLASSES = 32


@dataclass(frozen=True)
class Decision:
    """What a survey of masks tells.

    Attributes:
        reading: How they are read.
        is_index: Whether their values are class indices rather than one class.
        num_classes: Classes that they show, without the background; None if that cannot be told.
        said: What a user is told, if anything was found.
        is_plain: Whether that is what everybody expects.
    """

    reading: MaskReading
    is_index: bool
    num_classes: int | None
    said: str
    is_plain: bool = True


def few_pixels(pixels: int, total: int) -> bool:
    """Whether so many strange pixels of a mask are an accident, which is ignored."""
    return pixels <= max(4, _FEW * total)


def decide(survey: MaskSurvey, *, num_classes: int | None, index: bool | None) -> Decision:
    """How the masks of a set are read.

    Args:
        survey: What they hold.
        num_classes: Classes without the background, if they are named.
        index: Whether they are known to be index masks, or masks of a class each; None if that is open.
    """
    channel, why = _channel(survey)
    table = survey.tables[channel]
    blurred = _blurred(survey, num_classes, index)
    if blurred is not None:
        return blurred
    coloured = _painted(survey, channel, index, num_classes, why)
    if coloured is not None:
        return coloured
    if index is None:
        # What compression has blurred beyond recognition is refused as an index mask, mask by mask.
        is_index = _is_index(table, num_classes) if table.total else bool(survey.lossy)
    else:
        is_index = index
    if is_index:
        return _index(table, channel, num_classes, why)
    return _single(table, channel, why)


def strays(table: ValueTable) -> set[int]:
    """Values that a few pixels of a few masks hold, among masks that agree."""
    if table.total < _ENOUGH:
        return set()
    most = max(1, int(_RARE * table.total))
    return {
        value
        for value in table.values
        if value not in {0, WHITE} and table.masks[value] <= most and table.largest[value] <= _FEW
    }


def _channel(survey: MaskSurvey) -> tuple[Channel, str]:
    """What decides in these masks, and the words for it."""
    if survey.shaped and survey.painted == survey.with_alpha >= survey.total / 2:
        return "alpha", "alpha decides, as their colour is the same wherever they are painted"
    if survey.palettes and _colours_decide(survey):
        return "colours", "the colours of their palettes decide, not the order of these"
    return "values", ""


def _colours_decide(survey: MaskSurvey) -> bool:
    """Whether a palette shows colours that mean something, rather than to tell class indices apart."""
    if survey.is_finer:
        return False
    black, white = colour_key(0, 0, 0), colour_key(255, 255, 255)
    colours = set(survey.colour_indices)
    if any(len(found) > 1 for found in survey.index_colours.values()):
        return True
    if any(len(found) > 1 for found in survey.colour_indices.values()):
        return False  # one palette for all, which shows two indices alike
    is_black_elsewhere = survey.colour_indices.get(black, {0}) != {0}
    return colours == {black, white} or is_black_elsewhere


def _is_index(table: ValueTable, num_classes: int | None) -> bool:
    """Whether values are class indices rather than one class."""
    values = set(table.values) - strays(table)
    highest = max((v for v in values if v not in {0, WHITE} and v < COLOUR), default=0)
    if highest == 1 and not table.white_among and table.white_only > _ODD * table.ones:
        highest = 0  # no mask tells 1 from 255
    if highest == 0 or table.white_only > table.white_among + table.others:
        return num_classes is not None and num_classes > 1
    return num_classes is None or num_classes > 1 or highest == 1


def _index(table: ValueTable, channel: Channel, num_classes: int | None, why: str) -> Decision:
    odd = strays(table)
    values = set(table.values) - odd
    highest = max((v for v in values if v != WHITE), default=0)
    if num_classes is None and highest < _MOST_CLASSES:
        num_classes = highest
    parts = [f"masks: {_indices(values)}"]
    if num_classes is not None:
        parts.append(_classes(num_classes))
    if WHITE in values:
        parts.append(
            f"255 is ignored (in {table.white_only} masks it is the only value; --mask-values says otherwise)"
            if table.white_only
            else "255 is ignored"
        )
    unusual = {v for v in values if num_classes is not None and num_classes < v != WHITE} | odd
    parts += _others(table, unusual)
    if why:
        parts.append(why)
    is_plain = not why and not table.white_only  # masks with other values are findings of their own
    return Decision(MaskReading(channel), True, num_classes, "; ".join(parts), is_plain)


def _single(table: ValueTable, channel: Channel, why: str) -> Decision:
    unusual = {v for v in table.values if v not in {0, WHITE}}
    shown = table.white_only + table.white_among + table.others
    odd = table.white_among + table.others - (0 if table.white_among else table.ones)
    is_binary = table.white_only > 0 and odd <= _ODD * shown
    if is_binary and table.ones and not table.white_among:
        unusual -= {1}
        why = "; ".join(filter(None, (f"in {table.ones} masks 1 stands for 255", why)))
    if is_binary or not shown:
        parts = ["masks: 0/255, one class", *_others(table, unusual)]
    elif table.ones == shown:
        parts = ["masks: 0/1, one class"]
    else:
        parts = ["masks: grey, one class; values above the threshold are defect"]
    if why:
        parts.append(why)
    return Decision(MaskReading(channel, is_binary), False, 1, "; ".join(parts), not why)


def _painted(
    survey: MaskSurvey, channel: Channel, index: bool | None, num_classes: int | None, why: str
) -> Decision | None:
    """Masks of a few values or colours that are no indices: each is a class. None if these are not."""
    table = survey.tables[channel]
    if index is not None and (index or num_classes != 1):
        return None
    values = set(table.values) - strays(table)
    soft = edges_only(survey, table, values)
    if soft and values - soft == {0, WHITE} and (num_classes or 1) == 1:
        return _single(table, channel, why)
    found = painted(survey, table, values)
    if found is None or (num_classes or len(found[1])) != len(found[1]):
        return None
    ground, classes = found
    one = len(classes) == 1
    if not one and num_classes is not None:
        return None  # which name belongs to which value only a user can say
    names = [DEFECT] if one else [f"class{i}" for i in range(1, len(classes) + 1)]
    meanings = {ground: NOTHING, **dict(zip(classes, names, strict=True))}
    if one:
        words = f"{shown_key(classes[0])} on {shown_key(ground)}, one class"
    else:
        words = ", ".join(f"{shown_key(key)}={name}" for key, name in meanings.items())
        words += f"; {len(classes)} classes in this order, --mask-values names them"
    parts = [f"masks: {words}", *(["what lies on soft edges between is ignored"] if soft else []), why]
    said = "; ".join(filter(None, parts))
    return Decision(MaskReading(channel, False, meanings), not one, len(classes), said, False)


def _blurred(survey: MaskSurvey, num_classes: int | None, index: bool | None) -> Decision | None:
    """Masks that lossy compression or smoothing changed, if what they held can still be told."""
    table = survey.tables["values"]
    if survey.lossy and len(survey.lossy) >= survey.total / 2:
        cause = f"{len(survey.lossy)} of {survey.total} are JPEG or lossy WebP"
    elif not survey.lossy and index is None and survey.smooth > _ODD * table.total:
        cause = "they have soft edges"
    else:
        return None
    centres = centres_of(survey.flat)
    known = len(centres) - 1
    if known < 1 or (index is None and known != (num_classes or known)) or (index and known != num_classes):
        return None
    if (known > 1 and index is False) or (not survey.lossy and (known > 1 or centres[1] < _BRIGHT)):
        return None
    if known == 1 and centres[1] > _MIDDLE and not index:
        said = (
            f"masks: {cause}, grey around {_listed(centres)}, one class; values above the threshold are "
            "defect"
        )
        return Decision(MaskReading(), False, 1, said, False)
    meanings = {centres[0]: NOTHING, **{c: f"class{i}" for i, c in enumerate(centres) if i}}
    said = (
        f"masks: {cause}, their values cluster around {_listed(centres)}: {_classes(known)} in this order, "
        "what lies between is ignored; PNG would keep them"
    )
    return Decision(MaskReading("values", False, meanings, centres), index is not False, known, said, False)


def _others(table: ValueTable, unusual: Collection[int]) -> list[str]:
    """The words for masks with values that few have."""
    if not unusual:
        return []
    names: dict[str, list[str]] = {}
    for value in sorted(unusual):
        for name in table.names[value]:
            names.setdefault(name, []).append(shown_key(value))
    count = max(max(table.masks[v] for v in unusual), len(names))
    shown = [f"{name} ({', '.join(values[:3])})" for name, values in list(names.items())[:3]]
    more = ", …" if count > len(shown) else ""
    has = "has" if count == 1 else "have"
    return [f"{count} of {table.total} {has} other values: {', '.join(shown)}{more}"]


def _indices(values: Collection[int]) -> str:
    found = sorted(v for v in values if v != WHITE)
    if any(v >= COLOUR for v in found):
        return f"{len(found)} colours"
    return f"class indices {_listed(found[:12])}" if found else "class indices"


def _listed(values: Sequence[int]) -> str:
    return ", ".join(str(v) for v in values)


def _classes(count: int) -> str:
    return "one class" if count == 1 else f"{count} classes"
