"""One image or mask file: what its header says, and its samples as they are stored, of any depth."""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, TiffImagePlugin

from autonad.data.images import check_size, damages_named, decode, probe_image
from autonad.data.pixels.deep_samples import PNG, Kind, decode_deep, tiff_samples
from autonad.data.pixels.half_floats import read_half_floats
from autonad.data.pixels.orientation import as_stored, orientation_of, upright
from autonad.errors import DatasetError

logging.getLogger("PIL").setLevel(logging.CRITICAL)  # what it says names no file
_TIFF = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_SUBFILE = 254
_WIDTH, _HEIGHT = 256, 257
_SMALLER_COPY = 1  # of another page of the file: a thumbnail
_PNG_COLOURS = frozenset({2, 4, 6})  # colour types with several channels


@dataclass(frozen=True)
class Header:
    """What a file says of itself.

    Attributes:
        format: Pillow's name of the file format.
        size: Height and width as stored, pixels.
        kind: What samples are: 8 bits or fewer, longer integers, or floats.
        pages: Numbers of the frames that are images of their own, and no smaller copies of others.
        orientation: By EXIF, 1 to 8; 1 if the EXIF is damaged.
        damaged_exif: Whether it is.
        is_lossy: Whether its samples are not what was saved.
        by_pillow: Whether Pillow reads all bits of its samples.
        is_inverted: Whether its largest sample is black and the decoder leaves that to its caller.
    """

    format: str
    size: tuple[int, int]
    kind: Kind = "bytes"
    pages: tuple[int, ...] = (0,)
    orientation: int = 1
    damaged_exif: bool = False
    is_lossy: bool = False
    by_pillow: bool = True
    is_inverted: bool = False

    @property
    def upright_size(self) -> tuple[int, int]:
        """Height and width as it is meant to be seen."""
        return self.size[::-1] if self.orientation >= 5 else self.size

    def frame(self, page: int | None) -> int:
        """Number of the frame to read, from 0.

        Args:
            page: Which page of files with several a user asks for, from 1; None if they do not.

        Raises:
            DatasetError: There are several and none is asked for, or there are fewer.
        """
        if len(self.pages) == 1:
            return self.pages[0]
        if page is None:
            raise DatasetError(
                f"it holds {len(self.pages)} pages or frames; choose one with --page 1 to "
                f"{len(self.pages)}, or save each as a file"
            )
        if page > len(self.pages):
            raise DatasetError(
                f"it has {len(self.pages)} pages, --page asks for {page}; leave the file out, or choose "
                "another page"
            )
        return self.pages[page - 1]


@dataclass(frozen=True)
class Opened:
    """A file with its header read, not yet decoded.

    Attributes:
        content: Its bytes.
        name: What messages call it.
        what: "image" or "mask".
        header: What it says of itself.
    """

    content: bytes
    name: Path
    what: str
    header: Header
    _image: Image.Image | None
    _max_pixels: int | None = None

    @classmethod
    def of(cls, content: bytes, name: Path, what: str, max_pixels: int | None = None) -> Opened:
        """Open the bytes of a file.

        Args:
            content: Its bytes.
            name: Its name in messages.
            what: "image" or "mask".
            max_pixels: The largest that is read; None takes the usual limit.

        Raises:
            DatasetError: It is damaged, no image, or too large.
        """
        with damages_named(content, name, what):
            header, image = _probe(io.BytesIO(content), name, what, max_pixels)
        return cls(content, name, what, header, image, max_pixels)

    def picture(self, *, page: int | None, turned: bool) -> Image.Image:
        """Decode a page that Pillow reads whole.

        Args:
            page: See `Header.frame`.
            turned: Whether its EXIF orientation is applied.

        Raises:
            DatasetError: It is damaged, or its page cannot be told.
        """
        frame = self.header.frame(page)
        with damages_named(self.content, self.name, self.what):
            assert self._image is not None
            decode(self._image, self.name, self.what, page=frame, max_pixels=self._max_pixels)
            return upright(self._image) if turned else as_stored(self._image, self.header.orientation)

    def samples(self, *, page: int | None, turned: bool) -> tuple[np.ndarray, np.ndarray | None]:
        """Decode samples of more than 8 bits.

        Args:
            page: See `Header.frame`.
            turned: Whether its EXIF orientation is applied.

        Returns:
            (H, W) or (H, W, 3), integers or floats as stored; and their alpha uint8 (H, W), if they have any.

        Raises:
            DatasetError: It is damaged, or its page cannot be told.
        """
        if self.header.by_pillow:
            with damages_named(self.content, self.name, self.what):
                return np.asarray(self.picture(page=page, turned=turned)), None
        frame = self.header.frame(page)
        with damages_named(self.content, self.name, self.what):
            half = read_half_floats(self.content, frame) if self.content.startswith(_TIFF[:2]) else None
            samples, alpha = decode_deep(self.content, frame) if half is None else (half, None)
        check_size((samples.shape[1], samples.shape[0]), self.name, self.what, self._max_pixels)
        return samples, alpha


