"""What a user states about pixels, where a set cannot tell or tells it wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from autonad.data.images import MAX_PIXELS
from autonad.errors import DatasetError

FLOAT = "float"
BIT_DEPTHS = ("8", "10", "12", "14", "16", FLOAT)
NOTHING, UNKNOWN = "background", "ignore"
# Keys of colours follow the 256 values of grey masks.
COLOUR = 1 << 24


@dataclass(frozen=True)
class PixelOptions:
    """What a user states about pixels.

    Attributes:
        mask_values: Class name by value or colour in the masks; "background" and "ignore" are two of them.
        bit_depth: One of `BIT_DEPTHS`, for images of more than 8 bits.
        page: Which page of files with several, from 1.
        max_pixels: Larger images and masks are refused before they are decoded.
    """

    mask_values: Mapping[int, str] | None = None
    bit_depth: str | None = None
    page: int | None = None
    max_pixels: int = MAX_PIXELS

    @classmethod
    def parse(cls, mask_values: str | None, bit_depth: str | None, page: int | None) -> PixelOptions:
        """The options as they are typed.

        Raises:
            DatasetError: One of them cannot be understood.
        """
        if bit_depth is not None and bit_depth not in BIT_DEPTHS:
            raise DatasetError(f"--bit-depth is {bit_depth!r}; give one of {', '.join(BIT_DEPTHS)}")
        if page is not None and page < 1:
            raise DatasetError(f"--page is {page}; count pages from 1")
        return cls(None if mask_values is None else _meanings(mask_values), bit_depth, page)

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Names of the defects that the mask values name, in their order; None if none is given."""
        if self.mask_values is None:
            return None
        names = dict.fromkeys(self.mask_values.values())
        return tuple(name for name in names if name not in {NOTHING, UNKNOWN})


def _meanings(text: str) -> dict[int, str]:
    meanings: dict[int, str] = {}
    for part in text.split(","):
        value, is_given, name = (piece.strip() for piece in part.partition("="))
        key = _key(value)
        if not is_given or not name or key is None or key in meanings:
            raise DatasetError(
                f"--mask-values has {part.strip()[:60]!r}; give each value once, such as "
                "0=background,255=defect,128=ignore or #ff0000=crack"
            )
        meanings[key] = name
    if not set(meanings.values()) - {NOTHING, UNKNOWN}:
        raise DatasetError("--mask-values names no defect; give at least one, such as 255=defect")
    return meanings


def _key(value: str) -> int | None:
    if re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        return colour_key(int(value[1:3], 16), int(value[3:5], 16), int(value[5:7], 16))
    return int(value) if re.fullmatch(r"\d{1,3}", value) and int(value) < 256 else None


def colour_key(red: int, green: int, blue: int) -> int:
    """One number for a colour; a grey is its value."""
    return red if red == green == blue else COLOUR | red << 16 | green << 8 | blue


def shown_key(key: int) -> str:
    """A key as a user writes it."""
    return str(key) if key < COLOUR else f"#{key - COLOUR:06x}"
