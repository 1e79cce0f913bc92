"""How far two forms of one network differ on the same images: by logit, pixel, image, defect and verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from pydantic import RootModel

from autonad.deploy.agreement import SAME_DEFECTS, same_defects
from autonad.detector.judged import Judgement
from autonad.errors import ExportError
from autonad.evaluation.predict import Forward
from autonad.reading.shape_checks import Shape

Judge = Callable[[int, np.ndarray], Judgement]
"""Position of an image and its (C, H, W) logits → its verdict and defects."""


@dataclass(frozen=True)
class Limits:
    """How far an exported network may differ from the trained one.

    Attributes:
        tolerance: Largest difference of a logit.
        max_disagreement: Largest share of pixels whose class differs.
        max_defect_disagreement: Largest share of images whose verdict or defects differ.
    """

    tolerance: float
    max_disagreement: float
    max_defect_disagreement: float = 0


class FileParity(Shape):
    """What `parity.json` says of one exported file."""

    kept: bool = False
    sha256: str = ""


class ParityFile(RootModel[dict[str, FileParity]]):
    """`parity.json`: per file what it differs from torch by."""


@dataclass(frozen=True)
class Parity:
    """How far two networks differ on the same images.

    Attributes:
        images: Number of images compared.
        max_difference: Largest difference of a logit.
        mean_difference: Mean absolute difference of a logit.
        disagreement: Share of pixels whose class differs.
        image_disagreement: Share of images on which other classes are seen.
        defect_disagreement: Share of images with other defects (`agreement.py`); None where nobody judged.
        verdict_disagreement: Share of images with another verdict; None where nobody judged.
    """

    images: int
    max_difference: float
    mean_difference: float
    disagreement: float
    image_disagreement: float
    defect_disagreement: float | None = None
    verdict_disagreement: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; where defects were compared, also in words when they are the same."""
        words = {} if self.defect_disagreement is None else {"same_defects": SAME_DEFECTS}
        return asdict(self) | words


def compare_networks(
    found: Forward, wanted: Forward, images: np.ndarray, *, judge: Judge | None = None
) -> Parity:
    """Run the same images through two networks, one by one.

    Args:
        found: The network in question.
        wanted: What it should say.
        images: (N, 3, H, W), normalised; real images, since random ones hide saturated paths.
        judge: What a detector makes of the logits; None compares no defects and verdicts.
    """
    largest, means = [], []
    pixels, seen, defects, verdicts = [], [], [], []
    for position, image in enumerate(images):
        ours, theirs = (np.asarray(forward(image[None]))[0] for forward in (found, wanted))
        difference = np.abs(ours - theirs)
        largest.append(difference.max())
        means.append(difference.mean())
        classes, other = ours.argmax(0), theirs.argmax(0)
        pixels.append((classes != other).mean())
        seen.append(set(np.unique(classes)) != set(np.unique(other)))
        if judge is not None:
            judged, wished = judge(position, ours), judge(position, theirs)
            verdicts.append(judged.verdict != wished.verdict)
            defects.append(not same_defects(judged, wished))
    return Parity(
        images=len(images),
        # numpy's maximum keeps a NaN where Python's drops it.
        max_difference=float(np.max(largest)),
        mean_difference=float(np.mean(means)),
        disagreement=float(np.mean(pixels)),
        image_disagreement=float(np.mean(seen)),
        defect_disagreement=float(np.mean(defects)) if judge else None,
        verdict_disagreement=float(np.mean(verdicts)) if judge else None,
    )


def require_parity(parity: Parity, limits: Limits) -> None:
    """Make sure that an exported network says what the trained one does.

    Args:
        parity: What was found.
        limits: What is allowed.

    Raises:
        ExportError: They differ by more, or one of them is not finite.
    """
    share = f"{100 * parity.disagreement:.3f} % of the pixels"
    # Written so that a NaN fails.
    if not parity.max_difference <= limits.tolerance:
        raise ExportError(
            f"ONNX Runtime and torch differ by {parity.max_difference:.2g} in a logit on {parity.images} "
            f"images, more than export.tolerance = {limits.tolerance:g}; raise the tolerance only if the "
            f"predictions agree (here {share} do not)"
        )
    if parity.disagreement > limits.max_disagreement:
        raise ExportError(
            f"ONNX Runtime and torch give another class to {share} of {parity.images} images, more than "
            f"export.max_disagreement = {limits.max_disagreement:g} allows; a hardly trained network "
            "has many ties, which rounding decides: train longer, or raise the limit"
        )
    for what, judged in (("verdicts", parity.verdict_disagreement), ("defects", parity.defect_disagreement)):
        if judged is not None and judged > limits.max_defect_disagreement:
            raise ExportError(
                f"ONNX Runtime and torch give {what} that differ on {round(judged * parity.images)} of "
                f"{parity.images} images at the shipped rules, more than export.max_defect_disagreement = "
                f"{limits.max_defect_disagreement:g} allows; a hardly trained network has many ties, which "
                "rounding decides: train longer, or raise the limit"
            )
