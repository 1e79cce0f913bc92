"""Cases that users reported about groups and splits, generated; and their own files where present."""

from __future__ import annotations

from pathlib import Path

import fixed_camera as camera
import numpy as np
import pandas as pd
import pytest

from autonad.data.audit import audit_dataset
from autonad.data.images import encode_png, read_mask
from autonad.data.ingest.importing import ImportReport, import_dataset
from autonad.data.ingest.settings import IngestSettings, PartOptions

CASES = Path(__file__).parents[3] / ".." / "shared" / "cases"


def imported(source: Path, tmp_path: Path, **options: object) -> ImportReport:
    settings = IngestSettings(format="masks", include_defect_free=True, parts=PartOptions(**options))  # type: ignore[arg-type]
    return import_dataset(source, tmp_path / "dataset", settings)


def case(name: str) -> Path:
    if not (CASES / name).is_dir():
        pytest.skip("the cases are not here")
    return CASES / name


def kinds(report: ImportReport, severity: str = "warning") -> set[str]:
    return set(report.faults.loc[report.faults["severity"] == severity, "kind"])


def shares(report: ImportReport) -> list[float]:
    counts = report.dataset.manifest["split"].value_counts(normalize=True)
    return [float(counts.get(split, 0)) for split in ("train", "val", "test")]


def texture(make: int) -> np.ndarray:
    rng = np.random.default_rng(make)
    return np.repeat(rng.integers(0, 255, (48, 48, 1), dtype=np.uint8), 3, axis=2)


def own_split(root: Path, splits: dict[str, int]) -> Path:
    """images/{split}/{split}<n>.png, different images, each with a defect."""
    mask = np.zeros((48, 48), np.uint8)
    mask[10:20, 10:20] = 255
    for number, (split, count) in enumerate(splits.items()):
        for n in range(count):
            for folder, array in (("images", texture(100 * number + n)), ("masks", mask)):
                path = root / folder / split / f"{split}{n}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(encode_png(array))
    return root


# -- a fixed camera ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("groups", [True, False])
def test_parts_at_a_fixed_camera_stay_apart(tmp_path: Path, groups: bool) -> None:
    report = imported(camera.write(tmp_path / "s", 150, groups=groups, clean_from=120), tmp_path)
    manifest = report.dataset.manifest
    assert len(manifest) == 150
    assert manifest["group"].nunique() >= (150 if groups else 148)
    assert shares(report) == pytest.approx([0.6, 0.2, 0.2], abs=0.02)
    assert not report.has_errors
    assert "joined-groups" not in kinds(report)


def test_copies_of_parts_at_a_fixed_camera_are_joined(tmp_path: Path) -> None:
    source = camera.write(tmp_path / "s", 60, groups=True)
    picture, mask = camera.part(7)
    image = camera.taken(picture, 7)
    copy = np.ascontiguousarray(np.rot90(np.clip(image * 0.9 + 5, 0, 255).astype(np.uint8)))
    (source / "images" / "copy.png").write_bytes(encode_png(copy))
    (source / "masks" / "copy.png").write_bytes(encode_png(np.ascontiguousarray(np.rot90(255 * mask))))
    with (source / "groups.csv").open("a") as table:
        table.write("copy.png,other\n")
    report = imported(source, tmp_path)
    groups = report.dataset.manifest.set_index("image")["group"]
    assert groups["images/copy.png"] == groups["images/part0007.png"]
    assert groups.nunique() == 60
    assert [join.reason for join in report.joins if join.joined] == ["repeats"]

    trusted = imported(source, tmp_path / "t", trust_groups=True)
    assert trusted.dataset.manifest["group"].nunique() == 61
    assert "repeated-images" in kinds(trusted)
    assert not any(join.joined for join in trusted.joins)

    unsearched = imported(source, tmp_path / "u", near_duplicates=False)
    assert unsearched.dataset.manifest["group"].nunique() == 61
    assert unsearched.joins == ()


def test_case_42(tmp_path: Path) -> None:
    report = imported(case("42-fixed-camera"), tmp_path)
    assert (len(report.dataset.manifest), report.dataset.manifest["group"].nunique()) == (60, 60)
    assert shares(report) == pytest.approx([0.6, 0.2, 0.2], abs=0.02)
    assert not report.has_errors


