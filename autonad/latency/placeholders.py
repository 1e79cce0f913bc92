"""ONNX files without their large weights, which are drawn again where the file is measured.

How long a network takes does not depend on the values of its weights, as long as none is denormal. What
travels to a device is therefore the graph alone. ONNX is Protocol Buffers, in which two messages one behind
the other are one message with the fields of both: the weights are appended, and no library is needed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

# Numbers of ONNX's format: fields of ModelProto, GraphProto and TensorProto, and the data type float32.
_GRAPH, _INITIALIZER = 7, 5
_DIMS, _DATA_TYPE, _NAME, _RAW_DATA = 1, 2, 8, 9
_FLOAT = 1
_VARINT, _BYTES = 0, 2


class Placeholder(BaseModel):
    """A weight that was left out of an ONNX file.

    Attributes:
        name: Of the initializer.
        dims: Its shape.
        mean: Of its values.
        std: Their standard deviation; 0 for a constant.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    name: str
    dims: tuple[int, ...]
    mean: float
    std: float = Field(ge=0)


def filled(model: bytes, placeholders: Sequence[Placeholder], seed: int) -> bytes:
    """An ONNX file with weights of the right scale in place of those that were left out.

    Args:
        model: The file without them.
        placeholders: What was left out.
        seed: Of the numpy generator that draws; equal seeds give equal bytes.
    """
    rng = np.random.default_rng(seed)
    tensors = b"".join(_field(_INITIALIZER, _tensor(one, rng)) for one in placeholders)
    return model + _field(_GRAPH, tensors)


def _tensor(placeholder: Placeholder, rng: np.random.Generator) -> bytes:
    values = np.full(math.prod(placeholder.dims), placeholder.mean, dtype="<f4")
    if placeholder.std > 0:
        values += rng.standard_normal(values.size, dtype=np.float32) * np.float32(placeholder.std)
    dims = b"".join(_number(_DIMS, size) for size in placeholder.dims)
    name = _field(_NAME, placeholder.name.encode())
    return dims + _number(_DATA_TYPE, _FLOAT) + name + _field(_RAW_DATA, values.tobytes())


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3 | _VARINT) + _varint(value)


def _varint(value: int) -> bytes:
    """Seven bits per byte, lowest first; the eighth says that more follow."""

    def parts(rest: int) -> Iterator[int]:
        while rest > 127:
            yield rest & 127 | 128
            rest >>= 7
        yield rest

    return bytes(parts(value))
