"""An exported network that is run again: the ONNX file, its description, and masks of single images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from autonad.data.loader import Normalisation, fit
from autonad.errors import ExportError
from autonad.evaluation.predict import predict_native
from autonad.network.spec import DetectorSpec

# The one metadata property of the file; its value is JSON.
METADATA_KEY = "autonad"


class OnnxModel:
    """A file that `export_onnx` wrote, in ONNX Runtime on the processor.

    Args:
        path: The file.
        threads: Threads of one run; None is all cores.

    Attributes:
        spec: Classes, input and normalisation.
        architecture_key: Key of the architecture.

    Raises:
        ExportError: The file is missing, is no ONNX, or was not written by AutoNAD.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
            properties = self._session.get_modelmeta().custom_metadata_map
        except Exception as error:  # ONNX Runtime has an exception type for each kind of damage, all its own
            reason = "it does not exist" if not path.is_file() else str(error).splitlines()[0][:200]
            raise ExportError(f"the model {path} cannot be used: {reason}; export it again") from error
        if METADATA_KEY not in properties:
            raise ExportError(
                f"the model {path} does not describe itself; use a file that `autonad export` wrote"
            )
        about = json.loads(properties[METADATA_KEY])
        self.spec = DetectorSpec.from_dict(about["spec"])
        self.architecture_key: str = about["architecture_key"]

    def forward(self, images: np.ndarray) -> np.ndarray:
        """Normalised images float32 (B, 3, H, W) → logits (B, C, H, W)."""
        (logits,) = self._session.run(["logits"], {"image": images})
        return logits

    def mask(self, image: np.ndarray) -> np.ndarray:
        """Predicted classes of an image uint8 (h, w, 3) at its own size, uint8 (h, w)."""
        spec = self.spec
        fitted, _, placement = fit(image, None, size=spec.size, keep_aspect=spec.keep_aspect)
        normalised = Normalisation(spec.mean, spec.std).apply(fitted)
        return predict_native(self.forward(normalised[None])[0], placement)