# -- tables --------------------------------------------------------------------------------------------------


def test_semicolons_backslashes_and_a_byte_order_mark(tmp_path: Path) -> None:
    source = own_split(tmp_path / "s", {"a": 12})
    rows = "".join(f"images\\a\\a{n}.png;s{n // 2}\r\n" for n in range(12))
    (source / "groups.csv").write_bytes(("\ufeffImage;Group\r\n" + rows).encode())
    report = imported(source, tmp_path)
    assert report.dataset.manifest.groupby("group").size().tolist() == [2] * 6


def test_case_19a(tmp_path: Path) -> None:
    source = case("19a-semicolon")
    report = imported(source, tmp_path)
    stated = pd.read_csv(source / "groups.csv", sep=";", encoding="utf-8-sig")
    assert set(report.dataset.manifest["group"]) == set(stated["group"])
    assert not report.has_errors


# -- the user's own split ------------------------------------------------------------------------------------


def split_of(report: ImportReport) -> set[tuple[str, str]]:
    """Pairs of the folder that an image came from, as its name tells, and its split."""
    manifest = report.dataset.manifest
    folders = manifest["image"].str.extract("(train|valid|val|test)", expand=False)
    return set(zip(folders, manifest["split"], strict=True))


def test_an_own_split_is_kept_on_request_and_said_otherwise(tmp_path: Path) -> None:
    source = own_split(tmp_path / "s", {"train": 6, "valid": 3, "test": 3})
    assert split_of(imported(source, tmp_path / "own", split="own")) == {
        ("train", "train"),
        ("valid", "val"),
        ("test", "test"),
    }
    anew = imported(source, tmp_path / "new")
    assert (
        anew.faults.set_index("kind")
        .loc["own-split", "message"]
        .startswith("the source has a split of its own (6 train")
    )


def test_a_split_that_is_missing_is_dealt_out_of_train_and_said(tmp_path: Path) -> None:
    report = imported(own_split(tmp_path / "s", {"train": 12, "test": 4}), tmp_path, split="own")
    assert split_of(report) == {("train", "train"), ("train", "val"), ("test", "test")}
    assert report.dataset.manifest["split"].value_counts().to_dict() == {"train": 9, "test": 4, "val": 3}
    assert "no val" in report.faults.set_index("kind").loc["own-split", "message"]


def test_lists_are_an_own_split(tmp_path: Path) -> None:
    source = own_split(tmp_path / "s", {"all": 9})
    for split, numbers in (("train", range(5)), ("val", range(5, 7)), ("test", range(7, 9))):
        (source / f"{split}.txt").write_text("".join(f"all{n}\n" for n in numbers))
    report = imported(source, tmp_path, split="own")
    found = report.dataset.manifest.set_index("image")["split"]
    assert [found[f"images/all{n}.png"] for n in range(9)] == ["train"] * 5 + ["val"] * 2 + ["test"] * 2


def test_leaks_across_an_own_split_are_named_and_stay(tmp_path: Path) -> None:
    source = own_split(tmp_path / "s", {"train": 6, "val": 3, "test": 3})
    leak = np.ascontiguousarray(np.clip(np.rot90(texture(0)) * 0.8 + 10, 0, 255).astype(np.uint8))
    (source / "images/test/test0.png").write_bytes(encode_png(leak))
    (source / "masks/test/test0.png").write_bytes(
        encode_png(np.ascontiguousarray(np.rot90(read_mask(source / "masks/test/test0.png"))))
    )
    report = imported(source, tmp_path, split="own")
    assert split_of(report) == {("train", "train"), ("val", "val"), ("test", "test")}
    fault = report.faults.set_index("kind").loc["near-duplicate"]
    assert "images/test/test0.png" in {fault["item"]} | set(fault["message"].split())
    assert "images/train/train0.png" in {fault["item"]} | set(fault["message"].split())
    assert [join.joined for join in report.joins] == [False]
    assert not audit_dataset(report.dataset.root).has_errors


def test_case_34(tmp_path: Path) -> None:
    source = case("34-own-split")
    kept = imported(source, tmp_path / "own", split="own")
    assert all(folder == split for folder, split in split_of(kept))
    assert {split for _, split in split_of(kept)} == {"train", "val", "test"}
    assert "own-split" in kinds(imported(source, tmp_path / "new"))
