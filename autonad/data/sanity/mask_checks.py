"""What looks wrong in the masks as a set: inverted, of other images, turned, or the same for several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from autonad.data.faults import Fault
from autonad.data.sanity.edges import TURNS
from autonad.data.sanity.looked import Expected, Looked, each_or_all

HALF = 0.5
ENOUGH = 8  # images with defects from which their masks can be judged together
# Medians of `edge_scores` (log2): masks that belong to their images have 1.6 and more on the sets that we
# know, masks of other images between -0.1 and 0.1 (docs/results.md).
UNRELATED, RELATED, TURNED = 0.3, 1.0, 0.8
WORST_EDGE = -0.6


def check_masks(images: Sequence[Looked], expected: Expected) -> Iterator[Fault]:
    """Warnings: inverted-masks, mostly-defect, turned-masks, unrelated-masks, no-edge, equal-masks."""
    defective = [image for image in images if image.measures.areas]
    yield from _shares(defective, expected)
    yield from _edges(defective, expected)
    yield from _equal(defective, expected)


def _shares(defective: Sequence[Looked], expected: Expected) -> list[Fault]:
    found = []
    for image in defective:
        share = image.measures.defect
        if share <= HALF:
            continue
        inverted = image.measures.frame > 0.9 and image.measures.frame > share
        remedy = (
            "; it looks inverted: defects are to be bright" if inverted else "; make sure that it is right"
        )
        found.append((image, f"{100 * share:.0f} % of its pixels are defect{remedy}"))
    if len(found) <= max(3, len(defective) / 2):
        return each_or_all("mostly-defect", found, len(defective), expected.name, str)
    message = (
        f"in {len(found)} of {len(defective)} masks most pixels are defect, so they look inverted; save "
        "defects as 255 (or an index) and background as 0"
    )
    return [Fault("warning", "inverted-masks", expected.name, message)]


def _edges(defective: Sequence[Looked], expected: Expected) -> Iterator[Fault]:
    scored = [(image, image.measures.edges) for image in defective if image.measures.edges is not None]
    if len(scored) < ENOUGH:
        return
    middle = np.median([edges for _, edges in scored], axis=0)
    best = int(np.argmax(middle))
    if best and middle[best] > TURNED and middle[best] - middle[0] > TURNED:
        message = (
            f"the defects of {len(scored)} masks lie on edges of their images when the masks are "
            f"{TURNS[best]}, and not {TURNS[0].replace('it is', 'they are')}; save images and masks in one "
            "orientation"
        )
        yield Fault("warning", "turned-masks", expected.name, message)
    elif middle[0] < UNRELATED:
        message = (
            f"the borders of the defects in {len(scored)} masks lie on no edges of their images; make sure "
            "that each mask belongs to its image and has not been moved"
        )
        yield Fault("warning", "unrelated-masks", expected.name, message)
    elif middle[0] > RELATED:
        for image, edges in scored:
            if edges[0] < WORST_EDGE:
                message = (
                    "its defects lie on no edge of the image, as those of the other masks do; make sure that "
                    "it is the mask of this image"
                )
                yield Fault("warning", "no-edge", image.item, message)


def _equal(defective: Sequence[Looked], expected: Expected) -> list[Fault]:
    """Equal masks of different parts; views of one part may share theirs."""
    first: dict[str, Looked] = {}
    found = []
    for image in defective:
        twin = first.setdefault(image.labels, image)
        if twin.content != image.content and (twin.group or twin.item) != (image.group or image.item):
            message = f"its mask is that of {twin.item}, another image, pixel for pixel; keep the right one"
            found.append((image, message))
    return each_or_all(
        "equal-masks",
        found,
        len(defective),
        expected.name,
        lambda n: f"{n} of {len(defective)} masks equal the mask of another image; make sure of them",
    )
