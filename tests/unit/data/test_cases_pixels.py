"""The cases that users' reports led to, where their folder is present: pixels are read as its README says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from autonad.data.dataset import Dataset
from autonad.data.ingest.importing import ImportReport, import_dataset
from autonad.data.ingest.settings import IngestSettings
from autonad.data.pixels.pixel_options import PixelOptions
from autonad.errors import DatasetError

CASES = Path(__file__).parents[3].parent / "shared" / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the folder of cases is not here")


def imported(case: str, output: Path, page: int | None = None) -> ImportReport:
    settings = IngestSettings(pixels=PixelOptions(page=page), include_defect_free=True)
    return import_dataset(CASES / case, output / "d", settings)


def told(report: ImportReport) -> str:
    return " ".join([*report.reading, *report.faults["message"]])


def errors(report: ImportReport) -> list[str]:
    return sorted(report.faults[report.faults["severity"] == "error"]["item"])


def contrast(dataset: Dataset) -> float:
    """Mean difference between defect and background, grey levels."""
    differences = []
    for row in dataset.manifest.itertuples():
        image, mask = dataset.read_image(row).astype(float), dataset.read_mask(row)
        differences.append(abs(image[mask == 1].mean() - image[mask == 0].mean()))
    return float(np.mean(differences))


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("01-float-tiff", "floats from 0 to 1"),
        ("02-12bit-png", "the set uses 12 bits"),
        ("04-palette-white-first", "the colours of their palettes decide"),
        ("05-rgba-black-paint", "alpha decides"),
        ("08-exif-180", "their masks fit the pixels as stored"),
        ("20b-noisy-png", "1 of 12 has other values: p04.png (3)"),
        ("41-bad-exif", "8 images (images/p01.jpg, images/p02.png, images/p04.jpg …): damaged EXIF"),
    ],
)
def test_all_images_are_read_and_the_peculiarity_is_said(tmp_path: Path, case: str, words: str) -> None:
    report = imported(case, tmp_path)

    assert errors(report) == []
    assert words in told(report)
    manifest = report.dataset.manifest
    assert len(manifest) == 12
    shares = np.array([row[1] / sum(row) for row in manifest["pixels"]])
    assert ((shares > 0.01) & (shares < 0.2)).all()
    assert contrast(report.dataset) > 20
    assert report.dataset.read_image(manifest.iloc[0]).max() > 60  # never black


def test_indices_in_jpeg_are_refused_as_lossy(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"12 of 12 masks .*JPEG.*p00\.jpg.*lossy"):
        imported("20a-jpeg-index", tmp_path)
    assert not (tmp_path / "d").exists()


def test_several_pages_are_named_or_chosen(tmp_path: Path) -> None:
    report = imported("33-tiff-kinds", tmp_path)
    assert errors(report) == ["images/p05.tif", "images/p06.tif"]
    assert len(report.dataset.manifest) == 10
    assert "2 pages" in told(report)

    chosen = imported("33-tiff-kinds", tmp_path / "chosen", page=1)
    assert "pages" not in told(chosen)
    # The first pages of the two files are equal, their masks are not.
    assert set(chosen.faults.loc[chosen.faults["severity"] == "error", "kind"]) == {"label-conflict"}
    assert len(chosen.dataset.manifest) == 10
