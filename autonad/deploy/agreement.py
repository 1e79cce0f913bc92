"""What a detector makes of a network's logits at its rules, and whether two of them found the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autonad.detector.components import find_components
from autonad.detector.engine import classify, thresholds_of
from autonad.detector.joining import native_logits
from autonad.detector.judged import Defect, Judgement, judge_defects
from autonad.detector.rules import Rules
from autonad.detector.spec import DetectorSpec

if TYPE_CHECKING:
    from autonad.data.loader import SegmentationData

BOX_TOLERANCE_PX = 1
"""How far each side of the box of a defect may lie from the other's, pixels."""

AREA_TOLERANCE = 0.01
"""Share by which two areas of a defect may differ …"""

AREA_TOLERANCE_PX = 2
"""… or pixels, whichever is more: rounding decides of single pixels on the border."""

SAME_DEFECTS = (
    f"as many of each class, sides of their boxes within {BOX_TOLERANCE_PX} pixel, areas within "
    f"{AREA_TOLERANCE_PX} pixels or {100 * AREA_TOLERANCE:g} %, whichever is more"
)
"""The tolerances in words."""


@dataclass(frozen=True)
class SampleJudge:
    """The rules, applied to images by their logits. A tile is judged as an image of its own.

    Attributes:
        spec: What the network needs.
        rules: What counts as a defect.
        natives: Height and width of each image before it was fitted to the input, pixels.
    """

    spec: DetectorSpec
    rules: Rules
    natives: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, spec: DetectorSpec, rules: Rules, data: SegmentationData, samples: list[int]) -> SampleJudge:
        """For some samples of a split, in their order."""
        if spec.tiles is not None:
            return cls(spec, rules, ((spec.tiles.height, spec.tiles.width),) * len(samples))
        rows = data.rows.iloc[[data.image_of(sample) for sample in samples]]
        return cls(
            spec, rules, tuple(zip(rows["height"].astype(int), rows["width"].astype(int), strict=True))
        )

    def __call__(self, position: int, logits: np.ndarray) -> Judgement:
        """Judge the image at a position by its logits (C, H, W) at input size.

        Raises:
            ExportError: The logits are not finite.
        """
        native = self.natives[position]
        strips = native_logits(
            lambda box: logits, native, size=self.spec.size, keep_aspect=self.spec.keep_aspect, tiles=None
        )
        pixels = classify(strips, native, thresholds_of(self.rules, self.spec.classes))
        return judge_defects(find_components(pixels.mask, pixels.score), self.spec.classes, self.rules)


def same_defects(ours: Judgement, theirs: Judgement) -> bool:
    """Whether two judgements name the same defects, in whatever order.

    They do if each defect of one is one of the other: of the same class, with sides of the box and an area
    within the tolerances of this module.
    """
    if len(ours.defects) != len(theirs.defects):
        return False
    left = list(theirs.defects)
    for defect in ours.defects:
        alike = [other for other in left if _same(defect, other)]
        if not alike:
            return False
        left.remove(min(alike, key=lambda other: abs(other.area_px - defect.area_px)))
    return True


def _same(one: Defect, other: Defect) -> bool:
    apart = max(abs(a - b) for a, b in zip(one.box, other.box, strict=True))
    allowed = max(AREA_TOLERANCE_PX, AREA_TOLERANCE * max(one.area_px, other.area_px))
    return (
        one.class_name == other.class_name
        and apart <= BOX_TOLERANCE_PX
        and abs(one.area_px - other.area_px) <= allowed
    )
