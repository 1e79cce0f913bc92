"""How large defects are, in their images and at the network's input, as bars."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from autonad.data.sanity.looked import Expected, Looked

_EDGES = [0.5, *(2.0**power for power in range(10))]  # sides, pixels
_HEIGHT = 150  # of the tallest bar
_FEWEST = 8  # ranges that are drawn, so that every chart has about the same scale


@dataclass(frozen=True)
class Bar:
    """One bar: how many defects, and how tall it is drawn."""

    count: int
    height: float


@dataclass(frozen=True)
class SizeBars:
    """The chart.

    Attributes:
        bins: Label of each range of sides, and its bars: in the images, at the input.
        summary: What it shows, in a sentence.
        input: The network's input, "64 × 64".
    """

    bins: Sequence[tuple[str, Bar, Bar]]
    summary: str
    input: str


def count_sizes(images: Sequence[Looked], expected: Expected) -> SizeBars | None:
    """Count the kept defects of each image by the side of a square of their area; None without defects.

    Args:
        images: In figures.
        expected: Says what the network's input is.
    """
    pairs = [
        (area, expected.side(area, image.measures.size)) for image in images for area in image.measures.areas
    ]
    if not pairs:
        return None
    sides = np.array(pairs)
    sides[:, 0] = np.sqrt(sides[:, 0])
    counts = [
        np.bincount(np.digitize(sides[:, column], _EDGES), minlength=len(_EDGES) + 1) for column in (0, 1)
    ]
    tallest = max(int(count.max()) for count in counts)
    labels = [f"< {_EDGES[0]:g}", *(f"{a:g}–{b:g}" for a, b in itertools.pairwise(_EDGES))]
    labels.append(f"≥ {_EDGES[-1]:g}")
    bins = [
        (label, Bar(one, _HEIGHT * one / tallest), Bar(other, _HEIGHT * other / tallest))
        for label, one, other in zip(labels, counts[0].tolist(), counts[1].tolist(), strict=True)
    ]
    used = [k for k, (_, one, other) in enumerate(bins) if one.count or other.count]
    last = max(used[-1], min(len(bins) - 1, used[0] + _FEWEST - 1))
    first = min(used[0], max(0, last - _FEWEST + 1))
    lost = int((sides[:, 1] < 1).sum())
    height, width = expected.input_size
    summary = (
        f"{len(pairs)} defects; their middle side is {np.median(sides[:, 0]):.1f} pixels in the images and "
        f"{np.median(sides[:, 1]):.1f} at the network's input of {height} × {width}, where {lost} "
        "are smaller than one pixel"
    )
    return SizeBars(bins[first : last + 1], summary, f"{height} × {width}")