def read_header(stream: BinaryIO, name: Path, what: str, max_pixels: int | None = None) -> Header:
    """Read what a file says of itself, without decoding it.

    Args:
        stream: The file, at its start.
        name: Its name in messages.
        what: "image" or "mask".
        max_pixels: The largest that is looked at; None takes the usual limit.

    Raises:
        DatasetError: It is damaged, no image, or too large.
    """
    with damages_named(b"?", name, what):
        return _probe(stream, name, what, max_pixels)[0]


def _probe(stream: Any, name: Path, what: str, max_pixels: int | None) -> tuple[Header, Image.Image | None]:
    start = stream.read(32)
    stream.seek(0)
    try:
        image = probe_image(stream, name, what, max_pixels)
    except Image.UnidentifiedImageError:
        if not start.startswith(_TIFF):
            raise
        return _strange_tiff(stream, name, what, max_pixels), None
    found = orientation_of(image)
    common: dict[str, Any] = {
        "format": image.format or "",
        "size": _stored_size(image, found or 1),
        "orientation": found or 1,
        "damaged_exif": found is None,
        "is_lossy": _is_lossy(image, start),
    }
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        fields = tiff_samples(image.tag_v2)
        return Header(**common, **fields, pages=_pages(image)), image
    frames = getattr(image, "n_frames", 1) if image.format in {"PNG", "WEBP"} else 1
    common["pages"] = tuple(range(frames))
    if start.startswith(PNG) and start[24] == 16:
        common |= {"kind": "integers", "by_pillow": start[25] not in _PNG_COLOURS}
    return Header(**common), image


def _stored_size(image: Image.Image, turn: int) -> tuple[int, int]:
    # Of a TIFF, Pillow tells the size after turning.
    return image.size if turn >= 5 and image.format == "TIFF" else (image.size[1], image.size[0])


def _is_lossy(image: Image.Image, start: bytes) -> bool:
    return image.format in {"JPEG", "MPO"} or (image.format == "WEBP" and start[12:16] != b"VP8L")


def _pages(image: TiffImagePlugin.TiffImageFile) -> tuple[int, ...]:
    count = image.n_frames
    if count == 1:
        return (0,)
    pages = []
    for number in range(count):
        image.seek(number)
        if not int(image.tag_v2.get(_SUBFILE, 0)) & _SMALLER_COPY:
            pages.append(number)
    image.seek(0)
    return tuple(pages) or (0,)


def _strange_tiff(stream: Any, name: Path, what: str, max_pixels: int | None) -> Header:
    """The header of a TIFF that Pillow does not know: colours of floats, half precision."""
    stream.seek(0)
    tags = TiffImagePlugin.ImageFileDirectory_v2(stream.read(8))
    stream.seek(tags.next)
    tags.load(stream)
    if _WIDTH not in tags or _HEIGHT not in tags:
        raise ValueError("no size")
    height, width = int(tags[_HEIGHT]), int(tags[_WIDTH])
    check_size((width, height), name, what, max_pixels)
    return Header("TIFF", (height, width), **{**tiff_samples(tags), "by_pillow": False})
