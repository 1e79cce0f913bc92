"""Which runtimes, processors and precisions there are, and which of them go together."""

from __future__ import annotations

import importlib.metadata
from typing import Literal

from autonad.errors import LatencyError

Runtime = Literal["onnxruntime", "pytorch"]
Provider = Literal["cpu", "cuda", "tensorrt"]
Precision = Literal["fp32", "fp16", "bf16"]

# What each runtime can execute as it is: ONNX Runtime's own kernels run an fp32 file in fp32; TensorRT lowers
# it itself, and PyTorch does under autocast.
SUPPORTED: dict[tuple[Runtime, Provider], tuple[Precision, ...]] = {
    ("onnxruntime", "cpu"): ("fp32",),
    ("onnxruntime", "cuda"): ("fp32",),
    ("onnxruntime", "tensorrt"): ("fp32", "fp16"),
    ("pytorch", "cpu"): ("fp32", "bf16"),
    ("pytorch", "cuda"): ("fp32", "fp16", "bf16"),
}
PACKAGES: dict[Runtime, tuple[str, ...]] = {
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "pytorch": ("torch",),
}


def runtime_version(runtime: Runtime) -> str:
    """Installed version of a runtime.

    Raises:
        LatencyError: It is not installed.
    """
    for package in PACKAGES.get(runtime, ()):
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    known = ", ".join(PACKAGES)
    if runtime not in PACKAGES:
        raise LatencyError(f"runtime {runtime!r} is unknown; use one of {known}")
    raise LatencyError(
        f"{runtime} is not installed here; run `pip install {PACKAGES[runtime][0]}`, or choose another"
    )
