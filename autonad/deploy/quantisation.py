"""An exported network in smaller arithmetic: int8 by static quantisation, fp16 by conversion."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from autonad.errors import ExportError, first_line

Calibration = Literal["minmax", "percentile", "entropy"]
CALIBRATIONS: tuple[Calibration, ...] = ("minmax", "percentile", "entropy")


# Bounds the memory that a calibration takes; about a gigabyte for a wide network.
SLICE_PIXELS = 1 << 18


@dataclass(frozen=True)
class FloatPart:
    """Convolutions whose weights stay in float, and their inputs too where no int8 convolution shares them.

    Attributes:
        name: For people: what stays in float.
        prefixes: How the names of their nodes begin, as the exporter derives them from the modules' names.
    """

    name: str
    prefixes: tuple[str, ...]


# From the fastest to the most cautious. Softmax, normalisation, activations and products of two activations
# are never quantised: they are few operations, and the ones that int8 hurts.
FLOAT_PARTS = (
    FloatPart("all convolutions in int8", ()),
    FloatPart("stem and classifier in float", ("/encoder/stages.0/embed/", "/classify/")),
    FloatPart(
        "stem, feature aggregation and classifier in float",
        ("/encoder/stages.0/embed/", "/mfam/", "/classify/"),
    ),
)


def to_int8(
    model: bytes, images: np.ndarray, *, calibration: Calibration, keep_float: FloatPart = FLOAT_PARTS[0]
) -> bytes:
    """Quantise the convolutions of an exported network, in QDQ form, weights per output channel.

    Args:
        model: The ONNX file in fp32; its metadata go along.
        images: (N, 3, H, W) normalised training images, which give the ranges of the activations.
        calibration: How a range follows from what was seen: all of it, nearly all, or by least entropy lost.
        keep_float: What is left as it is.

    Raises:
        ExportError: ONNX Runtime cannot quantise it.
    """
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    methods = quantization.CalibrationMethod
    method = {"minmax": methods.MinMax, "percentile": methods.Percentile, "entropy": methods.Entropy}
    with tempfile.TemporaryDirectory() as temporary:
        source, prepared, result = (
            Path(temporary) / f"{name}.onnx" for name in ("source", "prepared", "int8")
        )
        source.write_bytes(model)
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # The calibration prints what it does.
                quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
                quantization.quantize_static(
                    str(prepared),
                    str(result),
                    _reader(images),
                    quant_format=quantization.QuantFormat.QDQ,
                    op_types_to_quantize=["Conv"],
                    per_channel=True,
                    activation_type=quantization.QuantType.QUInt8,
                    weight_type=quantization.QuantType.QInt8,
                    nodes_to_exclude=_convolutions(prepared, keep_float.prefixes),
                    calibrate_method=method[calibration],
                    # A few images at a time, whatever the method: the activations of all fill gigabytes.
                    extra_options={"CalibStridedMinMax": _slice(images)},
                )
        except (RuntimeError, ValueError, TypeError) as error:
            raise ExportError(
                f"ONNX Runtime cannot quantise the network: {first_line(error)}; export without int8: "
                "--set export.int8=false"
            ) from error
        return _without_shapes(onnx.load(result))


def to_fp16(model: bytes) -> bytes:
    """Convert weights and arithmetic to half precision; input and output stay float32.

    Args:
        model: The ONNX file in fp32; its metadata go along.
    """
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    return _without_shapes(convert_float_to_float16(onnx.load_from_string(model), keep_io_types=True))


def _without_shapes(model: Any) -> bytes:
    """A model as a file, without the shapes of values inside, which ONNX Runtime finds again."""
    del model.graph.value_info[:]
    content: bytes = model.SerializeToString()
    return content


def _convolutions(path: Path, prefixes: Sequence[str]) -> list[str]:
    """Names of the convolutions that begin with one of the prefixes."""
    import onnx

    nodes = onnx.load(path, load_external_data=False).graph.node
    names = [node.name for node in nodes if node.op_type == "Conv"]
    unknown = [prefix for prefix in prefixes if not any(name.startswith(prefix) for name in names)]
    assert not unknown, f"no convolution is called {unknown}; the exporter names nodes in another way"
    return [name for name in names if name.startswith(tuple(prefixes))] if prefixes else []


def _slice(images: np.ndarray) -> int:
    """How many images are run before their activations are counted and forgotten."""
    return max(1, min(len(images), SLICE_PIXELS // (images.shape[2] * images.shape[3])))


def _reader(images: np.ndarray) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    each = _slice(images)

    class Reader(CalibrationDataReader):
        """Images in the order given, in slices."""

        def __init__(self) -> None:
            self._left = iter(range(len(images)))

        def __len__(self) -> int:
            return -(-len(images) // each) * each  # ONNX Runtime takes whole slices alone.

        def set_range(self, start_index: int, end_index: int) -> None:
            """Go on with these images."""
            self._left = iter(range(start_index, min(end_index, len(images))))

        def get_next(self) -> dict[str, np.ndarray] | None:
            """The next image, as the network takes it."""
            index = next(self._left, None)
            return None if index is None else {"image": images[index : index + 1]}

    return Reader()
