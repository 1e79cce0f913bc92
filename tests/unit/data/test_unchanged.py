"""What is read is what the manifest names, also when files were replaced behind its back."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from autonad.data import unchanged
from autonad.data.dataset import Dataset
from autonad.data.synthetic.generator import synthesize
from autonad.data.unchanged import require_unchanged
from autonad.errors import DatasetError


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    synthesize(tmp_path / "data", num_images=9, size=(32, 32), classes=("crack",), materials=("steel",))
    return Dataset.open(tmp_path / "data")


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files whose content is looked at."""
    found: list[Path] = []
    real = unchanged.sha256_file
    monkeypatch.setattr(unchanged, "sha256_file", lambda path: (found.append(path), real(path))[1])
    return found


def test_what_nobody_touched_is_not_read(dataset: Dataset, hashed: list[Path]) -> None:
    require_unchanged(dataset, dataset.manifest)
    assert len(hashed) <= 2  # within one tick of the clock


def test_copies_are_compared_once(dataset: Dataset, hashed: list[Path], tmp_path: Path) -> None:
    copy = Dataset.open(shutil.copytree(dataset.root, tmp_path / "copy"))
    os.replace(copy.root / "manifest.parquet", tmp_path / "aside")
    os.replace(tmp_path / "aside", copy.root / "manifest.parquet")
    for row in copy.manifest.itertuples():
        os.chmod(copy.root / row.mask, 0o600)

    require_unchanged(copy, copy.manifest)
    assert {path.parent.name for path in hashed} == {"masks"}
    count = len(hashed)
    assert count == 9
    require_unchanged(copy, copy.manifest)
    assert len(hashed) == count


def empty(path: Path) -> None:
    cv2.imwrite(str(path), np.zeros((32, 32), np.uint8))


def backdated(path: Path) -> None:
    """As `cp -p` and `tar` leave it."""
    empty(path)
    os.utime(path, (1, 1))


@pytest.mark.parametrize("replace", [empty, backdated])
@pytest.mark.parametrize("column", ["image", "mask"])
def test_a_replaced_file_is_refused(dataset: Dataset, replace: Callable[[Path], None], column: str) -> None:
    for name in dataset.manifest[column].iloc[[2, 5]]:
        replace(dataset.root / name)
    first = dataset.manifest[column].iloc[2]
    with pytest.raises(DatasetError, match=f"{first} and 1 more in dataset .* is not the file"):
        require_unchanged(dataset, dataset.manifest)
    require_unchanged(dataset, dataset.manifest.iloc[[0, 1]])
