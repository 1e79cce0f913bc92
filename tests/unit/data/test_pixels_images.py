"""Images of any depth, page and orientation become what was photographed, or are refused by name."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import layouts as make
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from autonad.data.dataset import Dataset
from autonad.data.ingest.importing import ImportReport, import_dataset
from autonad.data.ingest.settings import IngestSettings
from autonad.data.pixels.containers import Opened
from autonad.data.pixels.drawn_on import are_turned
from autonad.data.pixels.image_files import read_image_file
from autonad.data.pixels.image_survey import scale_of, survey_images
from autonad.data.pixels.orientation import parse_orientation
from autonad.data.pixels.pixel_options import PixelOptions
from autonad.data.pixels.pixel_reading import READING, Reading
from autonad.data.pixels.scaling import ImageReading, to_uint8
from autonad.errors import DatasetError

COUNT = 6
Writer = Callable[[int, np.ndarray, Path], None]


def folder(root: Path, write: Writer, count: int = COUNT) -> Path:
    """A source of images written by `write`, each with a mask of 0 and 255."""
    (root / "images").mkdir(parents=True)
    for number in range(count):
        write(number, make.texture(number), root / "images")
        make.save(root / "masks" / f"{number}.png", make.patch(255))
    return root


def imported(tmp_path: Path, write: Writer, **options: str | int | None) -> ImportReport:
    stated = {"mask_values": None, "bit_depth": None, "page": None, **options}
    settings = IngestSettings(pixels=PixelOptions.parse(**stated))  # type: ignore[arg-type]
    return import_dataset(folder(tmp_path / "s", write), tmp_path / "d", settings)


def farthest(dataset: Dataset) -> int:
    """Largest difference of any sample from the texture that its image shows."""
    return max(
        int(np.abs(dataset.read_image(row).astype(int) - make.texture(int(Path(row.image).stem))).max())
        for row in dataset.manifest.itertuples()
    )


def found(report: ImportReport, kind: str) -> list[str]:
    rows = report.faults[report.faults["kind"] == kind]
    return [f"{row.item}: {row.message}" for row in rows.itertuples()]


def integers(high: int, suffix: str = "png", colour: bool = False) -> Writer:
    def write(number: int, image: np.ndarray, place: Path) -> None:
        samples = np.round(image / 255 * high).astype(np.uint16)
        cv2.imwrite(str(place / f"{number}.{suffix}"), samples if colour else samples[..., 0])

    return write


def floats(low: float, high: float, colour: bool = False, kind: type = np.float32) -> Writer:
    def write(number: int, image: np.ndarray, place: Path) -> None:
        samples = (image / 255 * (high - low) + low).astype(kind)
        cv2.imwrite(str(place / f"{number}.tif"), samples if colour else samples[..., 0])

    return write


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (integers(255), "8 bits"),
        (integers(1023), "10 bits"),
        (integers(4095), "12 bits"),
        (integers(4095, "tif"), "12 bits"),
        (integers(4095, colour=True), "12 bits"),
        (integers(4095, "tif", colour=True), "12 bits"),
        (integers(16383), "14 bits"),
        (integers(65535, "tif"), "16 bits"),
        (floats(0, 1), "floats from 0 to 1"),
        (floats(0, 1, colour=True), "floats from 0 to 1"),
        (floats(0, 1, kind=np.float64), "floats from 0 to 1"),
        (floats(0, 255), "grey levels"),
        (floats(-3, 40), "the set's own range"),
    ],
)
def test_the_range_that_a_set_uses_becomes_eight_bits(tmp_path: Path, write: Writer, said: str) -> None:
    report = imported(tmp_path, write)

    assert len(report.dataset.manifest) == COUNT
    assert farthest(report.dataset) <= 1
    (sentence,) = found(report, "reading")
    assert said in sentence
    for row in report.dataset.manifest.itertuples():
        with Image.open(report.dataset.root / row.image) as image:
            assert (image.format, image.mode) == ("PNG", "RGB")


def test_one_image_does_not_set_its_own_scale(tmp_path: Path) -> None:
    def write(number: int, image: np.ndarray, place: Path) -> None:
        integers(4095 if number else 400)(number, image, place)

    report = imported(tmp_path, write)
    dark = report.dataset.read_image("images/0.png")
    assert np.abs(dark.astype(float) - make.texture(0) * (400 / 4095)).max() <= 1


def test_a_stated_depth_overrides_the_set(tmp_path: Path) -> None:
    report = imported(tmp_path, integers(1023), bit_depth="12")
    image = report.dataset.read_image("images/0.png")
    assert np.abs(image.astype(float) - make.texture(0) / 4).max() <= 1
    assert "as --bit-depth 12 says" in found(report, "reading")[0]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_sample_that_is_no_number_is_named(tmp_path: Path, value: float) -> None:
    def write(number: int, image: np.ndarray, place: Path) -> None:
        samples = image[..., 0].astype(np.float32) / 255
        if number == 2:
            samples[5, 5] = value
        Image.fromarray(samples).save(place / f"{number}.tif")

    report = imported(tmp_path, write)
    assert farthest(report.dataset) <= 1
    (message,) = found(report, "unreadable")
    assert "images/2.tif" in message
    assert "NaN" in message


def test_the_white_of_a_deep_image_may_be_its_least_sample() -> None:
    samples = np.array([[0, 2048, 4095]], dtype=np.uint16)
    reading = ImageReading(integers=(0.0, 4095.0))
    assert to_uint8(samples, reading)[0, :, 0].tolist() == [0, 128, 255]
    assert to_uint8(samples, reading, inverted=True)[0, :, 0].tolist() == [255, 127, 0]


def test_a_large_image_is_scaled_like_its_parts() -> None:
    samples = np.random.default_rng(0).integers(0, 4096, (700, 9)).astype(np.uint16)
    reading = ImageReading(integers=(0.0, 4095.0))
    whole = to_uint8(samples, reading)
    assert all(np.array_equal(whole[y : y + 1], to_uint8(samples[y : y + 1], reading)) for y in range(700))


def pages(number: int, image: np.ndarray, place: Path) -> None:
    """The first three images have themselves, upside down, as their first page."""
    first = image[::-1] if number < 3 else image
    more = [Image.fromarray(image)] if number < 3 else []
    Image.fromarray(np.ascontiguousarray(first)).save(
        place / f"{number}.tif", save_all=True, append_images=more
    )


def test_a_file_of_several_pages_is_kept_out_and_named(tmp_path: Path) -> None:
    report = imported(tmp_path, pages)
    message = found(report, "unreadable")[1]
    assert "images/1.tif" in message
    assert "2 pages or frames; choose one with --page" in message
    assert len(report.dataset.manifest) == COUNT - 3


def test_a_page_is_chosen(tmp_path: Path) -> None:
    report = imported(tmp_path, pages, page=1)
    assert len(report.dataset.manifest) == COUNT
    assert np.array_equal(report.dataset.read_image("images/1.png"), make.texture(1)[::-1])


def test_a_page_is_asked_for_in_files_with_several(tmp_path: Path) -> None:
    report = imported(tmp_path, pages, page=2)
    assert np.array_equal(report.dataset.read_image("images/1.png"), make.texture(1))
    assert not found(report, "unreadable")
    assert len(report.dataset.manifest) == COUNT


def test_a_page_that_a_file_lacks_is_named(tmp_path: Path) -> None:
    report = imported(tmp_path, pages, page=9)
    assert found(report, "unreadable")
    assert all("--page asks for 9" in message for message in found(report, "unreadable"))
    assert len(report.dataset.manifest) == COUNT - len(found(report, "unreadable"))


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_an_animation_is_named(tmp_path: Path, suffix: str) -> None:
    def write(number: int, image: np.ndarray, place: Path) -> None:
        more = [Image.fromarray(image[::-1].copy())] if number == 1 else []
        options = {"lossless": True} if suffix == "webp" else {}
        Image.fromarray(image).save(
            place / f"{number}.{suffix}", save_all=True, append_images=more, **options
        )

    report = imported(tmp_path, write)
    (message,) = found(report, "unreadable")
    assert "2 pages or frames" in message


def test_transparent_pixels_become_black_and_that_is_said_once(tmp_path: Path) -> None:
    def write(number: int, image: np.ndarray, place: Path) -> None:
        alpha = np.full(image.shape[:2], 255, np.uint8)
        alpha[:4] = 0 if number < 3 else 255
        Image.fromarray(np.dstack([image, alpha])).save(place / f"{number}.png")

    report = imported(tmp_path, write)
    (message,) = found(report, "transparent")
    assert message.startswith("s: 3 images")
    assert not report.dataset.read_image("images/0.png")[:4].any()
    assert np.array_equal(report.dataset.read_image("images/0.png")[4:], make.texture(0)[4:])
    assert np.array_equal(report.dataset.read_image("images/5.png"), make.texture(5))


def test_transparent_pixels_of_16_bits_become_black(tmp_path: Path) -> None:
    def write(number: int, image: np.ndarray, place: Path) -> None:
        alpha = np.full(image.shape[:2], 65535, np.uint16)
        alpha[:4] = 0 if number < 3 else 65535
        deep = image[..., ::-1].astype(np.uint16) * 257
        cv2.imwrite(str(place / f"{number}.png"), np.dstack([deep, alpha]))

    report = imported(tmp_path, write)
    assert found(report, "transparent")[0].startswith("s: 3 images")
    assert not report.dataset.read_image("images/0.png")[:4].any()
    assert np.array_equal(report.dataset.read_image("images/0.png")[4:], make.texture(0)[4:])


@pytest.mark.parametrize("mode", ["CMYK", "L", "LA", "P", "1", "YCbCr"])
def test_every_usual_kind_of_sample_is_read(tmp_path: Path, mode: str) -> None:
    def write(number: int, image: np.ndarray, place: Path) -> None:
        Image.fromarray(image).convert(mode).save(place / f"{number}.tif")

    report = imported(tmp_path, write)
    assert len(report.dataset.manifest) == COUNT
    assert not found(report, "unreadable")
    if mode not in {"1", "P"}:
        assert farthest(report.dataset) <= 3


# -- EXIF --------------------------------------------------------------------------------------------------


def turned_jpeg(orientation: int, mask_drawn_on: str) -> Callable[[Path], Path]:
    """Images with a bright defect, a mask drawn on what a viewer shows or on the pixels as stored."""

    def write(root: Path) -> Path:
        exif = Image.Exif()
        exif[0x0112] = orientation
        (root / "images").mkdir(parents=True)
        for number in range(8):
            stored = (make.texture(number, 40, 64) // 2).astype(np.uint8)
            mask = np.zeros(stored.shape[:2], np.uint8)
            mask[5 + number : 14 + number, 6:20] = 255
            stored[mask > 0] += 90
            Image.fromarray(stored).save(root / "images" / f"{number}.jpg", exif=exif, quality=95)
            if mask_drawn_on == "turned":
                mask = np.ascontiguousarray({3: mask[::-1, ::-1], 6: np.rot90(mask, -1)}[orientation])
            make.save(root / "masks" / f"{number}.png", mask)
        return root

    return write


@pytest.mark.parametrize("orientation", [3, 6])
@pytest.mark.parametrize("drawn_on", ["turned", "stored"])
def test_masks_tell_which_way_up_images_are_read(tmp_path: Path, orientation: int, drawn_on: str) -> None:
    source = turned_jpeg(orientation, drawn_on)(tmp_path / "s")
    report = import_dataset(source, tmp_path / "d", IngestSettings())

    assert len(report.dataset.manifest) == 8
    for row in report.dataset.manifest.itertuples():
        image, mask = report.dataset.read_image(row), report.dataset.read_mask(row)
        assert image[mask == 1].mean() - image[mask == 0].mean() > 40
        is_upright = image.shape[0] > image.shape[1]
        assert is_upright == (orientation == 6 and drawn_on == "turned")
    assert bool(found(report, "stored-pixels")) == (drawn_on == "stored")


def test_images_that_tell_nothing_leave_the_question_open() -> None:
    assert are_turned([]) is None
    assert are_turned([(0.4, 0.5)]) is None
    assert are_turned([(1.0, 0.1), (1.2, 0.2), (0.9, 0.2)]) is True
    assert are_turned([(None, 0.1)]) is False


def damaged(place: Path, kind: str, image: np.ndarray) -> None:
    if kind == "png":
        Image.fromarray(image).save(place, exif=b"Exif\x00\x00garbage")
    else:
        block = b"Exif\x00\x00II*\x00\xff\xff\x00\x00\x01\x00\x12\x01"
        Image.fromarray(image).save(place, exif=block, quality=95)


def test_damaged_exif_is_left_out_and_named_once(tmp_path: Path) -> None:
    def write(number: int, image: np.ndarray, place: Path) -> None:
        kind = "png" if number % 2 else "jpg"
        damaged(place / f"{number}.{kind}", kind, image)

    report = imported(tmp_path, write)
    assert not (report.faults["severity"] == "error").any()
    (message,) = found(report, "damaged-exif")
    assert f"{COUNT} images (images/0.jpg" in message
    assert farthest(report.dataset) < 20  # JPEG
    for row in report.dataset.manifest.itertuples():
        with Image.open(report.dataset.root / row.image) as image:
            assert "exif" not in image.info


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_what_pillow_finds(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert parse_orientation(exif.tobytes()) == orientation


@pytest.mark.parametrize("cut", [3, 7, 9, 13, 17])
def test_exif_cut_short_is_damaged(cut: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert parse_orientation(exif.tobytes()[: 6 + cut]) is None


def test_stored_pixels_of_a_tiff_are_those_of_its_file() -> None:
    stored = make.texture(3, 12, 20)
    buffer = io.BytesIO()
    Image.fromarray(stored).save(buffer, "TIFF", tiffinfo={0x112: 6})

    def read(turned: bool) -> np.ndarray:
        opened = Opened.of(buffer.getvalue(), Path("a.tif"), "image")
        assert opened.header.size == (12, 20)
        return read_image_file(opened, ImageReading(), turned=turned).pixels

    assert np.array_equal(read(False), stored)
    assert np.array_equal(read(True), np.rot90(stored, -1))


# -- damage and memory -------------------------------------------------------------------------------------


def test_a_deep_image_that_claims_a_gigabyte_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def allocate(*given: object) -> None:
        pytest.fail("it would take what the file claims")

    content = bytearray(cv2.imencode(".png", np.zeros((9, 9, 3), np.uint16))[1].tobytes())
    content[33:37] = b"\x7f\x00\x00\x00"  # the length of the first chunk of pixels
    opened = Opened.of(bytes(content), Path("deep.png"), "image")
    monkeypatch.setattr(cv2, "imdecode", allocate)
    with pytest.raises(DatasetError, match=r"deep\.png cannot be read: it is damaged"):
        read_image_file(opened, ImageReading(), turned=True)


# -- kept with the dataset ---------------------------------------------------------------------------------


def test_a_reading_survives_json(tmp_path: Path) -> None:
    report = imported(tmp_path, integers(4095), mask_values="255=crack,128=ignore")
    stored = Reading.from_dict(Dataset.open(report.dataset.root).about[READING])
    assert stored is not None
    assert stored.images.integers == (0.0, 4095.0)
    assert stored.masks.meanings == {0: "background", 128: "ignore", 255: "crack"}
    assert Reading.from_dict(stored.to_dict()) == stored


@pytest.mark.parametrize("content", [None, {}, [], {"images": 3, "masks": {}}])
def test_what_is_no_reading_is_none(content: object) -> None:
    assert Reading.from_dict(content) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bit_depth": "11"}, "--bit-depth is '11'"),
        ({"page": 0}, "count pages from 1"),
        ({"mask_values": "x=crack"}, "--mask-values has 'x=crack'"),
        ({"mask_values": "1=a,1=b"}, "each value once"),
        ({"mask_values": "300=a"}, "--mask-values has"),
        ({"mask_values": "0=background"}, "names no defect"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options: dict[str, str | int], message: str) -> None:
    stated = {"mask_values": None, "bit_depth": None, "page": None, **options}
    with pytest.raises(DatasetError, match=message):
        PixelOptions.parse(**stated)  # type: ignore[arg-type]


def test_the_same_folder_gives_the_same_dataset(tmp_path: Path) -> None:
    source = folder(tmp_path / "s", integers(4095))
    first, second = (import_dataset(source, tmp_path / name, IngestSettings()).dataset for name in "ab")
    pd.testing.assert_frame_equal(first.manifest, second.manifest)


def test_a_few_stray_samples_do_not_darken_a_set(tmp_path: Path) -> None:
    def write(number: int, texture: np.ndarray, folder: Path) -> None:
        samples = texture[..., 0].astype(np.uint16) * 16
        if number == 2:
            samples[3, 3] = 65535
        cv2.imwrite(str(folder / f"{number}.png"), samples)

    report = imported(tmp_path, write)
    told = " ".join(report.faults["message"])
    assert "0 to 4095 become 0 to 255" in told
    assert "a few samples of images/2.png lie far outside and are cut off" in told
    whole = [report.dataset.read_image(row) for row in report.dataset.manifest.itertuples()]
    assert all(image.std() > 0.9 * make.texture(0)[..., 0].std() for image in whole)


def half_precision(samples: np.ndarray, order: str) -> bytes:
    """A TIFF of floats of 16 bits, of (H, W) samples; `order` is "<" or ">"."""
    data = samples.astype(np.dtype(np.float16).newbyteorder(order)).tobytes()  # type: ignore[arg-type]
    height, width = samples.shape
    short, long = 3, 4
    rows = [(256, long, width), (257, long, height), (258, short, 16), (259, short, 1), (262, short, 1)]
    rows += [(273, long, 134), (277, short, 1), (278, long, height), (279, long, len(data)), (339, short, 3)]
    entries = b"".join(
        struct.pack(order + "HHI", tag, kind, 1)
        + (struct.pack(order + "HH", value, 0) if kind == short else struct.pack(order + "I", value))
        for tag, kind, value in rows
    )
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(rows))
    return head + entries + bytes(4) + data


@pytest.mark.parametrize("order", ["<", ">"])
def test_half_precision_is_read(tmp_path: Path, order: str) -> None:
    def write(number: int, texture: np.ndarray, folder: Path) -> None:
        (folder / f"{number}.tif").write_bytes(half_precision(texture[..., 0] / 255.0, order))

    report = imported(tmp_path, write)
    assert "floats from 0 to 1" in " ".join(report.faults["message"])
    shown = [row for row in report.dataset.manifest.itertuples()]
    assert len(shown) == COUNT
    for row in shown:
        texture = make.texture(int(Path(row.image).stem))[..., :1]
        assert np.abs(report.dataset.read_image(row).astype(int) - texture).max() <= 1


@pytest.mark.parametrize(("first", "then", "words"), [(16, 257, "cut these off"), (257, 16, "nearly black")])
def test_a_batch_of_another_depth_is_not_read_by_the_scale_of_the_dataset(
    tmp_path: Path, first: int, then: int, words: str
) -> None:
    def write(factor: int) -> Writer:
        return lambda number, texture, folder: cv2.imwrite(
            str(folder / f"{number}.png"), texture[..., 0].astype(np.uint16) * factor
        )

    before = imported(tmp_path, write(first)).dataset
    known = Reading.from_dict(json.loads((before.root / "classes.json").read_text())[READING])
    assert known is not None
    batch = folder(tmp_path / "batch", write(then))
    survey = survey_images([(p.name, p) for p in sorted((batch / "images").iterdir())], PixelOptions())

    with pytest.raises(DatasetError, match=words) as caught:
        scale_of(survey, PixelOptions(), known.images)
    assert f"--bit-depth, such as {16 if then > first else 12}" in str(caught.value)
    depth = "16" if then > first else "12"
    scale_of(survey, PixelOptions(bit_depth=depth), known.images)
