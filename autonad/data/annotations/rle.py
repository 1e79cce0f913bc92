"""Runs of pixels, in the encodings of those who write them."""

from __future__ import annotations

import numpy as np

from autonad.errors import DatasetError

_CHANNELS = 4  # Label Studio packs RGBA; the last channel holds the stroke


def decode_counts(counts: np.ndarray, size: tuple[int, int], *, by_column: bool) -> np.ndarray:
    """Alternating numbers of pixels outside and inside as a bitmap.

    Args:
        counts: int64 (N,), the first of them outside.
        size: Height and width, pixels.
        by_column: Whether the runs go down the columns (COCO) or along the rows (CVAT).

    Returns:
        bool (H, W).

    Raises:
        DatasetError: A count is negative, or they do not add up to the size.
    """
    if counts.size and (counts.min() < 0 or counts.max() > size[0] * size[1]):
        raise DatasetError("a run has a length that is negative or above the number of pixels")
    if int(counts.sum()) != size[0] * size[1]:
        raise DatasetError(
            f"its runs add up to {int(counts.sum())} pixels; {size[0]} × {size[1]} have {size[0] * size[1]}"
        )
    flat = np.repeat(np.arange(counts.size) % 2 == 1, counts)
    return flat.reshape(size, order="F" if by_column else "C")


def decode_runs(
    starts: np.ndarray, lengths: np.ndarray, size: tuple[int, int], *, by_column: bool
) -> np.ndarray:
    """Runs given by their first pixel and their length as a bitmap.

    Args:
        starts: int64 (N,), counted from 0.
        lengths: int64 (N,).
        size: Height and width, pixels.
        by_column: Whether pixels are counted down the columns or along the rows.

    Returns:
        bool (H, W).

    Raises:
        DatasetError: A run lies outside of the image.
    """
    pixels = size[0] * size[1]
    if starts.size and (
        min(starts.min(), lengths.min()) < 0
        or max(starts.max(), lengths.max()) > pixels
        or (starts + lengths).max() > pixels
    ):
        raise DatasetError(f"a run lies outside of the image of {size[0]} × {size[1]} pixels")
    change = np.zeros(pixels + 1, dtype=np.int32)
    np.add.at(change, starts, 1)
    np.add.at(change, starts + lengths, -1)
    return (np.cumsum(change[:-1]) > 0).reshape(size, order="F" if by_column else "C")


def encode_counts(bitmap: np.ndarray, *, by_column: bool) -> np.ndarray:
    """A bitmap, bool (H, W), as alternating numbers of pixels outside and inside: int64 (N,)."""
    flat = bitmap.ravel(order="F" if by_column else "C")
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    counts = np.diff(np.concatenate([[0], edges, [flat.size]]))
    return np.concatenate([[0], counts]) if flat.size and flat[0] else counts


def unpack_coco(text: str) -> np.ndarray:
    """COCO's compressed counts as numbers, int64 (N,).

    Five bits a character, low ones first, the sixth says that more follow; from the fourth count on, each is
    the difference from the one before the last (`rleFrString` of the COCO API).

    Raises:
        DatasetError: The text is no such encoding.
    """
    try:
        codes = np.frombuffer(text.encode("ascii"), dtype=np.uint8).astype(np.int64) - 48
    except UnicodeEncodeError as error:
        raise DatasetError("its compressed runs hold characters that COCO does not write") from error
    if codes.size and (codes.min() < 0 or codes.max() > 63 or codes[-1] & 32):
        raise DatasetError("its compressed runs are cut off or hold characters that COCO does not write")
    last = np.flatnonzero(codes & 32 == 0)
    first = np.concatenate([[0], last[:-1] + 1]) if last.size else last
    lengths = last - first + 1
    if lengths.size and lengths.max() > 7:
        raise DatasetError("its compressed runs hold a length of more than 35 bits")
    place = np.arange(codes.size) - np.repeat(first, lengths)
    values = np.add.reduceat((codes & 31) << (5 * place), first) if first.size else last
    values = np.where(codes[last] & 16, values - (1 << (5 * lengths)), values)
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values


def pack_coco(counts: np.ndarray) -> str:
    """Counts in COCO's compressed form, the inverse of `unpack_coco`."""
    differences = counts.astype(np.int64)
    differences[3:] = counts[3:] - counts[1:-2]
    characters = bytearray()
    for value in differences.tolist():
        more = True
        while more:
            bits, value = value & 31, value >> 5
            more = value != (-1 if bits & 16 else 0)
            characters.append(48 + (bits | 32 if more else bits))
    return characters.decode("ascii")


def unpack_brush(packed: bytes, size: tuple[int, int]) -> np.ndarray:
    """Label Studio's packed RGBA bitmap: the pixels whose last channel is not zero.

    A header (32 bits: number of values; 5: width of a value less one; four times 4: widths of lengths less
    one), then blocks: a bit that says whether one value is repeated, two that choose the width, a length
    less one, and one value or as many as the length (`rle-pack` of thi.ng/umbrella).

    Args:
        packed: The bytes.
        size: Height and width of the image, pixels.

    Returns:
        bool (H, W).

    Raises:
        DatasetError: They are no such encoding, or of another number of pixels.
    """
    bits = "".join(f"{byte:08b}" for byte in packed)
    total = size[0] * size[1] * _CHANNELS
    if len(bits) < 53 or int(bits[:32], 2) != total:
        raise DatasetError(f"its brush stroke is damaged, or is none of {size[0]} × {size[1]} pixels")
    word = int(bits[32:37], 2) + 1
    widths = [int(bits[at : at + 4], 2) + 1 for at in range(37, 53, 4)]
    inside = np.zeros(total, dtype=bool)
    at, done = 53, 0
    while done < total:
        width = widths[int(bits[at + 1 : at + 3] or "0", 2)]
        begin = at + 3 + width
        repeated = bits[at : at + 1] == "1"
        if begin + word > len(bits):
            raise DatasetError("its brush stroke is cut off; export it again")
        length = min(int(bits[at + 3 : begin], 2) + 1, total - done)
        at = begin + (word if repeated else word * length)
        if at > len(bits):
            raise DatasetError("its brush stroke is cut off; export it again")
        if repeated:
            inside[done : done + length] = "1" in bits[begin:at]
        else:
            values = np.frombuffer(bits[begin:at].encode(), dtype=np.uint8).reshape(length, word)
            inside[done : done + length] = (values == ord("1")).any(axis=1)
        done += length
    return inside.reshape(*size, _CHANNELS)[..., -1]
