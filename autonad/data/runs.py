"""Arrays of bytes as runs of equal values: masks are little else, and ten times quicker to handle so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Runs:
    """An array of bytes, row by row.

    Attributes:
        shape: Of the array.
        starts: Where a run begins, int64 (R,), the first at 0.
        values: What it holds, uint8 (R,).
    """

    shape: tuple[int, ...]
    starts: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, array: np.ndarray) -> Runs:
        """The runs of an array uint8 of any shape."""
        flat = array.reshape(-1)
        starts = np.flatnonzero(flat[1:] != flat[:-1]) + 1
        starts = np.concatenate([np.zeros(min(1, flat.size), dtype=np.int64), starts])
        return cls(array.shape, starts, flat[starts])

    @property
    def lengths(self) -> np.ndarray:
        """How long each run is, int64 (R,)."""
        return np.diff(self.starts, append=int(np.prod(self.shape)))

    def counts(self) -> np.ndarray:
        """How often each value occurs, int64 (256,)."""
        return np.bincount(self.values, weights=self.lengths, minlength=256).astype(np.int64)

    def array(self) -> np.ndarray:
        """The array."""
        return np.repeat(self.values, self.lengths).reshape(self.shape)

    def content(self) -> bytes:
        """Bytes that only an equal array has."""
        return repr(self.shape).encode() + self.starts.astype("<u4").tobytes() + self.values.tobytes()
