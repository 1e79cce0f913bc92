"""The work of a request, in a worker's thread: decode, detect, answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from autonad.data.pixels.containers import Opened
from autonad.data.pixels.scaling import ImageReading
from autonad.data.single_image import decode_single
from autonad.detector.engine import Detection
from autonad.detector.judged import worst
from autonad.detector.keeping import Sighting
from autonad.detector.levels import describe_light
from autonad.detector.rules import Rules
from autonad.errors import AutonadError, ConfigError, DatasetError
from autonad.reading.bounds import Unreadable, parse_yaml
from autonad.service.answers import answer_of, overlay_png
from autonad.service.limits import Limits, Refusal
from autonad.service.monitoring import Monitor
from autonad.service.schemas import Detected, OverlayForm, Shapes
from autonad.service.served_model import ServedModel
from autonad.service.uploads import Upload, Uploads

Sink = Callable[[Sighting, Callable[[bool], None]], None]
"""Takes an image that may be worth keeping, and tells later whether it is kept (True) or lost (False)."""


@dataclass(frozen=True)
class Asked:
    """What a request asks for."""

    shapes: Shapes
    overlay: OverlayForm


@dataclass(frozen=True)
class Examination:
    """What every request is examined with.

    Attributes:
        limits: How large images may be.
        monitor: Counts.
        sink: Keeps images; None keeps none.
    """

    limits: Limits
    monitor: Monitor
    sink: Sink | None = None

    def examine(self, served: ServedModel, uploads: Uploads, asked: Asked) -> Detected | bytes:
        """Examine the images of a request; all are decoded before any is judged.

        Returns:
            The answer; a PNG if that is asked for.

        Raises:
            Refusal: 400 if an image cannot be read, 413 if one has too many pixels, 422 if the rules cannot
                be used or a PNG of several images is asked for, 503 if the model cannot be used.
        """
        begun = time.perf_counter()
        if asked.overlay is OverlayForm.PNG and len(uploads.images) > 1:
            raise Refusal(422, f"overlay=png is one picture, and {len(uploads.images)} images came; send one")
        detector = served.detector
        if uploads.rules is not None:
            rules = parse_rules(uploads.rules, detector.spec.classes, detector.rules.mm_per_pixel)
            detector = replace(detector, rules=rules)
        images = decode_uploads(uploads.images, self.limits, served.reading)
        answers = []
        for upload, image in zip(uploads.images, images, strict=True):
            try:
                detection = detector.detect(image)
            except AutonadError as error:
                raise Refusal(503, str(error)) from error
            self.monitor.image(detection.judgement, float(image.mean()) / 255, describe_light(image))
            if uploads.rules is None:  # rules of a request are somebody's trial
                self._keep(served, upload.name, image, detection)
            if asked.overlay is OverlayForm.PNG:
                return overlay_png(image, detection)
            answers.append(answer_of(upload.name, image, detection, shapes=asked.shapes, drawn=asked.overlay))
        return Detected(
            verdict=worst([one.verdict for one in answers]),
            images=answers,
            model=served.identity,
            ms=round(1000 * (time.perf_counter() - begun), 3),
        )

    def _keep(self, served: ServedModel, name: str, image: np.ndarray, detection: Detection) -> None:
        if self.sink is not None:
            spec, rules = served.detector.spec, served.detector.rules
            seen = Sighting(name, image, detection, spec.classes, rules, served.identity.sha256)
            self.sink(seen, self.monitor.kept)


def decode_uploads(uploads: Sequence[Upload], limits: Limits, reading: ImageReading) -> list[np.ndarray]:
    """The pixels of uploaded images, each uint8 (h, w, 3); their sizes are added up before any is decoded.

    Args:
        uploads: Image files.
        limits: How many pixels they may have together: a small file can claim many.
        reading: How they are read.

    Raises:
        Refusal: 400 if one cannot be read, 413 if they have too many pixels.
    """
    left = limits.max_pixels
    for upload in uploads:
        height, width = _claimed_size(upload, limits)
        left -= height * width
        if left < 0:
            raise _too_many_pixels(upload, f"{height} × {width}", limits)
    images = []
    for upload in uploads:
        try:
            images.append(
                decode_single(upload.content, Path(upload.name), reading, max_pixels=limits.max_pixels)
            )
        except DatasetError as error:
            raise Refusal(400, str(error)) from error
    return images


def _claimed_size(upload: Upload, limits: Limits) -> tuple[int, int]:
    try:
        return Opened.of(upload.content, Path(upload.name), "image", 2**62).header.size
    except DatasetError as error:
        if isinstance(error.__cause__, Image.DecompressionBombError):
            raise _too_many_pixels(upload, "far more", limits) from error
        raise Refusal(400, str(error)) from error


def parse_rules(text: str, classes: Sequence[str], mm_per_pixel: float | None) -> Rules:
    """Rules that came with a request.

    Args:
        text: YAML or JSON.
        classes: The detector's, background first.
        mm_per_pixel: Side of a pixel where the rules say none, mm.

    Raises:
        Refusal: 422.
    """
    try:
        data = parse_yaml(text)
        rules = Rules.from_dict({} if data is None else data, classes, "the rules")
        return rules.scaled(mm_per_pixel if rules.mm_per_pixel is None else None)
    except ConfigError as error:
        raise Refusal(422, str(error)) from error
    except Unreadable as error:
        raise Refusal(422, f"the rules are no YAML ({error}); mend them") from error


def _too_many_pixels(upload: Upload, found: str, limits: Limits) -> Refusal:
    return Refusal(
        413,
        f"image {upload.name} has {found} pixels; at most {limits.megapixels:g} megapixels are read in one "
        "request, so scale it down, cut it, or send fewer images at a time",
    )
