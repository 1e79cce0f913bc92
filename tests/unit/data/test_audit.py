from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

import layouts as make
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from autonad.data.audit import AuditReport, audit_dataset, audit_layout
from autonad.data.dataset import Dataset
from autonad.data.ingest.importing import import_dataset
from autonad.data.ingest.settings import IngestSettings, PartOptions
from autonad.errors import DatasetError


def kinds(report: AuditReport, severity: str) -> dict[str, int]:
    return make.kinds(report.faults, severity)


def item(report: AuditReport, kind: str) -> str:
    found = report.faults[report.faults["kind"] == kind]["item"].tolist()
    assert len(found) == 1, report.faults
    return found[0]


def save_manifest(dataset: Dataset) -> None:
    dataset.manifest.to_parquet(dataset.root / "manifest.parquet", index=False)


def test_a_sound_dataset_has_no_faults(synthetic: Dataset) -> None:
    report = audit_dataset(synthetic.root)
    assert report.faults.empty
    assert list(report.faults.columns) == ["severity", "kind", "item", "message"]
    assert report.num_images == 40
    assert not report.has_errors


def test_unreadable_mismatched_and_unknown_are_errors(fresh: Dataset) -> None:
    rows = fresh.manifest
    (fresh.root / rows["image"][0]).write_bytes(b"broken")
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(fresh.root / rows["mask"][1])
    Image.fromarray(np.full((48, 48), 77, np.uint8)).save(fresh.root / rows["mask"][2])
    (fresh.root / rows["image"][3]).unlink()
    report = audit_dataset(fresh.root)
    assert kinds(report, "error") == {"unreadable": 2, "size-mismatch": 1, "unknown-value": 1}
    assert item(report, "size-mismatch") == rows["image"][1]
    assert report.has_errors
    assert report.faults["severity"].is_monotonic_increasing  # errors come first


def test_changed_files_are_errors(fresh: Dataset) -> None:
    Image.fromarray(np.zeros((48, 48, 3), np.uint8)).save(fresh.root / fresh.manifest["image"][0])
    mask = fresh.read_mask(fresh.manifest.iloc[1])
    Image.fromarray(np.where(mask > 0, 0, 1).astype(np.uint8)).save(fresh.root / fresh.manifest["mask"][1])
    assert kinds(audit_dataset(fresh.root), "error") == {"changed": 2}


def test_copies_across_splits_are_errors(fresh: Dataset) -> None:
    rows = fresh.manifest
    a, b = rows.index[rows["split"] == "train"][0], rows.index[rows["split"] == "test"][0]
    for column in ("image", "mask"):
        shutil.copy(fresh.root / rows[column][a], fresh.root / rows[column][b])
    for column in ("sha256", "mask_sha256", "pixels"):
        rows.at[b, column] = rows.at[a, column]
    save_manifest(fresh)
    report = audit_dataset(fresh.root)
    assert kinds(report, "error") == {"duplicate": 1}
    rows.at[b, "split"] = "train"
    save_manifest(fresh)
    assert "duplicate" in kinds(audit_dataset(fresh.root), "warning")


def test_turned_copies_across_splits_are_named(tmp_path: Path) -> None:
    source = make.masks(tmp_path / "m", [1], count=8)
    make.save(source / "images" / "8.jpg", np.ascontiguousarray(np.rot90(make.texture(0))))
    make.save(source / "masks" / "8.png", np.ascontiguousarray(np.rot90(make.patch(1))))
    dataset = import_dataset(source, tmp_path / "d", IngestSettings(format="masks")).dataset
    assert kinds(audit_dataset(dataset.root), "warning") == {"joined-images": 1, "no-groups": 1}
    rows = dataset.manifest.set_index("image")
    rows.loc["images/8.jpg", ["split", "group"]] = [
        "test" if rows.at["images/0.png", "split"] == "train" else "train",
        "x",
    ]
    dataset.manifest = rows.reset_index()
    save_manifest(dataset)
    report = audit_dataset(dataset.root)
    assert item(report, "near-duplicate") in {"images/8.jpg", "images/0.png"}
    assert not report.has_errors


def test_conflicting_labels_of_one_image_are_errors(fresh: Dataset) -> None:
    rows = fresh.manifest
    shutil.copy(fresh.root / rows["image"][0], fresh.root / rows["image"][1])
    rows.loc[1, ["sha256", "split"]] = [rows["sha256"][0], rows["split"][0]]
    save_manifest(fresh)
    report = audit_dataset(fresh.root)
    assert kinds(report, "error") == {"label-conflict": 1}
    assert item(report, "label-conflict") == rows["image"][1]


