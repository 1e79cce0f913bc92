"""The detector: an image in, its mask, defects and verdict out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from autonad.detector.components import Components, find_components
from autonad.detector.fitting import fit_image
from autonad.detector.joining import native_logits
from autonad.detector.judged import Judgement, judge_defects
from autonad.detector.normalise import Normalisation
from autonad.detector.rules import Rules
from autonad.detector.spec import DetectorSpec
from autonad.detector.tiles import Box, Strip, cut, tile_boxes
from autonad.errors import ExportError

# Values of logits that become probabilities at a time.
STRIP_VALUES = 1 << 20
# Pixels of the tiles that a call of the network takes: eight of 128 × 128 cost a quarter less than one by
# one, larger ones gain nothing by company.
CALL_PIXELS = 8 * 128 * 128

Forward = Callable[[np.ndarray], np.ndarray]
"""(B, 3, H, W) float32 images, normalised → (B, C, H, W) logits."""


@dataclass(frozen=True)
class Pixels:
    """What the network says of each pixel of an image, at its own size.

    Attributes:
        mask: uint8 (h, w) classes by the rules' probabilities, 0 is background.
        score: float32 (h, w) probability of that class; where the mask is 0, of the likeliest defect.
    """

    mask: np.ndarray
    score: np.ndarray


@dataclass(frozen=True)
class Detection:
    """All that is known of an image.

    Attributes:
        pixels: Per pixel.
        components: All regions, also those that are too small to count.
        judgement: Verdict and defects.
    """

    pixels: Pixels
    components: Components
    judgement: Judgement

    @property
    def mask(self) -> np.ndarray:
        """uint8 (h, w) classes, 0 is background."""
        return self.pixels.mask


@dataclass(frozen=True)
class Detector:
    """A network with its rules. Safe to be used by several threads.

    Attributes:
        forward: The network: ONNX Runtime's session, or torch to compare with.
        spec: Classes, input, normalisation, tiles.
        rules: What counts as a defect.
    """

    forward: Forward
    spec: DetectorSpec
    rules: Rules

    def detect(self, image: np.ndarray) -> Detection:
        """Find and judge the defects of an image uint8 (h, w, 3) of any size."""
        pixels = classify(image_logits(self.forward, image, self.spec), image.shape[:2], self.thresholds)
        found = find_components(pixels.mask, pixels.score)
        return Detection(pixels, found, judge_defects(found, self.spec.classes, self.rules))

    @property
    def thresholds(self) -> tuple[float, ...]:
        """Probability from which a pixel belongs to a class, one per class of defects."""
        return thresholds_of(self.rules, self.spec.classes)


def thresholds_of(rules: Rules, classes: Sequence[str]) -> tuple[float, ...]:
    """Probability from which a pixel belongs to a class, one per class of defects.

    Args:
        rules: The detector's.
        classes: The detector's, background first.
    """
    return tuple(rules.classes[name].probability for name in classes[1:])


def image_logits(forward: Forward, image: np.ndarray, spec: DetectorSpec) -> Iterator[Strip]:
    """Logits of an image at its own size, strip by strip from the top.

    Without tiles the whole image is fitted to the input; with tiles each is, and their logits are blended.

    Args:
        forward: The network.
        image: uint8 (h, w, 3).
        spec: What the network needs.
    """
    normalisation, tiles = Normalisation(spec.mean, spec.std), spec.tiles

    def fitted(box: Box) -> np.ndarray:
        part = image if tiles is None else cut(image, box, tiles)
        return normalisation.apply(fit_image(part, size=spec.size, keep_aspect=spec.keep_aspect)[0])

    native = (image.shape[0], image.shape[1])
    boxes = [Box(0, 0)] if tiles is None else tile_boxes(native, tiles)
    logits = _said_of(forward, map(fitted, boxes), max(1, CALL_PIXELS // (spec.height * spec.width)))
    return native_logits(
        lambda box: next(logits), native, size=spec.size, keep_aspect=spec.keep_aspect, tiles=tiles
    )


def _said_of(forward: Forward, inputs: Iterator[np.ndarray], at_once: int) -> Iterator[np.ndarray]:
    """Logits (C, H, W) of inputs (3, H, W), so many at once."""
    while group := list(islice(inputs, at_once)):
        yield from forward(np.stack(group))


def classify(strips: Iterator[Strip], native: tuple[int, ...], thresholds: tuple[float, ...]) -> Pixels:
    """Classes and probabilities from logits.

    A pixel belongs to a class whose threshold its probability reaches; where several do, to the one that
    exceeds its threshold by the largest factor. With thresholds of 0.5 this is the most likely class, where
    its probability is at least 0.5.

    Args:
        strips: Logits (C, rows, w) from the top of the image to its end.
        native: Height and width of the image.
        thresholds: One per class of defects.

    Raises:
        ExportError: The logits are not finite.
    """
    mask, score = np.empty(native, dtype=np.uint8), np.empty(native, dtype=np.float32)
    least = np.asarray(thresholds, dtype=np.float32)[:, None, None]
    for start, strip in strips:
        rows = max(1, STRIP_VALUES // (strip.shape[0] * strip.shape[2]))
        for offset in range(0, strip.shape[1], rows):
            values = strip[:, offset : offset + rows]
            span = slice(start + offset, start + offset + values.shape[1])
            highest = values.max(0)
            if not np.isfinite(highest).all():
                raise ExportError(
                    "the network's output is not finite: its weights are damaged or its training diverged; "
                    "use another model"
                )
            exponents = np.exp(values - highest)
            defects = exponents[1:]
            defects /= exponents.sum(0)
            best = np.ones(highest.shape, dtype=np.uint8)
            factor, chosen = defects[0] / least[0], defects[0]
            for value, probability in enumerate(defects[1:], start=2):
                other = probability / least[value - 1]
                is_better = other > factor
                best = np.where(is_better, np.uint8(value), best)
                factor = np.where(is_better, other, factor)
                chosen = np.where(is_better, probability, chosen)
            reached = factor >= 1
            np.multiply(best, reached, out=mask[span])
            score[span] = np.where(reached, chosen, defects.max(0))
    return Pixels(mask, score)
