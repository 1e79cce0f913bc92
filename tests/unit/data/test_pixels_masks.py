"""What masks mean is told from a whole set; one strange mask, or one strange pixel, never changes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import layouts as make
import numpy as np
import pytest
from PIL import Image

from autonad.data.dataset import Dataset
from autonad.data.ingest.importing import ImportReport, import_dataset
from autonad.data.ingest.settings import IngestSettings
from autonad.data.pixels.pixel_options import PixelOptions
from autonad.errors import DatasetError

COUNT = 12
Writer = Callable[[int, Path], None]


def folder(root: Path, write: Writer, count: int = COUNT) -> Path:
    for number in range(count):
        make.save(root / "images" / f"{number}.png", make.texture(number))
        (root / "masks").mkdir(exist_ok=True)
        write(number, root / "masks" / f"{number}.png")
    return root


def imported(
    tmp_path: Path, write: Writer, *, classes: tuple[str, ...] | None = None, mask_values: str | None = None
) -> ImportReport:
    pixels = PixelOptions.parse(mask_values, None, None)
    settings = IngestSettings(classes=classes, include_defect_free=True, pixels=pixels)
    return import_dataset(folder(tmp_path / "s", write), tmp_path / "d", settings)


def masks(dataset: Dataset) -> dict[int, np.ndarray]:
    return {int(Path(row.image).stem): dataset.read_mask(row) for row in dataset.manifest.itertuples()}


def said(report: ImportReport) -> str:
    """Everything that was told about the reading."""
    rows = report.faults[report.faults["kind"] == "reading"]["message"]
    return " ".join([*report.reading, *rows])


def palette(values: Sequence[int], colours: Sequence[tuple[int, int, int]]) -> Writer:
    """Palette masks of patches with the indices `values`, in turn; the ground is `0`."""

    def write(number: int, path: Path) -> None:
        indices = make.patch(values[number % len(values)])
        image = Image.new("P", indices.shape[::-1])
        image.putdata(indices.ravel().tolist())
        image.putpalette([channel for colour in colours for channel in colour])
        image.save(path)

    return write


def painted(colour: tuple[int, int, int], ground: tuple[int, int, int]) -> Writer:
    def write(number: int, path: Path) -> None:
        make.save(path, np.array([ground, colour], np.uint8)[make.patch(1)])

    return write


def alpha(colour: tuple[int, int, int], background: tuple[int, int, int]) -> Writer:
    def write(number: int, path: Path) -> None:
        mask = make.patch(255)
        colours = np.where(mask[..., None] > 0, np.uint8(colour), np.uint8(background)).astype(np.uint8)
        make.save(path, np.dstack([colours, mask]))

    return write


def quantised(number: int, path: Path) -> None:
    """What Pillow writes: which index is black depends on the number of colours."""
    Image.fromarray(make.patch(255)).convert("RGB").quantize(2 + number % 2).save(path)


def one_bit(number: int, path: Path) -> None:
    Image.fromarray(make.patch(255)).convert("1").save(path)


def sixteen_bits(number: int, path: Path) -> None:
    make.save(path, make.patch(1).astype(np.uint16) * np.uint16(65535))


def soft(number: int, path: Path) -> None:
    make.save(path, cv2.GaussianBlur(make.patch(255), (5, 5), 1))


BLACK, WHITE, RED = (0, 0, 0), (255, 255, 255), (255, 0, 0)


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (palette([1], [BLACK, WHITE]), ""),
        (palette([1], [BLACK, RED]), ""),
        (quantised, "colours of their palettes decide"),
        (one_bit, ""),
        (sixteen_bits, "0/255, one class"),
        (soft, "soft edges"),
        (painted(RED, BLACK), "#ff0000 on 0"),
        (painted(RED, WHITE), "#ff0000 on 255"),
        (alpha(BLACK, BLACK), "alpha decides"),
        (alpha(WHITE, WHITE), "alpha decides"),
        (alpha(RED, BLACK), "alpha decides"),
    ],
)
def test_masks_of_one_class_are_read_however_they_are_drawn(
    tmp_path: Path, write: Writer, words: str
) -> None:
    report = imported(tmp_path, write)

    assert report.dataset.num_classes == 2
    assert words in said(report)
    edges = 0 if write is not soft else 8
    for mask in masks(report.dataset).values():
        assert np.count_nonzero(mask != make.patch(1)) <= edges


@pytest.mark.parametrize("colour", [WHITE, RED])
def test_a_palette_that_begins_with_another_colour_than_black_is_not_inverted(
    tmp_path: Path, colour: tuple[int, int, int]
) -> None:
    report = imported(tmp_path, palette([1], [colour, BLACK]))
    for mask in masks(report.dataset).values():
        assert np.array_equal(mask, 1 - make.patch(1))  # index 0 covers all but the patch
    assert "colours of their palettes decide" in said(report)


@pytest.mark.parametrize(
    "colours",
    [
        [BLACK, (128, 0, 0), (0, 128, 0)],  # VOC
        [BLACK, WHITE, WHITE],
        [BLACK, BLACK, BLACK],
        [BLACK, (128, 128, 128), WHITE],
        [WHITE, RED, (0, 0, 255)],
    ],
)
def test_palettes_of_classes_keep_their_indices(tmp_path: Path, colours: list[tuple[int, int, int]]) -> None:
    report = imported(tmp_path, palette([1, 2], colours))
    assert report.dataset.num_classes == 3
    for name, mask in masks(report.dataset).items():
        assert np.array_equal(mask, make.patch(1 + name % 2))
    assert "colours" not in said(report)


def test_opaque_masks_with_alpha_are_read_by_colour(tmp_path: Path) -> None:
    def write(number: int, path: Path) -> None:
        grey = np.repeat(make.patch(255)[..., None], 3, axis=2)
        make.save(path, np.dstack([grey, np.full(grey.shape[:2], 255, np.uint8)]))

    assert all(np.array_equal(m, make.patch(1)) for m in masks(imported(tmp_path, write).dataset).values())


def strange(value: int, pixels: int, own: int = 255) -> Writer:
    """Masks of which the fifth has some pixels of another value."""

    def write(number: int, path: Path) -> None:
        mask = make.patch(own)
        if number == 4:
            mask[40, :pixels] = value
        make.save(path, mask)

    return write


@pytest.mark.parametrize("value", [1, 3, 128, 254])
def test_one_stray_pixel_does_not_change_the_meaning_of_255(tmp_path: Path, value: int) -> None:
    report = imported(tmp_path, strange(value, 1))

    assert report.dataset.classes == ("background", "defect")
    assert f"1 of 12 has other values: 4.png ({value})" in said(report)
    for name, mask in masks(report.dataset).items():
        expected = make.patch(1)
        expected[40, :1] = 255 if name == 4 else 0
        assert np.array_equal(mask, expected)
    strange_ones = report.faults[report.faults["kind"] == "strange-values"]
    assert strange_ones["item"].tolist() == ["images/4.png"]


def test_a_mask_of_many_strange_pixels_is_kept_out(tmp_path: Path) -> None:
    report = imported(tmp_path, strange(3, 40))

    assert sorted(masks(report.dataset)) == [n for n in range(COUNT) if n != 4]
    (fault,) = report.faults[report.faults["kind"] == "other-values"].itertuples()
    assert (fault.severity, fault.item) == ("error", "images/4.png")


def test_a_stray_value_makes_no_class(tmp_path: Path) -> None:
    def write(number: int, path: Path) -> None:
        mask = make.patch(1 + number % 2)
        mask[0, 0] = 9 if number == 7 else 0
        make.save(path, mask)

    report = imported(tmp_path, write)
    assert report.dataset.classes == ("background", "class1", "class2")
    assert masks(report.dataset)[7][0, 0] == 255


def test_a_rare_class_of_many_pixels_is_one(tmp_path: Path) -> None:
    def write(number: int, path: Path) -> None:
        make.save(path, make.patch(3 if number == 4 else 1 + number % 2))

    report = imported(tmp_path, write)
    assert report.dataset.num_classes == 4


def test_ones_among_masks_of_255_are_defects(tmp_path: Path) -> None:
    def write(number: int, path: Path) -> None:
        make.save(path, make.patch(1 if number < 3 else 255))

    report = imported(tmp_path, write)
    assert all(np.array_equal(mask, make.patch(1)) for mask in masks(report.dataset).values())
    assert "in 3 masks 1 stands for 255" in said(report)


def test_255_is_ignored_where_most_masks_hold_indices(tmp_path: Path) -> None:
    def write(number: int, path: Path) -> None:
        mask = make.patch(1)
        mask[9, 8:30] = 255
        make.save(path, mask)

    report = imported(tmp_path, write)
    assert (masks(report.dataset)[0] == 255).sum() == 22


# -- lossy masks -------------------------------------------------------------------------------------------


def jpeg(values: Sequence[int], quality: int) -> Writer:
    def write(number: int, path: Path) -> None:
        mask = Image.fromarray(make.patch(values[number % len(values)]))
        mask.save(path.with_suffix(".jpg"), quality=quality)

    return write


@pytest.mark.parametrize("quality", [60, 75, 95])
def test_jpeg_of_0_and_255_is_cut_at_the_threshold(tmp_path: Path, quality: int) -> None:
    report = imported(tmp_path, jpeg([255], quality))
    assert report.dataset.classes == ("background", "defect")
    assert all(np.count_nonzero(m != make.patch(1)) < 8 for m in masks(report.dataset).values())
    assert "12 of 12 are JPEG" in said(report)


@pytest.mark.parametrize("quality", [60, 75, 95])
@pytest.mark.parametrize(("values", "count"), [([100, 200], 2), ([60, 120, 240], 3)])
def test_jpeg_makes_no_classes(tmp_path: Path, quality: int, values: list[int], count: int) -> None:
    report = imported(tmp_path, jpeg(values, quality))
    assert report.dataset.num_classes == 1 + count
    assert "JPEG" in said(report)
    for name, mask in masks(report.dataset).items():
        expected = make.patch(1 + name % count)
        told = mask != 255
        assert np.count_nonzero(mask[told] != expected[told]) < 12
        assert told.mean() > 0.98


def test_jpeg_of_class_indices_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"12 of 12 masks .* are JPEG .*lossy.*0\.jpg|0\.jpg.*lossy"):
        imported(tmp_path, jpeg([1, 2], 75))


def test_one_jpeg_among_index_masks_is_named(tmp_path: Path) -> None:
    def write(number: int, path: Path) -> None:
        if number == 5:
            jpeg([2], 75)(number, path)
        else:
            make.save(path, make.patch(1 + number % 2))

    report = imported(tmp_path, write)
    assert report.dataset.num_classes == 3
    (fault,) = report.faults[report.faults["kind"] == "lossy-mask"].itertuples()
    assert (fault.severity, fault.item) == ("error", "images/5.png")
    assert "5.jpg is JPEG, which is lossy" in fault.message


# -- what a user states ------------------------------------------------------------------------------------


def test_stated_values_mean_what_is_stated(tmp_path: Path) -> None:
    def write(number: int, path: Path) -> None:
        mask = make.patch([60, 200][number % 2])
        mask[0] = 128
        make.save(path, mask)

    report = imported(tmp_path, write, mask_values="0=background,200=crack,60=hole,128=ignore")
    assert report.dataset.classes == ("background", "crack", "hole")
    for name, mask in masks(report.dataset).items():
        expected = make.patch(2 - name % 2)
        expected[0] = 255
        assert np.array_equal(mask, expected)


def test_stated_colours_mean_what_is_stated(tmp_path: Path) -> None:
    write = painted((253, 231, 36), (68, 1, 84))
    with pytest.raises(DatasetError):
        imported(tmp_path / "unsaid", write)
    report = imported(tmp_path / "said", write, mask_values="#440154=background,#fde724=spot")
    assert report.dataset.classes == ("background", "spot")
    assert all(np.array_equal(mask, make.patch(1)) for mask in masks(report.dataset).values())


def test_stated_names_that_are_no_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="--mask-values names hole, which is none of the classes crack"):
        imported(tmp_path, strange(3, 1), classes=("crack",), mask_values="255=crack,3=hole")


def test_values_that_nobody_states_are_named(tmp_path: Path) -> None:
    report = imported(tmp_path, strange(7, 40), mask_values="255=crack")
    (fault,) = report.faults[report.faults["severity"] == "error"].itertuples()
    assert (fault.kind, fault.item) == ("unknown-value", "images/4.png")
    assert "holds the values 7" in fault.message