def test_divided_groups_are_errors_and_mixed_ones_warnings(fresh: Dataset) -> None:
    rows = fresh.manifest
    shows = [tuple(np.flatnonzero(np.array(pixels) > 0)) for pixels in rows["pixels"]]
    train = rows.index[rows["split"] == "train"]
    other = next(i for i in train if shows[i] != shows[train[0]])
    rows.loc[[train[0], other], "group"] = "mixed"
    test = rows.index[rows["split"] == "test"][0]
    rows.loc[[train[-1], test], "group"] = "divided"
    save_manifest(fresh)
    report = audit_dataset(fresh.root)
    assert item(report, "divided-group") == "group divided"
    assert "group mixed" in set(report.faults[report.faults["kind"] == "mixed-group"]["item"])


def test_missing_classes_and_empty_splits_are_warnings(fresh: Dataset) -> None:
    fresh.manifest = fresh.manifest[fresh.manifest["split"] != "val"]
    save_manifest(fresh)
    assert kinds(audit_dataset(fresh.root), "warning")["empty-split"] == 1
    rows = fresh.manifest[fresh.manifest["split"] == "test"]
    fresh.manifest = fresh.manifest.drop(rows.index[1:])
    save_manifest(fresh)
    assert kinds(audit_dataset(fresh.root), "warning")["missing-class"] >= 1


def test_known_faults_of_published_sets_are_warnings(tmp_path: Path) -> None:
    source = make.mt(tmp_path / "mt")
    table = pd.read_csv(source / "groups.csv").replace({"group": {"Break0": "Free0"}})
    table.to_csv(source / "groups.csv", index=False)
    report = audit_layout(source, IngestSettings(format="mt"))
    known = {"grey-masks": 1, "empty-mask": 1, "mixed-group": 1}
    assert kinds(report, "warning") == {**known, "uneven-split": 1}
    assert item(report, "mixed-group") == "group Free0"
    assert report.num_images == 36
    assert not report.has_errors
    imported = import_dataset(source, tmp_path / "d", IngestSettings(format="mt"))
    assert kinds(imported, "warning") == kinds(report, "warning")
    assert kinds(audit_dataset(imported.dataset.root), "warning") == known


def test_copies_across_published_splits_are_counted(tmp_path: Path) -> None:
    report = audit_layout(make.neu_seg(tmp_path / "s"), IngestSettings(format="neu-seg"))
    assert not report.has_errors
    message = report.faults.set_index("kind").loc["near-duplicate", "message"]
    assert message.startswith("4 pairs")


@pytest.mark.parametrize("split", ["new", "own"])
def test_a_layout_is_split_as_its_import_will_be(tmp_path: Path, split: Literal["new", "own"]) -> None:
    source = make.neu_seg(tmp_path / "s")
    settings = IngestSettings(format="neu-seg", parts=PartOptions(split=split))
    report, imported = audit_layout(source, settings), import_dataset(source, tmp_path / "d", settings)
    assert report.rows["split"].value_counts().to_dict() == (
        imported.dataset.manifest["split"].value_counts().to_dict()
    )
    about_splits = {"own-split", "divided-group", "empty-split", "missing-class", "uneven-split"}
    assert [set(one.faults["kind"]) & about_splits for one in (report, imported)] == [
        {"own-split"},
        {"own-split"},
    ]


def test_too_few_parts_are_an_error_before_the_import(tmp_path: Path) -> None:
    report = audit_layout(make.masks(tmp_path / "m", [1], 2), IngestSettings(format="masks"))
    assert kinds(report, "error") == {"too-few-parts": 1}


def test_a_layout_is_audited_without_being_changed(tmp_path: Path) -> None:
    source = make.masks(tmp_path / "m", [1, 2, 0])
    make.save(source / "masks" / "1.png", make.patch(1, 9, 9))
    before = {p: p.read_bytes() for p in source.rglob("*.png")}
    report = audit_layout(source, IngestSettings(format="masks"))
    assert kinds(report, "error") == {"size-mismatch": 1}
    assert kinds(report, "warning") == {"no-groups": 1, "missing-class": 1}
    assert {p: p.read_bytes() for p in source.rglob("*.png")} == before
    assert list(tmp_path.iterdir()) == [source]


def test_what_is_no_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is no dataset"):
        audit_dataset(tmp_path)
