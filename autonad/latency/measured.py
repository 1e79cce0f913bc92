"""What measuring a space on a device gave, as one file that travels: `measured.json`."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from autonad import __version__
from autonad.errors import LatencyError
from autonad.files import read_json, write_json
from autonad.latency.profile_settings import ProfileSettings
from autonad.latency.quality import Quality
from autonad.latency.target import Target
from autonad.reading.bounds import folded
from autonad.reading.shape_checks import faults
from autonad.space import SearchSpace

FORMAT = 2
MEASURED = "measured.json"
Model = TypeVar("Model", bound=BaseModel)


class Strict(BaseModel):
    """A frozen part of a file that travels; numbers are finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Subject(Strict):
    """What was, or is to be measured.

    Attributes:
        autonad: Version of AutoNAD that made the pieces.
        preset: Name of the space's preset.
        space: Its key.
        input_size: (height, width), pixels.
        num_classes: Classes of the head.
        settings: How much is measured.
    """

    autonad: str
    preset: str
    space: str
    input_size: tuple[int, int]
    num_classes: int = Field(ge=2)
    settings: ProfileSettings

    @classmethod
    def of(
        cls,
        space: SearchSpace,
        num_classes: int,
        input_size: tuple[int, int],
        settings: ProfileSettings,
        preset: str = "custom",
    ) -> Subject:
        """What measuring a space is about, with this version of AutoNAD."""
        return cls(
            autonad=__version__,
            preset=preset,
            space=space.key,
            input_size=input_size,
            num_classes=num_classes,
            settings=settings,
        )

    def table_key(self, hardware_key: str) -> str:
        """First 12 hexadecimal digits of the sha256 of what a latency table depends on.

        Args:
            hardware_key: Of the target.
        """
        deciding = {**self.model_dump(mode="json", exclude={"preset"}), "hardware_key": hardware_key}
        canonical = json.dumps(deciding, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    def check_wanted(self, wanted: Subject, what: str) -> None:
        """Make sure that it is of the space, input size and classes that are wanted.

        Args:
            wanted: By the parameters.
            what: What is checked, for the message.

        Raises:
            LatencyError: It is of others; names them.
        """
        names = {"space": "search space", "input_size": "input size", "num_classes": "number of classes"}
        for field, name in names.items():
            there, here = getattr(self, field), getattr(wanted, field)
            if there != here:
                raise LatencyError(
                    f"{what} is of {name} {_shown(there)} (preset {self.preset!r}); the parameters ask for "
                    f"{_shown(here)} (preset {wanted.preset!r}). Pack a kit with these parameters (`autonad "
                    "pack-profile`) and measure it on the device, or use the kit's own parameters"
                )


class Row(Strict):
    """One cost: where it counts, and what was measured; see `autonad.latency.table.COLUMNS`."""

    part: str
    stage: int | None = None
    block: int | None = None
    edge: str | None = None
    operator: str | None = None
    kernel: int | None = None
    in_width: int | None = None
    width: int | None = None
    ffn_ratio: float | None = None
    side: int | None = None
    resolution: float | None = None
    scale: float | None = None
    stem_stride: int | None = None
    stages: int | None = None
    ms: float = Field(ge=0)
    n: int = Field(ge=1)
    spread: float = Field(ge=0)
    stderr: float = Field(ge=0)


class Network(Strict):
    """One whole network.

    Attributes:
        architecture: As its JSON.
        median_ms: Of all its samples.
        visits_ms: Median of each visit.
    """

    architecture: dict[str, Any]
    median_ms: float = Field(gt=0)
    visits_ms: tuple[float, ...]


class Measured(Strict):
    """What was measured on a device.

    Attributes:
        format: Of the file.
        subject: What it is about.
        kit: Key of the kit that brought it; None where none was needed.
        target: What it is for.
        measured_on: The machine, where it is another than the target.
        overhead_ms: What a call costs; taken off every row.
        rows: One per cost.
        networks: Whole networks.
        quality: How well.
    """

    format: int
    subject: Subject
    kit: str | None
    target: Target
    measured_on: Target | None
    overhead_ms: float = Field(ge=0)
    rows: tuple[Row, ...] = Field(min_length=1)
    networks: tuple[Network, ...]
    quality: Quality

    def save(self, folder: Path) -> None:
        """Write `measured.json` and `target.json`.

        Raises:
            StorageError: They cannot be written.
        """
        write_json(folder / MEASURED, self.model_dump(mode="json"))
        self.target.save(folder / "target.json")

    @classmethod
    def load(cls, folder: Path) -> Measured:
        """Read a folder that `save` wrote.

        Raises:
            StorageError: It is not there, or not JSON.
            LatencyError: It is no measurement, of another format, or holds numbers that are none.
        """
        path = folder / MEASURED
        content = read_json(path, "what was measured on the device")
        return read_part(cls, content, f"what was measured on the device, {path},")


def read_part(kind: type[Model], content: Any, what: str) -> Model:
    """Check the content of a file that travelled.

    Args:
        kind: What it is.
        content: Plain JSON values.
        what: What it is to the user, for the message.

    Raises:
        LatencyError: It is of another format, or not what it should be; names the first faults.
    """
    version = content.get("format") if isinstance(content, dict) else None
    if version != FORMAT:
        raise LatencyError(
            f"{what} has format {folded(repr(version), 40)}, this AutoNAD reads format {FORMAT}; use "
            "the same version of AutoNAD where the kit is packed, on the device and here"
        )
    try:
        # As JSON, in which a list may become a tuple while everything else is strict.
        return kind.model_validate_json(json.dumps(content))
    except ValidationError as error:
        raise LatencyError(
            f"{what} is not valid: {faults(error.errors())}; measure again on the device"
        ) from error


def _shown(value: object) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)
