from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autonad.data.dataset import Dataset, check_classes
from autonad.errors import DatasetError


def test_rows_read_back_as_the_manifest_says(synthetic: Dataset) -> None:
    assert synthetic.classes[0] == "background"
    assert synthetic.num_classes == 5
    for row in synthetic.manifest.itertuples():
        image, mask = synthetic.read_image(row), synthetic.read_mask(row)
        assert image.shape == (row.height, row.width, 3)
        counts = np.bincount(mask.ravel(), minlength=5)
        np.testing.assert_array_equal(counts, row.pixels)


def test_rows_of_every_kind_and_paths_are_read_alike(synthetic: Dataset) -> None:
    series = synthetic.manifest.iloc[0]
    expected = synthetic.read_mask(series)
    for row in (
        next(synthetic.manifest.itertuples()),
        series.to_dict(),
        series["mask"],
        Path(series["mask"]),
    ):
        np.testing.assert_array_equal(synthetic.read_mask(row), expected)


def test_splits_are_disjoint_and_complete(synthetic: Dataset) -> None:
    parts = [set(synthetic.split(name)["image"]) for name in ("train", "val", "test")]
    assert sum(map(len, parts)) == len(set.union(*parts)) == len(synthetic.manifest)
    with pytest.raises(DatasetError, match="no images in split 'extra'; it has test, train, val"):
        synthetic.split("extra")


def test_fingerprint_sees_content_and_not_order(fresh: Dataset) -> None:
    before = fresh.fingerprint
    path = fresh.root / "manifest.parquet"
    fresh.manifest.iloc[::-1].to_parquet(path, index=False)
    assert Dataset.open(fresh.root).fingerprint == before
    assert Dataset(fresh.root, fresh.classes, fresh.manifest.iloc[::-1], {}).fingerprint == before
    assert Dataset(fresh.root, fresh.classes[::-1], fresh.manifest, {}).fingerprint != before
    for column, value in (
        ("sha256", "0" * 64),
        ("mask_sha256", "0" * 64),
        ("split", "other"),
        ("group", "x"),
    ):
        changed = fresh.manifest.copy()
        changed.loc[0, column] = value
        changed.to_parquet(path, index=False)
        assert Dataset.open(fresh.root).fingerprint != before, column


def test_missing_and_foreign_folders_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="does not exist"):
        Dataset.open(tmp_path / "none")
    with pytest.raises(DatasetError, match="is no dataset"):
        Dataset.open(tmp_path)


def test_empty_dataset_is_refused(fresh: Dataset) -> None:
    fresh.manifest.iloc[:0].to_parquet(fresh.root / "manifest.parquet", index=False)
    with pytest.raises(DatasetError, match="holds no images"):
        Dataset.open(fresh.root)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: (root / "manifest.parquet").write_bytes(b"PAR1 broken"), "cannot be read"),
        (lambda root: (root / "classes.json").write_text("{"), "cannot be read"),
        (lambda root: (root / "classes.json").write_text('{"classes": [1]}'), "must hold"),
        (lambda root: (root / "classes.json").write_text('["background", "a"]'), "counts pixels of"),
    ],
)
def test_damaged_files_are_named(fresh: Dataset, damage, message: str) -> None:
    damage(fresh.root)
    with pytest.raises(DatasetError, match=message):
        Dataset.open(fresh.root)


def test_manifest_without_a_column_is_refused(fresh: Dataset) -> None:
    fresh.manifest.drop(columns=["group"]).to_parquet(fresh.root / "manifest.parquet", index=False)
    with pytest.raises(DatasetError, match="it has no column group"):
        Dataset.open(fresh.root)


@pytest.mark.parametrize("path", ["../outside.png", "/etc/passwd"])
def test_manifest_cannot_point_outside(fresh: Dataset, path: str) -> None:
    fresh.manifest.loc[0, "image"] = path
    fresh.manifest.to_parquet(fresh.root / "manifest.parquet", index=False)
    with pytest.raises(DatasetError, match="outside of the dataset"):
        Dataset.open(fresh.root)


def test_plain_list_of_classes_is_accepted(fresh: Dataset) -> None:
    (fresh.root / "classes.json").write_text(json.dumps(list(fresh.classes)))
    assert Dataset.open(fresh.root).classes == fresh.classes


def test_mask_faults_are_named(fresh: Dataset) -> None:
    row = fresh.manifest.iloc[0]
    path = fresh.root / row["mask"]
    Image.fromarray(np.full((48, 48), 9, np.uint8)).save(path)
    with pytest.raises(DatasetError, match=r"holds the values \[9\]"):
        fresh.read_mask(row)
    Image.fromarray(np.zeros((48, 40), np.uint8)).save(path)
    with pytest.raises(DatasetError, match="48 × 40 pixels, the manifest says 48 × 48"):
        fresh.read_mask(row)
    Image.fromarray(np.full((48, 48), 255, np.uint8)).save(path)
    assert (fresh.read_mask(row) == 255).all()


def test_image_of_another_size_is_named(fresh: Dataset) -> None:
    row = fresh.manifest.iloc[0]
    Image.fromarray(np.zeros((20, 48, 3), np.uint8)).save(fresh.root / row["image"])
    with pytest.raises(DatasetError, match="20 × 48 pixels"):
        fresh.read_image(row)


def test_class_names_are_checked() -> None:
    assert check_classes(["a", "b"]) == check_classes(["background", "a", "b"]) == ("background", "a", "b")
    for names in ([], ["background"], ["a", "a"], ["a", " "], [f"c{i}" for i in range(255)]):
        with pytest.raises(DatasetError):
            check_classes(names)
