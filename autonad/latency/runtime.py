"""Running one network on a target: sessions with the target's provider, threads and precision.

The detector opens its sessions here too, so that what is measured is what runs. Needs torch only for runtime
"pytorch".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autonad.detector.providers import PROVIDERS, start_session
from autonad.errors import ConfigError, LatencyError, first_line
from autonad.latency.target import Target

if TYPE_CHECKING:
    from torch import nn

INPUT_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}

# Threads of the session sleep between two operators instead of spinning: spinning wins some microseconds on
# an idle machine, and loses milliseconds, at random, on one that also runs a camera.
SPINNING = False

Run = Callable[[], object]


def onnx_session(model: bytes | Path, target: Target) -> Any:
    """Open an ONNX model on the target's provider.

    Args:
        model: The file or its bytes.
        target: Gives provider, precision and threads.

    Returns:
        An `onnxruntime.InferenceSession`.

    Raises:
        LatencyError: The provider is not available here, or the model cannot be loaded.
    """
    import onnxruntime

    wanted, available = PROVIDERS[target.provider][0], onnxruntime.get_available_providers()
    if wanted not in available:
        raise LatencyError(
            f"target {target.name!r} needs ONNX Runtime's {wanted}; this installation has "
            f"{', '.join(available)}. Install onnxruntime-gpu on a machine with the device, or use a target "
            "with provider cpu"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = target.threads, 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(SPINNING)))
    settings = {"trt_fp16_enable": target.precision == "fp16"} if target.provider == "tensorrt" else {}
    try:
        return start_session(model if isinstance(model, bytes) else str(model), options, [(wanted, settings)])
    except ConfigError as error:
        raise LatencyError(str(error)) from error
    except Exception as error:  # ONNX Runtime's errors share no base class of their own.
        what = "the exported network" if isinstance(model, bytes) else str(model)
        raise LatencyError(
            f"ONNX Runtime cannot open {what}: {first_line(error)}; export it again"
        ) from error


def onnx_run(model: bytes | Path, target: Target, shape: Sequence[int]) -> Run:
    """A function that runs an ONNX model once on a fixed input; see `onnx_session` for errors."""
    session = onnx_session(model, target)
    (wanted,) = session.get_inputs()
    if wanted.type not in INPUT_TYPES:
        known = ", ".join(INPUT_TYPES)
        raise LatencyError(f"the model's input {wanted.name!r} is {wanted.type}; it must be one of {known}")
    image = np.random.default_rng(0).standard_normal(tuple(shape)).astype(INPUT_TYPES[wanted.type])
    feed = {wanted.name: image}
    try:
        session.run(None, feed)
    except Exception as error:
        raise LatencyError(
            f"the model cannot run on input {tuple(shape)}: {first_line(error)}; it takes {wanted.shape}"
        ) from error
    return lambda: session.run(None, feed)


def module_run(module: nn.Module, target: Target, shape: Sequence[int]) -> Run:
    """A function that runs a torch module once on a fixed input, waiting for the device to finish.

    The module is moved to the target's device and put in evaluation mode.

    Raises:
        LatencyError: The target needs CUDA and there is none.
    """
    import torch

    if target.provider != "cpu" and not torch.cuda.is_available():
        raise LatencyError(
            f"target {target.name!r} needs CUDA; this torch {torch.__version__} sees no CUDA device. Install "
            "a CUDA build of torch on a machine with the device, or use a target with provider cpu"
        )
    device = torch.device("cuda" if target.provider == "cuda" else "cpu")
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(tuple(shape), generator=generator).to(device, memory_format=torch.channels_last)
    network = module.to(device).eval()
    dtype = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[target.precision]

    def run() -> object:
        with torch.inference_mode(), torch.autocast(device.type, dtype, enabled=dtype is not None):
            output = network(image)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return output

    return run
