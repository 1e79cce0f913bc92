"""How an image that is kept from the line lies in its folder or bucket, and what is remembered of it.

    images/DATE/UUU-VERDICT-CONTENT-NAME.png      its pixels
    predicted/DATE/UUU-VERDICT-CONTENT-NAME.png   the mask, indices with colours; a text in it says the rest

UUU is how unsure the network was, in thousandths; CONTENT tells the pixels. `images/` is what `ingest`
reads, as images without masks.
"""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image, PngImagePlugin
from pydantic import ConfigDict, Field

from autonad.detector.judged import Verdict
from autonad.detector.outputs import COLOURS
from autonad.errors import DatasetError, one_line
from autonad.reading.bounds import folded, parse_json
from autonad.reading.shape_checks import Shape, check_shape

IMAGES, PREDICTED = "images", "predicted"
_TEXT = "autonad"
_NAME = re.compile(
    r"(?P<day>[^/]+)/(?P<unsure>\d{3})-(?P<verdict>OK|REVIEW|NG)-(?P<content>[0-9a-f]{12})-[^/]*\.png"
)


@dataclass(frozen=True)
class KeptName:
    """What the name of a kept image tells.

    Attributes:
        name: Path below `images/` and below `predicted/`.
        unsure: Uncertainty, thousandths.
        verdict: What was said of it.
        content: First digits of its pixels' sha256.
    """

    name: str
    unsure: int
    verdict: Verdict
    content: str

    @classmethod
    def of(cls, day: str, unsure: float, verdict: Verdict, content: str, image: str) -> KeptName:
        """The name of an image.

        Args:
            day: When it was kept.
            unsure: 0 to 1.
            verdict: Of it.
            content: From `content_of`.
            image: What its source called it.
        """
        thousandths = min(999, round(unsure * 1000))
        stem = re.sub(r"[^\w.-]+", "_", Path(image).stem)[:60] or "image"
        return cls(f"{day}/{thousandths:03d}-{verdict}-{content}-{stem}.png", thousandths, verdict, content)

    @classmethod
    def parse(cls, name: str) -> KeptName | None:
        """What a path below `images/` tells; None if it is none of ours."""
        found = _NAME.fullmatch(name)
        if found is None:
            return None
        return cls(name, int(found["unsure"]), Verdict(found["verdict"]), found["content"])


@dataclass(frozen=True)
class Remembered:
    """What the detector said of a kept image.

    Attributes:
        image: What its source called it.
        verdict: OK, REVIEW or NG.
        reason: Why.
        uncertainty: 0 to 1.
        looks: The figures of `autonad.detector.looks`.
        classes: The detector's, background first.
        defects: The first of them, as `Defect.to_dict` gives them.
        model: First digits of the model file's sha256.
        rules: What counted as a defect.
        time: When, ISO 8601 in UTC.
    """

    image: str
    verdict: str
    reason: str
    uncertainty: float
    looks: tuple[float, ...]
    classes: tuple[str, ...]
    defects: tuple[dict[str, Any], ...]
    model: str
    rules: dict[str, Any]
    time: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


class RememberedFile(Shape):
    """The same as JSON."""

    model_config = ConfigDict(extra="forbid")

    image: str
    verdict: Literal["OK", "REVIEW", "NG"]
    reason: str
    uncertainty: float = Field(ge=0, le=1)
    looks: list[float]
    classes: list[str]
    defects: list[dict[str, Any]]
    model: str
    rules: dict[str, Any]
    time: str


def content_of(image: np.ndarray) -> str:
    """First 12 digits of the sha256 of an image's shape and pixels, uint8 (h, w, 3)."""
    digest = hashlib.sha256(repr(image.shape).encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()[:12]


def save_image(path: Path, image: np.ndarray) -> None:
    """Write an image, uint8 (h, w, 3), whose pixels come back as they are; a grey one with one channel."""
    is_grey = bool((image[..., :1] == image[..., 1:]).all())
    Image.fromarray(image[..., 0] if is_grey else image).save(path, "PNG", compress_level=1)


def save_predicted(path: Path, mask: np.ndarray, about: Remembered) -> None:
    """Write a mask, uint8 (h, w) of class indices, with what is remembered."""
    picture = Image.fromarray(mask, "L")
    colours = np.zeros((256, 3), dtype=np.uint8)
    colours[1:] = COLOURS[np.arange(255) % len(COLOURS)]
    picture.putpalette(colours.tobytes())
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt(_TEXT, json.dumps(about.to_dict(), allow_nan=False), zip=True)
    picture.save(path, "PNG", compress_level=1, pnginfo=texts)


def read_predicted(path: Path) -> Remembered:
    """What is remembered in a file that `save_predicted` wrote.

    Raises:
        DatasetError: It is no such file.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of its size: only its text is read.
            picture = Image.open(path, formats=["PNG"])
        with picture:
            told = check_shape(parse_json(str(picture.info[_TEXT])), RememberedFile)
        lists = {name: tuple(told[name]) for name in ("looks", "classes", "defects")}
        return Remembered(**{**told, **lists})
    except (OSError, KeyError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DatasetError(
            f"{path.name} does not say what the detector saw ({folded(one_line(error))}); take it and its "
            "image out"
        ) from error
