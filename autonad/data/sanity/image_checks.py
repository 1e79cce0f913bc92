"""What looks wrong in single images, judged against all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from autonad.data.faults import Fault
from autonad.data.sanity.looked import Expected, Looked, each_or_all
from autonad.data.sanity.measures import FEW_LEVELS

FEWEST = 20  # images of which it can be said what is usual
OUTLIER = 6.0  # robust standard deviations
_LEAST_SPREAD = 4.0  # grey levels; a fixed camera's images differ by less, and that is no alarm
SMALLEST = 1.0  # side of a defect at the network's input, pixels


def check_images(images: Sequence[Looked], expected: Expected) -> Iterator[Fault]:
    """Warnings: few-grey-levels, brightness-outlier, ignored, vanishing-defect."""
    yield from _grey_levels(images, expected)
    yield from _brightness(images)
    for image in images:
        if image.labels and not image.measures.counted:
            yield Fault("warning", "ignored", image.item, "all pixels of its mask are ignored (255)")
    yield from _sizes(images, expected)


def _grey_levels(images: Sequence[Looked], expected: Expected) -> list[Fault]:
    found = [
        (
            image,
            f"it uses {image.measures.levels} of 256 grey levels; if its source has more, give --bit-depth",
        )
        for image in images
        if image.measures.levels < FEW_LEVELS
    ]
    return each_or_all(
        "few-grey-levels",
        found,
        len(images),
        expected.name,
        lambda n: (
            f"{n} of {len(images)} images use less than {FEW_LEVELS} of 256 grey levels; if their source has "
            "more, state how they are to be read with --bit-depth"
        ),
    )


def _brightness(images: Sequence[Looked]) -> Iterator[Fault]:
    if len(images) < FEWEST:
        return
    values = np.array([image.measures.brightness for image in images])
    middle = float(np.median(values))
    spread = max(_LEAST_SPREAD, 1.4826 * float(np.median(np.abs(values - middle))))
    for index in np.flatnonzero(np.abs(values - middle) > OUTLIER * spread).tolist():
        message = (
            f"its mean grey level is {values[index]:.0f}, the others' {middle:.0f} ± {spread:.0f}; make sure "
            "that it belongs to them"
        )
        yield Fault("warning", "brightness-outlier", images[index].item, message)


def _sizes(images: Sequence[Looked], expected: Expected) -> list[Fault]:
    found, asked = [], 0
    at_input, remedy = _at_input(expected)
    for image in images:
        if not image.measures.areas:
            continue
        asked += 1
        area, size = image.measures.areas[0], image.measures.size
        side = expected.side(area, size)
        if side < SMALLEST:
            message = (
                f"its largest defect has {area} of {size[0]} × {size[1]} pixels, a side of {side:.1f} "
                f"{at_input}; {remedy}"
            )
            found.append((image, message))
    return each_or_all(
        "vanishing-defect",
        found,
        asked,
        expected.name,
        lambda n: (
            f"in {n} of {asked} images with defects the largest is smaller than one pixel "
            f"{at_input}; {remedy}"
        ),
    )


def _at_input(expected: Expected) -> tuple[str, str]:
    """Where a defect's size is meant, and what makes it larger there."""
    height, width = expected.input_size
    where, larger = f"at the network's input of {height} × {width}", "raise input.height and input.width"
    tiling = expected.tiling
    if tiling is None:
        return where, f"{larger}, or cut the images into tiles (input.tile)"
    return f"{where} for tiles of {tiling.height} × {tiling.width}", f"{larger}, or lower input.tile"
