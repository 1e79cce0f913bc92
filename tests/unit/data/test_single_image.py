"""A detector reads a file as the dataset read those that it learnt from."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from autonad.data.dataset import Dataset
from autonad.data.ingest.importing import import_dataset
from autonad.data.ingest.settings import IngestSettings
from autonad.data.pixels.deep_samples import decode_deep
from autonad.data.pixels.pixel_options import PixelOptions
from autonad.data.single_image import decode_single, image_reading
from autonad.errors import DatasetError, ExportError

COUNT, SIZE = 6, (48, 64)
Writer = Callable[[Path, np.ndarray], None]


def texture(number: int) -> np.ndarray:
    """Greys that hardly reach white, uint8 (h, w)."""
    return np.random.default_rng(number).integers(0, 230, SIZE).astype(np.uint8)


def deep(high: int, suffix: str, *, colour: bool = False) -> Writer:
    def write(stem: Path, grey: np.ndarray) -> None:
        samples = np.round(grey / 255 * high).astype(np.uint16)
        picture = np.stack([samples, samples // 2, samples // 3], axis=2) if colour else samples
        cv2.imwrite(f"{stem}.{suffix}", picture)

    return write


def floats(stem: Path, grey: np.ndarray) -> None:
    Image.fromarray((grey / 255 * 43 - 3).astype(np.float32)).save(f"{stem}.tif")


def half_floats(stem: Path, grey: np.ndarray) -> None:
    """A TIFF that Pillow does not know: floats of 16 bits."""
    data, entries = (grey / 255).astype("<f2").tobytes(), []
    fields = {256: SIZE[1], 257: SIZE[0], 258: 16, 259: 1, 262: 1, 273: 8, 277: 1, 278: SIZE[0]}
    for tag, value in sorted({**fields, 279: len(data), 339: 3}.items()):
        entries.append(np.array([tag, 4], "<u2").tobytes() + np.array([1, value], "<u4").tobytes())
    directory = np.array([len(entries)], "<u2").tobytes() + b"".join(entries) + bytes(4)
    start = b"II*\x00" + np.array([8 + len(data)], "<u4").tobytes()
    Path(f"{stem}.tif").write_bytes(start + data + directory)


def transparent(stem: Path, grey: np.ndarray) -> None:
    alpha = np.where(np.arange(SIZE[1]) < 20, 0, 255).astype(np.uint8)
    layers = [grey, grey, grey, np.broadcast_to(alpha, SIZE)]
    Image.fromarray(np.stack(layers, axis=2), "RGBA").save(f"{stem}.png")


def palette(stem: Path, grey: np.ndarray) -> None:
    picture = Image.fromarray(grey).convert("P")
    picture.save(f"{stem}.png", transparency=bytes([0, 128]) + bytes([255]) * 254)


def pages(stem: Path, grey: np.ndarray) -> None:
    other = Image.fromarray(255 - grey)
    other.save(f"{stem}.tif", save_all=True, append_images=[Image.fromarray(grey)])


def printed(stem: Path, grey: np.ndarray) -> None:
    Image.fromarray(grey).convert("RGB").convert("CMYK").save(f"{stem}.tif")


def turned(stem: Path, grey: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(grey)).save(f"{stem}.png", exif=exif)


def source(root: Path, write: Writer) -> Path:
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    for number in range(COUNT):
        write(root / "images" / str(number), texture(number))
        mask = np.zeros(SIZE, np.uint8)
        mask[10:20, 30 : 40 + number] = 255
        Image.fromarray(mask).save(root / "masks" / f"{number}.png")
    return root


def imported(root: Path, output: Path, page: int | None = None) -> Dataset:
    pixels = PixelOptions.parse(mask_values=None, bit_depth=None, page=page)
    return import_dataset(root, output, IngestSettings(pixels=pixels)).dataset


@pytest.mark.parametrize(
    ("write", "page"),
    [
        (deep(4095, "png"), None),
        (deep(1023, "tif"), None),
        (deep(65535, "png"), None),
        (deep(4095, "png", colour=True), None),
        (floats, None),
        (half_floats, None),
        (transparent, None),
        (palette, None),
        (printed, None),
        (turned, None),
        (pages, 2),
    ],
    ids=["12 bits", "10 bits", "16 bits", "colour", "floats", "half", "alpha", "P", "CMYK", "EXIF", "pages"],
)
def test_it_reads_what_the_dataset_holds(tmp_path: Path, write: Writer, page: int | None) -> None:
    root = source(tmp_path / "source", write)
    dataset = imported(root, tmp_path / "dataset", page)
    reading = image_reading(dataset.image_reading)

    for row in dataset.manifest.itertuples():
        (path,) = (root / "images").glob(f"{Path(row.image).stem}.*")
        found = decode_single(path.read_bytes(), path, reading)
        np.testing.assert_array_equal(found, dataset.read_image(row))


def test_a_picture_among_several_is_not_guessed(tmp_path: Path) -> None:
    pages(tmp_path / "both", texture(0))
    path = tmp_path / "both.tif"

    with pytest.raises(DatasetError, match="holds 2 pictures"):
        decode_single(path.read_bytes(), path, image_reading(None))


def big_endian(samples: np.ndarray) -> bytes:
    """An uncompressed TIFF of 16 bits whose high bytes come first."""
    height, width, channels = samples.shape
    tags = [(256, width), (257, height), (259, 1), (262, 2), (273, 8), (277, channels), (278, height)]
    tags += [(279, samples.nbytes), (284, 1)]
    entries = {tag: struct.pack(">HHII", tag, 4, 1, value) for tag, value in tags}
    data = samples.astype(">u2").tobytes() + struct.pack(f">{channels}H", *[16] * channels)
    entries[258] = struct.pack(">HHII", 258, 3, channels, 8 + samples.nbytes)
    directory = struct.pack(">H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries))
    return b"MM\x00*" + struct.pack(">I", 8 + len(data)) + data + directory + bytes(4)


def colours_of_16_bits() -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    found = {}
    for channels in (3, 4):
        samples = rng.integers(0, 65536, (19, 23, channels), dtype=np.uint16)
        found[f"png {channels}"] = cv2.imencode(".png", samples)[1].tobytes()
        for name, compression in (("raw", 1), ("lzw", 5), ("deflate", 8)):
            flags = [cv2.IMWRITE_TIFF_COMPRESSION, compression]
            found[f"tiff {name} {channels}"] = cv2.imencode(".tiff", samples, flags)[1].tobytes()
    return {**found, "tiff big-endian": big_endian(samples[..., :3])}


@pytest.mark.parametrize("kind", colours_of_16_bits())
def test_colours_of_16_bits_are_the_same_without_opencv(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = colours_of_16_bits()[kind]
    samples, alpha = decode_deep(content, 0)
    monkeypatch.setitem(sys.modules, "cv2", None)

    ours, our_alpha = decode_deep(content, 0)

    assert ours.dtype == samples.dtype == np.uint16
    np.testing.assert_array_equal(ours, samples)
    assert len(np.unique(ours & 255)) > 200
    assert (our_alpha is None) == (alpha is None)
    if alpha is not None:
        np.testing.assert_array_equal(our_alpha, alpha)


@pytest.mark.parametrize("page", [0, 1])
def test_a_page_of_deep_colours_is_the_same_without_opencv(
    page: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(1)
    pages = [rng.integers(0, 65536, (9, 7, 3), dtype=np.uint16) for _ in range(2)]
    cv2.imwritemulti(str(tmp_path / "pages.tif"), pages)
    content = (tmp_path / "pages.tif").read_bytes()
    monkeypatch.setitem(sys.modules, "cv2", None)

    np.testing.assert_array_equal(decode_deep(content, page)[0], pages[page][..., ::-1])


def test_deep_colours_that_take_opencv_are_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "deep.tiff"
    cv2.imwrite(str(path), np.random.default_rng(0).random((9, 7, 3)).astype(np.float32))
    monkeypatch.setitem(sys.modules, "cv2", None)

    with pytest.raises(DatasetError, match=r"deep\.tiff cannot be read: .* takes OpenCV; `pip install"):
        decode_single(path.read_bytes(), path, image_reading(None))


def test_a_damaged_file_of_deep_colours_is_named_without_opencv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep(4095, "png", colour=True)(tmp_path / "deep", texture(0))
    content = bytearray((tmp_path / "deep.png").read_bytes())
    content[len(content) // 2] ^= 255
    monkeypatch.setitem(sys.modules, "cv2", None)

    for damaged in (bytes(content), bytes(content[: len(content) // 2])):
        with pytest.raises(DatasetError, match=r"deep\.png cannot be read: it is damaged"):
            decode_single(damaged, tmp_path / "deep.png", image_reading(None))


@pytest.mark.parametrize("told", [{}, {"integers": [0], "floats": None, "page": None, "turned": True}])
def test_a_model_that_does_not_say_it_well_is_refused(told: dict[str, object]) -> None:
    with pytest.raises(ExportError, match="does not say how its images are read"):
        image_reading(told)
