"""Datasets as annotations: what a labelling tool finds in the folder, and what is left out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from annotated import random_mask, texture

from autonad.data.annotations.exporting import EXPORTS, export_annotations
from autonad.data.dataset import MANIFEST, UNLABELLED, Dataset
from autonad.data.ingest.importing import import_dataset
from autonad.data.ingest.settings import IngestSettings
from autonad.data.writer import DatasetWriter
from autonad.errors import DatasetError


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Twelve images of three classes, the last of them unlabelled."""
    root = tmp_path / "dataset"
    with DatasetWriter(root, classes=("pit", "scratch", "stain")) as writer:
        for n in range(12):
            mask = random_mask(n)
            mask[0, :3] = (1, 2, 255)
            writer.add(texture(n, *mask.shape), mask, name=f"p{n:02d}", group=f"part{n // 2}")
        writer.finish(lambda table: pd.Series(["train"] * 8 + ["val"] * 2 + ["test"] * 2))
    table = pd.read_parquet(root / MANIFEST)
    table.loc[11, ["mask", "split", "mask_sha256"]] = ["", UNLABELLED, ""]
    table.to_parquet(root / MANIFEST)
    return Dataset.open(root)


@pytest.mark.parametrize("format", EXPORTS)
def test_what_is_exported_is_the_dataset_again_with_its_parts(
    format: str, dataset: Dataset, tmp_path: Path
) -> None:
    done = export_annotations(dataset, tmp_path / "out", format)
    again = import_dataset(tmp_path / "out", tmp_path / "again", IngestSettings(format=format)).dataset

    assert (done.images, done.unlabelled) == (11, 0)
    assert again.classes == dataset.classes
    assert again.manifest["group"].tolist() == dataset.manifest["group"].tolist()[:11]
    for row, other in zip(dataset.manifest[:11].itertuples(), again.manifest.itertuples(), strict=True):
        assert np.array_equal(dataset.read_image(row), again.read_image(other))
        assert np.array_equal(dataset.read_mask(row), again.read_mask(other))


@pytest.mark.parametrize("format", EXPORTS)
def test_unlabelled_images_come_on_request_and_stay_unlabelled(
    format: str, dataset: Dataset, tmp_path: Path
) -> None:
    done = export_annotations(dataset, tmp_path / "out", format, include_unlabelled=True)
    report = import_dataset(tmp_path / "out", tmp_path / "again", IngestSettings(format=format))
    missing = report.faults[report.faults["kind"] == "missing-mask"]["item"].tolist()

    assert (done.images, done.unlabelled) == (11, 1)
    assert [Path(item).name for item in missing] == ["p11.png"]


def test_one_split_alone(dataset: Dataset, tmp_path: Path) -> None:
    done = export_annotations(dataset, tmp_path / "out", "coco", split="val")

    assert done.images == 2
    assert [path.name for path in (tmp_path / "out" / "annotations").iterdir()] == ["instances_val.json"]
    assert len(list((tmp_path / "out" / "images").iterdir())) == 2


def test_shapes_of_labelme_are_polygons_but_for_holes(dataset: Dataset, tmp_path: Path) -> None:
    export_annotations(dataset, tmp_path / "out", "labelme")
    shapes = [
        shape
        for path in (tmp_path / "out").glob("*.json")
        for shape in json.loads(path.read_text())["shapes"]
    ]

    assert {shape["shape_type"] for shape in shapes} == {"polygon", "mask"}
    assert {shape["label"] for shape in shapes} == {"pit", "scratch", "stain", "__ignore__"}
    assert all((shape["mask"] is None) == (shape["shape_type"] == "polygon") for shape in shapes)
    assert (tmp_path / "out" / "labels.txt").read_text().split() == [
        "__ignore__",
        "_background_",
        "pit",
        "scratch",
        "stain",
    ]


def test_annotations_of_coco_agree_with_pycocotools(dataset: Dataset, tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.mask")
    export_annotations(dataset, tmp_path / "out", "coco", split="train")
    document = json.loads((tmp_path / "out" / "annotations" / "instances_train.json").read_text())
    assert {annotation["iscrowd"] for annotation in document["annotations"]} == {0, 1}
    for annotation in document["annotations"]:
        image = document["images"][annotation["image_id"] - 1]
        segmentation = annotation["segmentation"]
        runs = (
            segmentation
            if isinstance(segmentation, dict) and isinstance(segmentation["counts"], str)
            else coco.frPyObjects(segmentation, image["height"], image["width"])
        )
        runs = runs if isinstance(runs, dict) else coco.merge(runs)

        assert coco.area(runs) == annotation["area"]
        assert coco.toBbox(runs).tolist() == annotation["bbox"]


def test_nothing_is_overwritten(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("kept")

    with pytest.raises(DatasetError, match="not empty"):
        export_annotations(dataset, tmp_path / "out", "coco")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(("format", "split"), [("yolo", None), ("coco", "nowhere")])
def test_what_cannot_be_exported_is_refused(
    dataset: Dataset, tmp_path: Path, format: str, split: str | None
) -> None:
    with pytest.raises(DatasetError, match=r"yolo|nowhere"):
        export_annotations(dataset, tmp_path / "out", format, split=split)
