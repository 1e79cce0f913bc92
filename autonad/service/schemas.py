"""What the service answers."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from autonad.detector.judged import MOST_DEFECTS, Verdict

Px = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Shapes(StrEnum):
    """How the shape of a defect is said."""

    POLYGON = "polygon"
    RLE = "rle"
    NONE = "none"


class OverlayForm(StrEnum):
    """Whether a picture with the defects drawn into it is wanted, and where."""

    NONE = "none"
    INLINE = "inline"
    PNG = "png"


class Schema(BaseModel):
    """Base: nothing unknown, nothing changed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class BoxPx(Schema):
    """A rectangle of pixels; bottom and right are the first row and column behind it."""

    top: Px
    left: Px
    bottom: Px
    right: Px


class RunLengths(Schema):
    """A mask as COCO's uncompressed runs: counts down the columns, background first."""

    size: Annotated[list[Px], Field(min_length=2, max_length=2, description="height, width")]
    counts: list[Px]


class FoundDefect(Schema):
    """One defect that is large enough to count."""

    class_name: str
    verdict: Verdict
    rule: Annotated[str, Field(description="which rule decided, and by which figure")]
    area_px: Px
    length_px: Annotated[float, Field(description="largest extent over all directions")]
    width_px: Annotated[float, Field(description="smallest extent over all directions")]
    mean: Annotated[Share, Field(description="mean probability over the defect's pixels")]
    peak: Annotated[Share, Field(description="largest probability")]
    box: BoxPx
    area_mm2: float | None = None
    length_mm: float | None = None
    width_mm: float | None = None
    polygon: Annotated[
        list[list[list[Px]]] | None,
        Field(description="rings of (x, y) along pixels' edges, the outer one first; others are holes"),
    ] = None
    rle: RunLengths | None = None


class ExaminedImage(Schema):
    """What was found in one image."""

    name: str
    verdict: Verdict
    reason: str
    height: Px
    width: Px
    defects: Annotated[
        list[FoundDefect], Field(description=f"the worst and largest first, {MOST_DEFECTS:,} at most")
    ]
    defect_count: Annotated[Px, Field(description="how many there are")]
    too_small: Annotated[Px, Field(description="regions that were too small to count")]
    overlay: Annotated[str | None, Field(description="PNG in base64, if overlay=inline")] = None


class ModelIdentity(Schema):
    """Which detector answered."""

    key: Annotated[str, Field(description="of its architecture; empty if its file does not say")]
    sha256: Annotated[str, Field(description="of its file")]
    version: Annotated[str | None, Field(description="in MLflow's registry; null for a file")] = None


class Detected(Schema):
    """The answer to a request."""

    verdict: Annotated[Verdict, Field(description="the worst of the images'")]
    images: list[ExaminedImage]
    model: ModelIdentity
    ms: Annotated[float, Field(ge=0, description="decoding, network, rules and drawing, milliseconds")]


class State(Schema):
    """How the service is."""

    status: str


class About(Schema):
    """What runs here."""

    autonad: str
    model: ModelIdentity
    source: Annotated[str, Field(description="the file or the name in MLflow that is served")]
    classes: Annotated[list[str], Field(description="background first")]
    rules: Annotated[dict[str, Any], Field(description="the rules in force, complete")]


class Problem(Schema):
    """Why a request was refused, in one line: what came, what is needed, how to mend it."""

    detail: str
