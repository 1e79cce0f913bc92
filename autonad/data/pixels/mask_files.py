"""One mask file, decoded and not interpreted: samples, palette, alpha."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from autonad.data.images import damages_named, grey_where_equal
from autonad.data.pixels.containers import Header, Opened
from autonad.data.pixels.mask_reading import Channel
from autonad.errors import DatasetError

# A mask of two values, the larger of which is white in one of the usual depths, is a mask of 0 and 255.
_WHITES = frozenset({1023, 4095, 16383, 32767, 32768, 65280, 65535})
_TINGE = 16  # difference between channels that lossy compression may have made


@dataclass(frozen=True)
class MaskFile:
    """A mask, decoded.

    Attributes:
        header: What its file says of itself.
        samples: uint8 (H, W) of grey levels or palette indices, or uint8 (H, W, 3) of colours.
        palette: Colours by index, uint8 (N, 3), if the samples are indices.
        alpha: uint8 (H, W), if it has any.
    """

    header: Header
    samples: np.ndarray
    palette: np.ndarray | None = None
    alpha: np.ndarray | None = None

    @property
    def is_plain(self) -> bool:
        """Whether its samples are those of the file to every reader."""
        return self.header.orientation == 1 and len(self.header.pages) == 1 and self.alpha is None

    @property
    def colours(self) -> np.ndarray:
        """What a viewer shows: uint8 (H, W), or (H, W, 3) if it is not grey."""
        if self.palette is None:
            return self.samples
        return grey_where_equal(self.palette[self.samples])

    def channel(self, channel: Channel) -> np.ndarray:
        """The numbers that decide: uint8 (H, W), or (H, W, 3) for colours."""
        if channel == "alpha" and self.alpha is not None and int(self.alpha.min(initial=255)) < 255:
            return self.alpha
        return self.colours if channel == "colours" else self.samples


def read_mask_file(
    path: Path, *, page: int | None = None, turned: bool = True, max_pixels: int | None = None
) -> MaskFile:
    """Decode a mask.

    Args:
        path: Its file.
        page: Which page of a file with several, from 1; a file with one has that.
        turned: Whether its own EXIF orientation is applied.
        max_pixels: The largest that is read; None takes the usual limit.

    Raises:
        DatasetError: The file is missing, damaged, too large, has several pages, or values above 255.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DatasetError(
            f"mask {path.name} cannot be read: {error.strerror}; check its permissions"
        ) from error
    opened = Opened.of(content, Path(path.name), "mask", max_pixels)
    header = opened.header
    try:
        if header.kind != "bytes":
            samples, alpha = opened.samples(page=page, turned=turned)
            return MaskFile(header, _eight_bits(samples, path.name), None, alpha)
        picture = opened.picture(page=page, turned=turned)
    except DatasetError as error:
        text = str(error)
        raise error if path.name in text else DatasetError(f"mask {path.name}: {text}") from error
    with damages_named(content, Path(path.name), "mask"):
        return _planes(header, picture)


def _is_nearly_grey(picture: Image.Image) -> bool:
    """Whether a picture has only the colours that lossy compression makes of greys."""
    planes = np.asarray(picture).astype(np.int16)
    return int(np.ptp(planes, axis=2).max(initial=0)) <= _TINGE


def _planes(header: Header, picture: Image.Image) -> MaskFile:
    transparency = picture.info.get("transparency")
    if transparency is not None and picture.mode not in {"P", "PA"}:
        picture = picture.convert("RGBA")
    if header.is_lossy and picture.mode == "RGB" and _is_nearly_grey(picture):
        picture = picture.convert("L")
    if picture.mode in {"L", "1"}:
        return MaskFile(header, np.array(picture).astype(np.uint8))
    if picture.mode in {"P", "PA"}:
        indices = np.array(picture)
        alpha = None
        if indices.ndim == 3:
            indices, alpha = np.ascontiguousarray(indices[..., 0]), np.ascontiguousarray(indices[..., 1])
        elif transparency is not None:
            alpha = _alphas(transparency)[indices]
        palette = np.zeros((256, 3), dtype=np.uint8)
        colours = np.array(picture.getpalette("RGB") or [], dtype=np.uint8).reshape(-1, 3)[:256]
        palette[: len(colours)] = colours
        return MaskFile(header, indices, palette, alpha)
    if picture.mode in {"LA", "La", "RGBA", "RGBa"}:
        planes = np.array(picture.convert("RGBA"))
        return MaskFile(header, grey_where_equal(planes[..., :3]), None, np.ascontiguousarray(planes[..., 3]))
    return MaskFile(header, grey_where_equal(np.array(picture.convert("RGB"))))


def _alphas(transparency: bytes | int) -> np.ndarray:
    """Alpha by palette index, uint8 (256,): of the first indices, or the one index that is transparent."""
    alphas = np.full(256, 255, dtype=np.uint8)
    if isinstance(transparency, int):
        alphas[transparency] = 0
    else:
        alphas[: len(transparency)] = np.frombuffer(transparency[:256], dtype=np.uint8)
    return alphas


def _eight_bits(values: np.ndarray, name: str) -> np.ndarray:
    """Values of more than 8 bits as uint8, where that loses nothing."""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise DatasetError(
            f"mask {name} holds numbers that are not finite (NaN); save one value per class with 8 bits"
        )
    low, high = values.min(), values.max()
    if values.dtype.kind == "f" and (values != np.round(values)).any():
        if low < 0 or high > 1:
            raise DatasetError(
                f"mask {name} has fractions from {low:.4g} to {high:.4g}; save one value per class, 8 bits"
            )
        values = np.round(values * 255.0)
    elif int(high) in _WHITES and np.isin(values, (0, high)).all():
        values = (values == high) * np.uint8(255)
    elif low < 0 or high > 255:
        raise DatasetError(
            f"mask {name} has values from {low:g} to {high:g}; save it with 8 bits, one value from 0 to 255 "
            "per class"
        )
    values = values.astype(np.uint8)
    return grey_where_equal(values) if values.ndim == 3 else values
