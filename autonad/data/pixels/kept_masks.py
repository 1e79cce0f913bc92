"""Masks that were decoded to decide how their set is read, packed, so that they are not decoded twice."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

from autonad.data.pixels.containers import Header
from autonad.data.pixels.mask_files import MaskFile
from autonad.data.runs import Runs

_MOST_BYTES = 64 * 2**20  # of all masks of a set; the others are decoded again
_ENTRY = 200  # bytes of a mask without its pixels
_PIXELS_PER_RUN = 16  # masks of shorter runs are pictures, and large when packed


class KeptMasks:
    """Grey and palette masks of one page that lie as they are seen; each can be taken once."""

    def __init__(self) -> None:
        self._masks: dict[str, tuple[bytes, Header, bytes | None]] = {}
        self._shared: dict[Header | bytes, Header | bytes] = {}
        self._bytes = 0

    def keep(self, path: Path, mask: MaskFile, runs: Runs) -> None:
        """Keep a mask while there is room.

        Args:
            path: Its file.
            mask: The mask, decoded.
            runs: Its samples.
        """
        header, palette = mask.header, None if mask.palette is None else mask.palette.tobytes()
        is_plain = mask.is_plain and mask.samples.ndim == 2
        if not is_plain or len(runs.starts) * _PIXELS_PER_RUN > mask.samples.size:
            return
        packed = zlib.compress(runs.lengths.astype("<u4").tobytes() + runs.values.tobytes(), 1)
        if self._bytes + len(packed) + _ENTRY > _MOST_BYTES:
            return
        self._bytes += len(packed) + _ENTRY
        kept_header = self._shared.setdefault(header, header)
        kept_palette = None if palette is None else self._shared.setdefault(palette, palette)
        assert isinstance(kept_header, Header)
        assert not isinstance(kept_palette, Header)
        self._masks[str(path)] = (packed, kept_header, kept_palette)

    def take(self, path: Path) -> MaskFile | None:
        """A mask that was kept, which then is not any more; None if it was not."""
        found = self._masks.pop(str(path), None)
        if found is None:
            return None
        packed, header, palette = found
        content = zlib.decompress(packed)
        count = len(content) // 5
        lengths = np.frombuffer(content, "<u4", count)
        samples = np.repeat(np.frombuffer(content, np.uint8, count, 4 * count), lengths).reshape(header.size)
        colours = None if palette is None else np.frombuffer(palette, np.uint8).reshape(-1, 3)
        return MaskFile(header, samples, colours)
