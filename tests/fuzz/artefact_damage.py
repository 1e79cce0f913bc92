"""What can happen to the files that the product wrote itself: tables, weights, networks, files of lines."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
from google.protobuf.message import DecodeError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from .damage import Rng, pick
from .document_damage import json_value

_CELLS = (
    None,
    float("nan"),
    float("inf"),
    -1,
    2**40,
    0.5,
    "",
    "x" * 5000,
    "../../x",
    "\x1b[31m\n",
    True,
    b"\xff",
)


def _written(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def parquet(content: bytes, rng: Rng) -> bytes:
    """A column that is lost, named otherwise, doubled, of another type, or with the wrong value in a row."""
    try:
        table = pq.read_table(io.BytesIO(content))
        table.to_pydict()  # One that is damaged already may hold texts that are none.
    except (pa.ArrowException, OSError, ValueError):
        return content
    if not table.num_columns:
        return content
    at, what = int(rng.integers(table.num_columns)), int(rng.integers(9))
    name, values = table.column_names[at], table.column(at).to_pylist()
    if what == 0:
        return _written(table.drop_columns([name]))
    if what == 1:
        return _written(table.rename_columns([one if one != name else "\x1b" for one in table.column_names]))
    if what == 2:
        return _written(table.append_column(name, table.column(at)))
    if what == 3:
        return _written(table.slice(0, 0))
    if what == 4:
        return _written(table.replace_schema_metadata({b"pandas": b"[", b"autonad": b"[]"}))
    if what == 5:
        return _written(pa.concat_tables([table, table]))
    cell = pick(rng, _CELLS)
    changed = [cell] * len(values) if what == 6 else list(values)
    if what > 6 and values:
        changed[int(rng.integers(len(values)))] = (
            [cell] if isinstance(values[0], list) and rng.random() < 0.7 else cell
        )
    try:
        column = pa.array(changed)
    except (pa.ArrowException, OverflowError, TypeError):
        column = pa.array([None if one is None else str(one) for one in changed])
    try:
        return _written(table.set_column(at, name, column))
    except UnicodeEncodeError:
        return content


def safetensors(content: bytes, rng: Rng) -> bytes:
    """A tensor that is lost, named otherwise, of another shape or type, or not finite."""
    try:
        tensors: dict[str, Any] = load(content)
    except (SafetensorError, KeyError, ValueError, TypeError):
        return content
    if not tensors:
        return content
    name = pick(rng, sorted(tensors))
    array = tensors[name].copy()
    what = int(rng.integers(7))
    if what == 0:
        del tensors[name]
    elif what == 1:
        tensors["\x1b[31m" + name] = tensors.pop(name)
    elif what == 2:
        tensors[name] = array.reshape(-1)[:-1].copy()
    elif what == 3:
        with np.errstate(all="ignore"):
            tensors[name] = array.astype(pick(rng, (np.float64, np.float16, np.int64, np.uint8)))
    elif what == 4:
        tensors[name] = array[None].copy()
    elif array.dtype.kind == "f" and array.size:
        array.reshape(-1)[int(rng.integers(array.size))] = pick(rng, (np.nan, np.inf, -np.inf))
        tensors[name] = array
    else:
        tensors[name] = np.zeros_like(array)
    return save(tensors)


def network(content: bytes, rng: Rng) -> bytes:
    """What an ONNX file says about itself, changed."""
    try:
        model = onnx.load_from_string(content)
    except DecodeError:
        return content
    if not model.metadata_props:
        return content
    entry = model.metadata_props[0]
    value: str | bytes = entry.value  # bytes where they are no text
    told = json_value(value if isinstance(value, bytes) else value.encode(), rng)
    entry.value = told.decode(errors="replace")
    if rng.random() < 0.1:
        entry.key = "other"
    return bytes(model.SerializeToString())


def lines(content: bytes, rng: Rng) -> bytes:
    """One line of JSON among others."""
    found = content.split(b"\n")
    at = int(rng.integers(len(found)))
    found[at] = json_value(found[at], rng)
    return b"\n".join(found)
