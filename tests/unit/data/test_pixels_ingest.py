"""A later batch is read as the dataset was, and what contradicts that is named."""

from __future__ import annotations

import datetime
from pathlib import Path

import layouts as make
import numpy as np
import pytest
from PIL import Image

from autonad.data.audit import audit_layout
from autonad.data.dataset import Dataset
from autonad.data.ingest.extending import IngestReport, ingest_batch
from autonad.data.ingest.importing import import_dataset
from autonad.data.ingest.settings import IngestSettings
from autonad.data.pixels.pixel_options import PixelOptions
from autonad.errors import DatasetError
from autonad.storage.folder import FolderSource

DAY = datetime.date(2026, 1, 2)


def source(root: Path, numbers: range, high: int, value: int = 255) -> Path:
    """Images of 16-bit samples up to `high`, with masks of 0 and `value`."""
    for number in numbers:
        grey = make.texture(number)[..., 0].astype(np.float64)
        grey *= high / grey.max()
        make.save(root / "images" / f"{number}.png", np.round(grey).astype(np.uint16))
        make.save(root / "masks" / f"{number}.png", make.patch(value))
    return root


def extended(root: Path, batch: Path) -> IngestReport:
    return ingest_batch(root, FolderSource(batch), IngestSettings(), name="later", date=DAY)


def brightest(root: Path, name: str) -> int:
    return int(Dataset.open(root).read_image(f"images/{name}.png").max())


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A dataset of 12 bits."""
    import_dataset(source(tmp_path / "first", range(6), 4095), tmp_path / "d", IngestSettings())
    return tmp_path / "d"


def test_a_dark_batch_is_scaled_as_the_dataset_was(tmp_path: Path, dataset: Path) -> None:
    report = extended(dataset, source(tmp_path / "dark", range(10, 12), 1000))

    assert brightest(dataset, "10") == round(1000 / 4095 * 255)
    assert "as the dataset's" in " ".join(report.faults["message"])


def test_a_batch_that_exceeds_the_dataset_is_named(tmp_path: Path, dataset: Path) -> None:
    report = extended(dataset, source(tmp_path / "bright", range(10, 12), 6000))

    message = " ".join(report.faults[report.faults["kind"] == "reading"]["message"])
    assert "which these exceed" in message
    assert "images/1" in message


def test_a_batch_that_the_scale_of_the_dataset_cuts_off_is_refused(tmp_path: Path, dataset: Path) -> None:
    with pytest.raises(DatasetError, match=r"images/1\d\.png .*cut these off.*--bit-depth, such as 16"):
        extended(dataset, source(tmp_path / "bright", range(10, 12), 60000))
    assert len(Dataset.open(dataset).manifest) == 6


def test_a_first_batch_without_a_reading_decides_for_itself(tmp_path: Path) -> None:
    first = tmp_path / "first"
    for number in range(6):
        make.save(first / "images" / f"{number}.png", make.texture(number))
        make.save(first / "masks" / f"{number}.png", make.patch(255))
    import_dataset(first, tmp_path / "d", IngestSettings())
    extended(tmp_path / "d", source(tmp_path / "deep", range(10, 12), 4095))

    assert brightest(tmp_path / "d", "10") == 255
    with Image.open(tmp_path / "d" / "images" / "10.png") as image:
        assert image.mode == "RGB"
    extended(tmp_path / "d", source(tmp_path / "dark", range(20, 22), 1000))
    assert brightest(tmp_path / "d", "20") == round(1000 / 4095 * 255)


def test_stated_values_hold_for_later_batches(tmp_path: Path) -> None:
    stated = PixelOptions(mask_values={0: "background", 60: "crack"})
    root = tmp_path / "d"
    import_dataset(source(tmp_path / "a", range(6), 4095, 60), root, IngestSettings(pixels=stated))
    report = extended(root, source(tmp_path / "b", range(10, 12), 4095, 60))

    assert not (report.faults["severity"] == "error").any()
    assert np.array_equal(Dataset.open(root).read_mask("masks/10.png"), make.patch(1))


def test_palettes_and_alpha_are_written_as_indices(tmp_path: Path, dataset: Path) -> None:
    batch = source(tmp_path / "b", range(10, 13), 4095)
    for number in range(10, 13):
        mask = np.zeros((48, 48, 4), np.uint8)
        mask[..., 3] = make.patch(255)
        make.save(batch / "masks" / f"{number}.png", mask)
    extended(dataset, batch)

    for number in range(10, 13):
        assert np.array_equal(Dataset.open(dataset).read_mask(f"masks/{number}.png"), make.patch(1))


def test_an_audit_says_what_an_import_says(tmp_path: Path) -> None:
    folder = source(tmp_path / "s", range(6), 4095)
    (folder / "images" / "2.png").write_bytes(b"broken")
    report = import_dataset(folder, tmp_path / "d", IngestSettings())
    audit = audit_layout(folder, IngestSettings())

    def shown(kind: str, faults: object) -> list[str]:
        table = faults[faults["kind"] == kind]  # type: ignore[index]
        return table["message"].tolist()

    assert report.reading == audit.reading
    for kind in ("reading", "unreadable"):
        assert shown(kind, report.faults) == shown(kind, audit.faults) != []
