"""Small inputs of users in the formats of labelling tools: generated counterparts, and the folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from annotated import labelme_file, save, texture, write_json
from rooms import ROOT

from autonad.data.dataset import Dataset
from autonad.data.ingest.importing import ImportReport, import_dataset
from autonad.data.ingest.settings import IngestSettings
from autonad.errors import DatasetError

CASES = ROOT.parent / "shared" / "cases"


def imported(format: str, source: Path, output: Path) -> ImportReport:
    return import_dataset(source, output, IngestSettings(format=format))


def case(name: str) -> Path:
    if not (CASES / name).is_dir():
        pytest.skip(f"the case {name} is not there")
    return CASES / name


def boxes(dataset: Dataset) -> dict[str, list[int]]:
    """Rows and columns of the defects by image: top, left, bottom, right, the ends included."""
    found = {}
    for _, row in dataset.manifest.iterrows():
        where = np.argwhere(dataset.read_mask(row) == 1)
        found[Path(row["image"]).stem] = [*where.min(axis=0).tolist(), *where.max(axis=0).tolist()]
    return found


def labelme_case(root: Path) -> Path:
    corners = [((0, 37), (11, 46)), ((10, 52), (21, 61)), ((26, 7), (37, 16))]
    for n, points in enumerate(corners):
        save(root / f"p{n}.png", texture(n, 64, 64))
        shape = {"label": "pit", "shape_type": "rectangle", "points": points}
        labelme_file(root / f"p{n}.json", f"p{n}.png", [shape], (64, 64))
    return root


def yolo_case(root: Path) -> Path:
    for number, split in enumerate(("train", "valid")):
        for n in range(3):
            save(root / split / "images" / f"p{n}.png", texture(10 * number + n, 64, 64))
            text = root / split / "labels" / f"p{n}.txt"
            text.parent.mkdir(parents=True, exist_ok=True)
            text.write_text("0 0.1 0.1 0.5 0.1 0.5 0.5\n")
    (root / "data.yaml").write_text("names: [pit]\n")
    return root


def test_labelme_json_beside_its_images(tmp_path: Path) -> None:
    report = imported("labelme", labelme_case(tmp_path / "in"), tmp_path / "out")

    assert not report.has_errors
    assert report.dataset.classes == ("background", "pit")
    assert boxes(report.dataset) == {"p0": [37, 0, 45, 10], "p1": [52, 10, 60, 20], "p2": [7, 26, 15, 36]}


def test_the_case_labelme_json(tmp_path: Path) -> None:
    report = imported("labelme", case("21-labelme-json"), tmp_path / "out")

    assert not report.has_errors
    assert boxes(report.dataset) == boxes(
        imported("labelme", labelme_case(tmp_path / "in"), tmp_path / "own").dataset
    )


def check_yolo(report: ImportReport) -> None:
    assert not report.has_errors
    assert len(report.dataset.manifest) == 6
    for _, row in report.dataset.manifest.iterrows():
        mask = report.dataset.read_mask(row) == 1
        assert abs(int(mask.sum()) - 25.6**2 / 2) < 26  # the triangle's area, within its outline
        assert mask[8, 20]
        assert not mask[20, 8]


def test_yolo_with_a_folder_per_split(tmp_path: Path) -> None:
    check_yolo(imported("yolo", yolo_case(tmp_path / "in"), tmp_path / "out"))


def test_the_case_yolo(tmp_path: Path) -> None:
    check_yolo(imported("yolo", case("21b-yolo-seg"), tmp_path / "out"))


def test_coco_in_the_folder_of_a_split(tmp_path: Path) -> None:
    for n, name in enumerate("abc"):
        save(tmp_path / "in" / "train" / f"{name}.png", texture(n, 64, 64))
    document = {
        "images": [{"id": n, "file_name": f"{name}.png"} for n, name in enumerate("abc")],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 1, "segmentation": [[2, 3, 12, 3, 12, 9, 2, 9]]}
            for n in range(3)
        ],
        "categories": [{"id": 1, "name": "pit"}],
    }
    write_json(tmp_path / "in" / "train" / "_annotations.coco.json", document)
    report = imported("coco", tmp_path / "in", tmp_path / "out")

    assert not report.has_errors
    assert boxes(report.dataset) == {name: [3, 2, 8, 11] for name in "abc"}


def test_a_coco_file_without_content_is_named(tmp_path: Path) -> None:
    save(tmp_path / "in" / "train" / "a.png", texture(0, 64, 64))
    write_json(tmp_path / "in" / "train" / "_annotations.coco.json", {})

    with pytest.raises(DatasetError, match=r"train/_annotations\.coco\.json: .*lacks the lists images"):
        imported("coco", tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_case_coco(tmp_path: Path) -> None:
    """Its file holds nothing, so that there is nothing to read but its name."""
    with pytest.raises(DatasetError, match=r"train/_annotations\.coco\.json"):
        imported("coco", case("21c-coco"), tmp_path / "out")
