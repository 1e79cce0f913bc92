"""A network as it is shipped, with the architecture and the provenance that its file carries."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autonad.detector.engine import image_logits
from autonad.detector.resample import likeliest
from autonad.detector.session import OnnxNetwork
from autonad.detector.spec import DetectorSpec
from autonad.errors import ArchitectureError, ExportError
from autonad.space import Architecture


@dataclass(frozen=True)
class ShippedNetwork:
    """An exported network, open in ONNX Runtime on the CPU.

    Attributes:
        network: The file, its classes, input and normalisation.
        architecture: The network's.
        parameters: Scalars in its tensors.
        provenance: Where its weights come from.
    """

    network: OnnxNetwork
    architecture: Architecture
    parameters: int
    provenance: dict[str, Any]

    @classmethod
    def open(cls, path: Path, threads: int | None = None) -> ShippedNetwork:
        """Open a file that `autonad export` wrote.

        Args:
            path: The file.
            threads: Threads of the session; all cores when None.

        Raises:
            ExportError: It is missing, is no ONNX, or was not written by `autonad export`.
        """
        network = OnnxNetwork.open(path, threads=threads)
        try:
            return cls(
                network=network,
                architecture=Architecture.from_dict(network.told["architecture"]),
                parameters=network.told["parameters"],
                provenance=network.told["provenance"],
            )
        except (KeyError, TypeError, ValueError, ArchitectureError) as error:
            raise ExportError(
                f"{path} does not say what it is ({error!r}); run `autonad export`, or name the file that it "
                "wrote"
            ) from error

    @property
    def path(self) -> Path:
        """The file."""
        return self.network.path

    @property
    def spec(self) -> DetectorSpec:
        """Classes, input and normalisation."""
        return self.network.spec

    def forward(self, images: np.ndarray) -> np.ndarray:
        """Logits float32 (B, C, H, W) of normalised images float32 (B, 3, H, W)."""
        return self.network.forward(images)

    def mask(self, image: np.ndarray) -> np.ndarray:
        """Predicted classes of an image uint8 (h, w, 3) at its own size, uint8 (h, w)."""
        native = (image.shape[0], image.shape[1])
        return likeliest(image_logits(self.forward, image, self.spec), native)
