"""What was found, as an answer: shapes of defects, and the picture with them."""

from __future__ import annotations

import base64
import io

import numpy as np

from autonad.data.annotations.outlines import closed_outlines
from autonad.detector.components import Components
from autonad.detector.engine import Detection
from autonad.detector.outputs import overlay
from autonad.service.schemas import BoxPx, ExaminedImage, FoundDefect, OverlayForm, RunLengths, Shapes


def answer_of(
    name: str, image: np.ndarray, detection: Detection, *, shapes: Shapes, drawn: OverlayForm
) -> ExaminedImage:
    """What was found in an image.

    Args:
        name: Of the image.
        image: uint8 (h, w, 3).
        detection: Of it.
        shapes: How defects' shapes are said.
        drawn: Whether the picture comes along.
    """
    judged = detection.judgement
    height, width = detection.mask.shape
    found = []
    for defect, index in zip(judged.named, judged.kept, strict=False):
        top, left, bottom, right = defect.box
        shape: dict[str, object] = {}
        if shapes is Shapes.POLYGON:
            shape["polygon"] = polygon_of(detection.components, index)
        elif shapes is Shapes.RLE:
            shape["rle"] = run_lengths(detection.components, index, height, width)
        told = defect.to_dict() | {"box": BoxPx(top=top, left=left, bottom=bottom, right=right)}
        found.append(FoundDefect(**told, **shape))
    picture = None
    if drawn is OverlayForm.INLINE:
        picture = base64.b64encode(overlay_png(image, detection)).decode()
    return ExaminedImage(
        name=name,
        verdict=judged.verdict,
        reason=judged.reason,
        height=height,
        width=width,
        defects=found,
        defect_count=len(judged.defects),
        too_small=judged.ignored,
        overlay=picture,
    )


def overlay_png(image: np.ndarray, detection: Detection) -> bytes:
    """The image with its defects drawn into it."""
    buffer = io.BytesIO()
    overlay(image, detection).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def polygon_of(found: Components, index: int) -> list[list[list[int]]]:
    """Rings of (x, y) of a region along the edges of its pixels, the outer one first; others are holes."""
    top, left = found.box[index, :2].tolist()
    rings = closed_outlines(_bitmap(found, index))
    return [np.add(ring, (left, top)).tolist() for ring in rings]


def run_lengths(found: Components, index: int, height: int, width: int) -> RunLengths:
    """A region in the mask of its image, as COCO's uncompressed runs.

    Args:
        found: The regions of an image.
        index: Which one.
        height: Of the image, pixels.
        width: Of the image, pixels.
    """
    top, left = found.box[index, :2].tolist()
    columns = np.pad(_bitmap(found, index).T, ((0, 0), (1, 1)))
    column, row = np.nonzero(columns[:, 1:] != columns[:, :-1])  # runs begin and end in turn
    edges = (left + column) * height + top + row
    # A run that ends at the image's lower border and one that begins at the next column's top are one.
    double = np.flatnonzero(edges[1:] == edges[:-1])
    edges = np.delete(edges, np.concatenate([double, double + 1]))
    counts = np.diff(np.concatenate([[0], edges, [height * width]]))
    return RunLengths(size=[height, width], counts=_without_empty_end(counts.tolist()))


def _without_empty_end(counts: list[int]) -> list[int]:
    return counts[:-1] if counts[-1] == 0 else counts


def _bitmap(found: Components, index: int) -> np.ndarray:
    """The region within its box, bool (h, w)."""
    top, left, bottom, right = found.box[index].tolist()
    runs, bitmap = found.runs, np.zeros((bottom - top, right - left), dtype=bool)
    for number in found.runs_of(index).tolist():
        bitmap[runs.row[number] - top, runs.start[number] - left : runs.stop[number] - left] = True
    return bitmap
