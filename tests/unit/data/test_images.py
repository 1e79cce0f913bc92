from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autonad.data.images import decode_image, encode_png, read_image, read_mask
from autonad.errors import DatasetError


def test_png_keeps_every_pixel(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)
    path = tmp_path / "a.png"
    path.write_bytes(encode_png(image))
    np.testing.assert_array_equal(read_image(path), image)


def test_grey_image_gets_three_equal_channels(tmp_path: Path) -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    Image.fromarray(grey).save(tmp_path / "a.bmp")
    image = read_image(tmp_path / "a.bmp")
    assert image.shape == (3, 4, 3)
    np.testing.assert_array_equal(image, np.repeat(grey[..., None], 3, axis=2))


def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 257 * 100, 65535]], dtype=np.uint16)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png")[0, :, 0], [0, 100, 255])


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by a quarter
    Image.fromarray(np.zeros((10, 20, 3), dtype=np.uint8)).save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").shape == (20, 10, 3)


def test_palette_mask_keeps_indices_not_colours(tmp_path: Path) -> None:
    indices = np.array([[0, 1], [2, 255]], dtype=np.uint8)
    image = Image.fromarray(indices, mode=None).convert("L")
    palette = Image.new("P", (2, 2))
    palette.putdata(list(indices.ravel()))
    palette.putpalette([c for i in range(256) for c in (255 - i, i, 7)])
    palette.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), np.asarray(image))


def test_colour_mask_with_equal_channels_is_grey(tmp_path: Path) -> None:
    values = np.array([[0, 3], [2, 1]], dtype=np.uint8)
    Image.fromarray(np.repeat(values[..., None], 3, axis=2)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), values)


def test_mask_above_255_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 300]], dtype=np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(DatasetError, match="values from 0 to 300"):
        read_mask(tmp_path / "a.png")


@pytest.mark.parametrize("content", [b"", b"not an image", encode_png(np.ones((40, 40), np.uint8))[:-30]])
def test_damaged_image_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"broken\.png cannot be read"):
        read_image(path)


def test_missing_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"gone\.png does not exist"):
        read_image(tmp_path / "gone.png")


def claimed_png(width: int, height: int) -> bytes:
    """A tiny file whose header claims a size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [8_000, 12_000, 60_000])
def test_gigantic_image_is_refused_before_decoding(side: int) -> None:
    with pytest.raises(DatasetError, match="too large"):
        decode_image(claimed_png(side, side), Path("huge.png"))


def test_the_limit_is_inclusive(monkeypatch: pytest.MonkeyPatch) -> None:
    content = encode_png(np.zeros((10, 10), np.uint8))
    monkeypatch.setattr("autonad.data.images.MAX_PIXELS", 100)
    assert decode_image(content, Path("a")).shape == (10, 10, 3)
    monkeypatch.setattr("autonad.data.images.MAX_PIXELS", 99)
    with pytest.raises(DatasetError, match="10 × 10 pixels"):
        decode_image(content, Path("a"))


@pytest.mark.parametrize(
    "content",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n%%EOF\n",
        b"GIF89a\x02\x00\x02\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\x02\x00\x02\x00\x00\x02\x03D\x02\x05\x00;",
    ],
)
def test_formats_that_nobody_asked_for_are_no_images(content):
    with pytest.raises(DatasetError, match="damaged or no image"):
        decode_image(content, Path("part.png"))
