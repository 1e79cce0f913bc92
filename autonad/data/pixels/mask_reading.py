"""What decides in the masks of a set, and what its values mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Channel = Literal["values", "colours", "alpha"]
DEFECT = "defect"


@dataclass(frozen=True)
class MaskReading:
    """How the masks of a set are read.

    Attributes:
        channel: What decides: samples (of a palette, its indices), the colours a viewer shows, or alpha.
        is_binary: Whether masks of one class hold 0 and 255, so that other values are strange. If not, they
            are grey, and a threshold decides.
        meanings: Class name by value or colour (see `pixel_options.colour_key`), where that is known;
            "background" and "ignore" are two of them. In masks of a single class every other name means it.
        centres: Values that lossy compression has blurred; a sample is the nearest of them, if it is near.
    """

    channel: Channel = "values"
    is_binary: bool = False
    meanings: Mapping[int, str] = field(default_factory=dict)
    centres: tuple[int, ...] = ()
