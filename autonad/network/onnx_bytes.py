"""A torch module as the bytes of an ONNX file."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence

import torch
from torch import nn

from autonad.errors import ExportError

# GroupNorm and GELU have operators of their own from 18 and 20 on; 17 is what the older TensorRT of embedded
# boards still reads, and ONNX Runtime fuses both patterns itself.
OPSET = 17


def module_to_onnx(module: nn.Module, shape: Sequence[int], *, dynamic_batch: bool = False) -> bytes:
    """Export a module of one input and one output.

    Uses torch's tracing exporter: some 30 ms for a block and a second for a network, where the newer one
    takes twenty times as long; the operators here need none of what it adds.

    Args:
        module: Called in evaluation mode; its own mode is put back afterwards.
        shape: Of the example input, (B, C, H, W). Height and width are fixed in the file.
        dynamic_batch: Leave the number of images open.

    Returns:
        An ONNX model with the input "image" and the output "logits".

    Raises:
        ExportError: The module holds an operation that ONNX cannot express.
    """
    buffer = io.BytesIO()
    training = module.training
    device = next(
        (tensor.device for tensor in (*module.parameters(), *module.buffers())), torch.device("cpu")
    )
    module.eval()
    try:
        with warnings.catch_warnings(), torch.no_grad():
            # The exporter's own deprecation, and shapes that tracing turns into constants: sizes are fixed on
            # purpose.
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", torch.jit.TracerWarning)
            warnings.filterwarnings("ignore", message="Constant folding", category=UserWarning)
            torch.onnx.export(
                module,
                (torch.zeros(tuple(shape), device=device),),
                buffer,  # type: ignore[arg-type]  # the tracing exporter takes buffers, its annotation forgot
                dynamo=False,
                opset_version=OPSET,
                input_names=["image"],
                output_names=["logits"],
                dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}} if dynamic_batch else None,
            )
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ExportError(
            f"{type(module).__name__} cannot be exported to ONNX for input {tuple(shape)}: {reason}; use "
            f"operators that opset {OPSET} has, or profile with runtime pytorch"
        ) from error
    finally:
        module.train(training)
    return buffer.getvalue()
