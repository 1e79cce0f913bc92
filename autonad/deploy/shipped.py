"""A network as it is shipped: the ONNX file alone, with the description that it carries."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autonad.data.loader import Normalisation, fit
from autonad.errors import ArchitectureError, CheckpointError, ExportError
from autonad.evaluation.predict import predict_native
from autonad.network.spec import DetectorSpec
from autonad.space import Architecture

# The one metadata property of the file; its value is JSON.
METADATA_KEY = "autonad"


@dataclass(frozen=True)
class ShippedNetwork:
    """An exported network, open in ONNX Runtime on the CPU.

    Attributes:
        path: The file.
        spec: Classes, input and normalisation.
        architecture: The network's.
        parameters: Scalars in its tensors.
        provenance: Where its weights come from.
        session: ONNX Runtime's session.
    """

    path: Path
    spec: DetectorSpec
    architecture: Architecture
    parameters: int
    provenance: dict[str, Any]
    session: Any

    @classmethod
    def open(cls, path: Path, threads: int | None = None) -> ShippedNetwork:
        """Open a file that `autonad export` wrote.

        Args:
            path: The file.
            threads: Threads of the session; all cores when None.

        Raises:
            ExportError: It is missing, is no ONNX, or was not written by `autonad export`.
        """
        import onnxruntime

        remedy = "run `autonad export`, or name the folder that it wrote"
        if not path.is_file():
            raise ExportError(f"there is no exported network at {path}; {remedy}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's errors share no base class of their own.
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ExportError(f"{path} cannot be opened as ONNX ({first}); {remedy}") from error
        try:
            told = json.loads(session.get_modelmeta().custom_metadata_map[METADATA_KEY])
            return cls(
                path=path,
                spec=DetectorSpec.from_dict(told["spec"]),
                architecture=Architecture.from_dict(told["architecture"]),
                parameters=told["parameters"],
                provenance=told["provenance"],
                session=session,
            )
        except (KeyError, TypeError, ValueError, CheckpointError, ArchitectureError) as error:
            raise ExportError(f"{path} does not say what it is ({error!r}); {remedy}") from error

    def forward(self, images: np.ndarray) -> np.ndarray:
        """Logits float32 (B, C, H, W) of normalised images float32 (B, 3, H, W)."""
        (logits,) = self.session.run(["logits"], {"image": images})
        return np.asarray(logits)

    def mask(self, image: np.ndarray) -> np.ndarray:
        """Predicted classes of an image uint8 (h, w, 3) at its own size, uint8 (h, w)."""
        spec = self.spec
        fitted, _, placement = fit(image, None, size=spec.size, keep_aspect=spec.keep_aspect)
        normalised = Normalisation(spec.mean, spec.std).apply(fitted)
        return predict_native(self.forward(normalised[None])[0], placement)


def load_graph(path: Path) -> Any:
    """The file as an `onnx.ModelProto`, for tools that want one."""
    import onnx

    return onnx.load(path)
