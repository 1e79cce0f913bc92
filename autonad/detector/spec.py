"""What a network needs to be used: its classes, its input and how images are normalised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from pydantic import Field

from autonad.detector.tiles import Tiling
from autonad.errors import CheckpointError
from autonad.reading.bounds import folded
from autonad.reading.shape_checks import Shape, check_shape

_Side = Annotated[int, Field(ge=1, le=65_536)]
_Channels = Field(min_length=3, max_length=3)


class TilingFile(Shape):
    """A tiling as JSON."""

    height: _Side
    width: _Side
    overlap: int = Field(ge=0, le=65_536)
    grid: float = Field(1, gt=0, le=65_536)


class SpecFile(Shape):
    """A description as JSON."""

    classes: Sequence[str] = Field(min_length=2, max_length=255)
    height: _Side
    width: _Side
    keep_aspect: bool
    mean: Annotated[Sequence[float], _Channels]
    std: Annotated[Sequence[Annotated[float, Field(gt=0, le=1e3)]], _Channels]
    tiles: TilingFile | None = None
    reading: dict[str, Any] | None = None


@dataclass(frozen=True)
class DetectorSpec:
    """Everything beside architecture and weights that running a detector takes.

    Attributes:
        classes: Names, index 0 is background.
        height: Rows of the input, pixels.
        width: Columns of the input, pixels.
        keep_aspect: Images are padded, not stretched.
        mean: Per channel (red, green, blue), as a fraction of full scale.
        std: Per channel, as a fraction of full scale.
        tiles: Images are cut into tiles, each of which is fitted to the input; None fits the whole image.
        reading: How files become pixels (range of deep samples, page, orientation), as the dataset's
            classes.json says it; None for images of 8 bits.
    """

    classes: tuple[str, ...]
    height: int
    width: int
    keep_aspect: bool
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    tiles: Tiling | None = None
    reading: dict[str, Any] | None = None

    @property
    def num_classes(self) -> int:
        """Classes including background."""
        return len(self.classes)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width), pixels."""
        return self.height, self.width

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; what is None is left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_dict(cls, data: Any) -> DetectorSpec:
        """Build from `to_dict`'s form.

        Raises:
            CheckpointError: A field is missing, unknown, or not what it must be.
        """
        try:
            check_shape(data, SpecFile)
            given: dict[str, Any] = {name: tuple(data[name]) for name in ("classes", "mean", "std")}
            if data.get("tiles") is not None:
                given["tiles"] = Tiling(**data["tiles"])
            return cls(**{**data, **given})
        except (TypeError, ValueError) as error:
            raise CheckpointError(
                f"the model's description is malformed ({folded(str(error))}); write the model again"
            ) from error
