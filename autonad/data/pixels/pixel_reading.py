"""How the pixels of a set are read: decided once, said, and kept with the dataset for what comes later."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from autonad.data.pixels.mask_reading import MaskReading
from autonad.data.pixels.scaling import ImageReading

READING = "reading"  # its key in classes.json


@dataclass(frozen=True)
class Reading:
    """How images and masks of a set are read.

    Attributes:
        images: Their depth, pages and orientation.
        masks: What decides in them, and what their values mean.
    """

    images: ImageReading = field(default_factory=ImageReading)
    masks: MaskReading = field(default_factory=MaskReading)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        masks = asdict(self.masks)
        masks["meanings"] = {str(key): name for key, name in sorted(self.masks.meanings.items())}
        return {"images": asdict(self.images), "masks": masks}

    @classmethod
    def from_dict(cls, content: Any) -> Reading | None:
        """What `to_dict` wrote; None if it is something else."""
        try:
            images, masks = content["images"], content["masks"]
            return cls(
                ImageReading.from_dict(images),
                MaskReading(
                    masks["channel"],
                    masks["is_binary"],
                    {int(key): str(name) for key, name in masks["meanings"].items()},
                    tuple(int(centre) for centre in masks["centres"]),
                ),
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            return None


@dataclass(frozen=True)
class Said:
    """A decision about a set, in one sentence.

    Attributes:
        text: The sentence.
        is_plain: Whether it is what everybody expects; if not, it is a finding.
    """

    text: str
    is_plain: bool = False
