"""What runs an exported network: ONNX Runtime's providers, and that the one that was asked for does."""

from __future__ import annotations

from typing import Any

from autonad.errors import ConfigError

# What is asked of ONNX Runtime; what a provider cannot run falls to the next.
PROVIDERS = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"),
}


def start_session(model: bytes | str, options: Any, providers: list[Any]) -> Any:
    """An `onnxruntime.InferenceSession` that runs on the first of the providers.

    Args:
        model: An ONNX file's bytes or its path.
        options: `onnxruntime.SessionOptions`.
        providers: Names, or names with settings, as ONNX Runtime takes them.

    Raises:
        ConfigError: The first one did not start: its libraries are missing, say.
        Exception: ONNX Runtime cannot open the model.
    """
    import onnxruntime

    wanted = providers[0] if isinstance(providers[0], str) else providers[0][0]
    # From the processor there is nothing to fall back to; a second try would only print about the first.
    fallback = int(wanted != PROVIDERS["cpu"][0])
    session = onnxruntime.InferenceSession(model, options, providers=providers, enable_fallback=fallback)
    if (found := session.get_providers()[0]) != wanted:
        # Without its CUDA libraries ONNX Runtime goes on with the processor, silently and many times slower.
        raise ConfigError(
            f"ONNX Runtime could not start {wanted} and fell back to {found}; check that the CUDA, cuDNN and "
            "TensorRT libraries match this onnxruntime-gpu"
        )
    return session
