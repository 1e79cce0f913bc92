"""Masks as people paint, compress and smooth them mean what was drawn, or are refused by name."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import layouts as make
import numpy as np
import pytest
from PIL import Image

from autonad.data.faults import NothingUsable
from autonad.data.ingest.importing import ImportReport, import_dataset
from autonad.data.ingest.settings import IngestSettings
from autonad.data.pixels.pixel_options import PixelOptions
from autonad.errors import DatasetError

COUNT = 8
BLACK, RED, GREEN = (0, 0, 0), (255, 0, 0), (0, 255, 0)
Paint = Callable[[np.ndarray, int], Image.Image]


def drawn(number: int) -> np.ndarray:
    """Two ellipses, of class 1 and 2, uint8 (64, 96)."""
    y, x = np.mgrid[:64, :96]
    first = ((y - 20) / 8) ** 2 + ((x - 20 - number) / 9) ** 2 <= 1
    second = ((y - 44) / 7) ** 2 + ((x - 70 + number) / 10) ** 2 <= 1
    return (first + 2 * second).astype(np.uint8)


def one(number: int) -> np.ndarray:
    return (drawn(number) > 0).astype(np.uint8)


def imported(
    tmp_path: Path, masks: Callable[[int], np.ndarray], paint: Paint, suffix: str = ".png", **options: str
) -> ImportReport:
    rng = np.random.default_rng(0)
    (tmp_path / "s" / "masks").mkdir(parents=True)
    for number in range(COUNT):
        image = rng.integers(80, 120, (64, 96, 3), dtype=np.uint8) + 90 * one(number)[..., None]
        make.save(tmp_path / "s" / "images" / f"{number}.png", image.astype(np.uint8))
        paint(masks(number), number).save(tmp_path / "s" / "masks" / f"{number}{suffix}")
    settings = IngestSettings(pixels=PixelOptions.parse(options.get("mask_values"), None, None))
    return import_dataset(tmp_path / "s", tmp_path / "d", settings)


def wrong(
    report: ImportReport, masks: Callable[[int], np.ndarray], classes: tuple[int, ...] = (0, 1, 2)
) -> int:
    """Pixels, neither right nor ignored, of all masks; class i of the drawing is class classes[i] there."""
    count = 0
    assert len(report.dataset.manifest) == COUNT
    for row in report.dataset.manifest.itertuples():
        mask = report.dataset.read_mask(row)
        right = np.array(classes, dtype=np.uint8)[masks(int(Path(row.image).stem))]
        count += int(((mask != right) & (mask != 255)).sum())
    return count


def ignored(report: ImportReport) -> float:
    rows = list(report.dataset.manifest.itertuples())
    return float(np.mean([(report.dataset.read_mask(row) == 255).mean() for row in rows]))


def said(report: ImportReport) -> str:
    return " ".join([*report.reading, *report.faults["message"]])


def smooth(image: Image.Image) -> Image.Image:
    wide, high = image.size
    return image.resize((wide * 4, high * 4), Image.Resampling.NEAREST).resize(
        (wide, high), Image.Resampling.BILINEAR
    )


def colours(mask: np.ndarray) -> Image.Image:
    return Image.fromarray(np.array([BLACK, RED, GREEN], np.uint8)[mask])


def compressed(mask: np.ndarray, quality: int) -> Image.Image:
    file = io.BytesIO()
    Image.fromarray(mask * np.uint8(255)).save(file, "JPEG", quality=quality)
    return Image.open(file)


PAINTS: dict[str, Paint] = {
    "one grey": lambda mask, number: Image.fromarray(mask * np.uint8(128)),
    "nearly white": lambda mask, number: Image.fromarray(mask * np.uint8(254)),
    "1 in some, 255 in others": lambda mask, number: Image.fromarray(
        mask * np.uint8(1 if number % 2 else 255)
    ),
    "half transparent paint": lambda mask, number: Image.fromarray(
        np.dstack([mask * 255, mask * 0, mask * 0, mask * 128]).astype(np.uint8)
    ),
    "alpha without any meaning": lambda mask, number: Image.fromarray(
        np.dstack([mask * 255] * 3 + [mask * 0]).astype(np.uint8)
    ),
    "soft edges in half of them": lambda mask, number: (
        smooth(Image.fromarray(mask * np.uint8(255))) if number % 2 else Image.fromarray(mask * np.uint8(255))
    ),
    "soft edges in one": lambda mask, number: (
        smooth(Image.fromarray(mask * np.uint8(255)))
        if number == 3
        else Image.fromarray(mask * np.uint8(255))
    ),
    "PNG that was JPEG": lambda mask, number: compressed(mask, 80),
}


@pytest.mark.parametrize("paint", PAINTS.values(), ids=PAINTS)
def test_one_class_is_told_however_it_is_painted(tmp_path: Path, paint: Paint) -> None:
    report = imported(tmp_path, one, paint)

    assert report.dataset.classes == ("background", "defect")
    assert wrong(report, one) <= 0.003 * COUNT * 64 * 96  # of soft edges
    assert ignored(report) == 0


@pytest.mark.parametrize("quality", [20, 50, 75, 95])
@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_what_rings_around_a_defect_is_no_class(tmp_path: Path, quality: int, suffix: str) -> None:
    def paint(mask: np.ndarray, number: int) -> Image.Image:
        file = io.BytesIO()
        image = Image.fromarray(mask * np.uint8(255)).convert("RGB")
        image.save(file, "JPEG" if suffix == ".jpg" else "WEBP", quality=quality)
        return Image.open(io.BytesIO(file.getvalue()))

    report = imported(tmp_path, one, paint, suffix)

    assert report.dataset.classes == ("background", "defect")
    assert wrong(report, one) <= 0.005 * COUNT * 64 * 96


@pytest.mark.parametrize(
    "paint",
    [
        lambda mask, number: colours(mask),
        lambda mask, number: colours(mask).quantize(4),
        lambda mask, number: smooth(colours(mask)),
    ],
    ids=["RGB", "quantized", "soft edges"],
)
def test_colours_are_classes(tmp_path: Path, paint: Paint) -> None:
    report = imported(tmp_path, drawn, paint)

    assert "#00ff00=class1, #ff0000=class2" in said(report)
    assert wrong(report, drawn, (0, 2, 1)) == 0
    assert ignored(report) < 0.05


def test_stated_colours_bear_soft_edges(tmp_path: Path) -> None:
    report = imported(
        tmp_path, drawn, lambda mask, number: smooth(colours(mask)), mask_values="#ff0000=pit,#00ff00=crack"
    )

    assert report.dataset.classes == ("background", "pit", "crack")
    assert wrong(report, drawn) == 0
    assert "soft edges in its mask" in said(report)


def test_a_solid_colour_of_no_meaning_is_no_soft_edge(tmp_path: Path) -> None:
    def paint(mask: np.ndarray, number: int) -> Image.Image:
        pixels = np.array(colours(mask))
        pixels[5:15, 60:75] = (128, 0, 0)
        return Image.fromarray(pixels)

    with pytest.raises(NothingUsable) as caught:
        imported(tmp_path, drawn, paint, mask_values="#ff0000=pit,#00ff00=crack")
    assert "#800000" in caught.value.faults["message"].iloc[0]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1, 2, 3], "nowhere 0, so their background cannot be told"),
        ([0, 128, 255], "most often 0, 128, 255"),
        ([0, 38, 75], "most often 0, 38, 75"),
    ],
)
def test_values_that_may_mean_two_things_are_refused(tmp_path: Path, values: list[int], words: str) -> None:
    with pytest.raises(DatasetError, match=words) as caught:
        imported(tmp_path, drawn, lambda mask, number: Image.fromarray(np.array(values, np.uint8)[mask]))
    assert "--mask-values" in str(caught.value)


def test_masks_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    (tmp_path / "s" / "masks").mkdir(parents=True)
    for number in range(COUNT):
        make.save(tmp_path / "s" / "images" / f"{number}.png", make.texture(number))
        page = Image.fromarray(one(number))
        page.save(tmp_path / "s" / "masks" / f"{number}.tif", save_all=True, append_images=[page])
    with pytest.raises(DatasetError, match=r"0\.tif: it holds 2 pages"):
        import_dataset(tmp_path / "s", tmp_path / "d", IngestSettings())
