"""Forward times of supernet training, on disk as they are taken (Section IV-D)."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pydantic import Field
from torch import Tensor

from autonad.errors import StorageError, one_line
from autonad.files import write_text_atomic
from autonad.reading.bounds import Unreadable, folded, parse_json
from autonad.reading.shape_checks import Shape, check_shape
from autonad.reading.table_checks import COUNT, TEXT, Column, read_table
from autonad.space import Architecture

if TYPE_CHECKING:
    import pandas as pd


EVERY = 8
# Columns of `records.parquet`.
RECORDS = {
    "step": COUNT,
    "key": TEXT,
    "architecture": TEXT,
    "ms": Column("number", least=0),
    **dict.fromkeys(("batch", "height", "width"), COUNT),
    "device": TEXT,
}


class RecordFile(Shape):
    """A line of the file that grows."""

    step: int = Field(ge=0)
    key: str
    architecture: str
    ms: float = Field(ge=0)
    batch: int = Field(ge=0)
    height: int = Field(ge=0)
    width: int = Field(ge=0)
    device: str


class LatencyRecords:
    """A file of one JSON line per timed pass: which architecture ran, and how long its forward pass took.

    Lines are appended and flushed as they come, on a GPU those of several steps at once, so a crash loses
    few. Training times are those of the training host with its batch size; they say which operators are cheap
    relative to others, not what the target will take.

    Args:
        path: The file; it grows.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def timed(
        self, forward: Callable[[Tensor], Tensor], architecture: Architecture, step: int
    ) -> Callable[[Tensor], Tensor]:
        """The same forward pass, leaving a record each time it runs; on a GPU in one of `EVERY` steps.

        A GPU must have finished before and after a pass that is timed, and could not be given work ahead.
        """

        def run(images: Tensor) -> Tensor:
            if images.device.type != "cpu" and step % EVERY:
                return forward(images)
            _synchronize(images)
            start = time.perf_counter()
            logits = forward(images)
            _synchronize(logits)
            self._append(architecture, step, 1e3 * (time.perf_counter() - start), images)
            return logits

        return run

    def rewind(self, step: int) -> None:
        """Drop the records of steps from `step` on: a resumed run takes them again."""
        kept = [record for record in self._records() if record["step"] < step]
        write_text_atomic(self.path, "".join(json.dumps(record) + "\n" for record in kept))

    def table(self) -> pd.DataFrame:
        """All records: step, key, architecture (JSON), ms, batch, height, width, device."""
        import pandas as pd

        return pd.DataFrame(self._records())

    def _records(self) -> list[dict[str, Any]]:
        """What can be read; a line that a kill or a full disk tore is left out."""
        records = []
        for line in self.path.read_bytes().splitlines() if self.path.is_file() else []:
            with contextlib.suppress(Unreadable):
                records.append(check_shape(parse_json(line), RecordFile))
        return records

    def _append(self, architecture: Architecture, step: int, ms: float, images: Tensor) -> None:
        record = {
            "step": step,
            "key": architecture.key,
            "architecture": json.dumps(architecture.to_dict(), sort_keys=True),
            "ms": ms,
            "batch": images.shape[0],
            "height": images.shape[2],
            "width": images.shape[3],
            "device": images.device.type,
        }
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a") as handle:
                handle.write(json.dumps(record) + "\n")
        except OSError as error:
            raise StorageError(
                f"cannot append to {self.path}: {error.strerror}; free some space, then repeat the command"
            ) from error


def _synchronize(tensor: Tensor) -> None:
    """CUDA runs asynchronously: without this a clock sees only the launch."""
    if tensor.device.type == "cuda":
        torch.cuda.synchronize(tensor.device)


def read_records(path: Path) -> pd.DataFrame:
    """Read the `records.parquet` of a supernet folder.

    Raises:
        StorageError: It is missing or damaged.
    """
    try:
        return read_table(path, RECORDS)
    except (OSError, ValueError) as error:
        raise StorageError(
            f"there are no latency records at {path} ({folded(one_line(error))}); train the supernet first"
        ) from error
