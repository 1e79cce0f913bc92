"""An exported network, open in ONNX Runtime, with what its file says about it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autonad.detector.rules import Rules
from autonad.detector.spec import DetectorSpec
from autonad.errors import AutonadError, CheckpointError, ConfigError, ExportError, first_line

# The one metadata property of the file; its value is JSON.
METADATA_KEY = "autonad"

# What is asked of ONNX Runtime; what a provider cannot run falls to the next.
PROVIDERS = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"),
}

_REMEDY = "run `autonad export`, or name the file that it wrote"


@dataclass(frozen=True)
class OnnxNetwork:
    """A network as it is shipped: the file alone. Safe to be used by several threads.

    Attributes:
        path: The file.
        spec: Classes, input and normalisation.
        rules: What counts as a defect, as shipped.
        told: All that the file says about itself, plain JSON values.
        session: ONNX Runtime's session.
    """

    path: Path
    spec: DetectorSpec
    rules: Rules
    told: dict[str, Any]
    session: Any

    @classmethod
    def open(cls, path: Path, *, threads: int | None = None, provider: str = "cpu") -> OnnxNetwork:
        """Open a file that `autonad export` wrote.

        Args:
            path: The file.
            threads: Threads of one call on the CPU; all cores when None.
            provider: "cpu", "cuda" or "tensorrt".

        Raises:
            ExportError: It is missing, is no ONNX, or was not written by `autonad export`.
            ConfigError: This machine's ONNX Runtime has no such provider.
        """
        if not path.is_file():
            raise ExportError(f"there is no exported network at {path}; {_REMEDY}")
        session = _session(path, threads, _available(provider))
        try:
            told = json.loads(session.get_modelmeta().custom_metadata_map[METADATA_KEY])
            spec = DetectorSpec.from_dict(told["spec"])
        except (KeyError, TypeError, ValueError, CheckpointError) as error:
            raise ExportError(
                f"{path} is ONNX, but does not say what it is ({error!r}); only files that AutoNAD exported "
                f"carry their classes and input: {_REMEDY}"
            ) from error
        try:
            # A file of before the rules were shipped is judged by the defaults.
            rules = Rules.from_dict(told.get("rules", {}), spec.classes, f"the rules in {path}")
        except AutonadError as error:
            raise ExportError(f"{error}; {_REMEDY}") from error
        return cls(path, spec, rules, told, session)

    def forward(self, images: np.ndarray) -> np.ndarray:
        """Logits float32 (B, C, H, W) of normalised images float32 (B, 3, H, W)."""
        (logits,) = self.session.run(["logits"], {"image": images})
        return np.asarray(logits)


def _available(provider: str) -> Sequence[str]:
    import onnxruntime

    if provider not in PROVIDERS:
        raise ConfigError(f"there is no provider {provider!r}; choose one of {', '.join(PROVIDERS)}")
    here = onnxruntime.get_available_providers()
    if PROVIDERS[provider][0] not in here:
        raise ConfigError(
            f"this machine's ONNX Runtime has no {PROVIDERS[provider][0]} (it has {', '.join(here)}); "
            "install onnxruntime-gpu, or use the provider cpu"
        )
    return [name for name in PROVIDERS[provider] if name in here]


def _session(path: Path, threads: int | None, providers: Sequence[str]) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=list(providers))
    except Exception as error:  # ONNX Runtime's errors share no base class of their own.
        raise ExportError(f"{path} cannot be opened as ONNX ({first_line(error)}); {_REMEDY}") from error
