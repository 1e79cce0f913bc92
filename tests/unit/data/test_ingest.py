"""Ingesting batches from folders: what is added, where it goes, and what happens the second time."""

from __future__ import annotations

import datetime
import errno
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from autonad.appearance.batches import newest
from autonad.data.audit import audit_dataset
from autonad.data.dataset import UNLABELLED, Dataset
from autonad.data.ingest.extending import IngestReport, ingest_batch
from autonad.data.ingest.settings import IngestSettings, PartOptions
from autonad.data.writer import DatasetWriter
from autonad.errors import DatasetError, StorageError
from autonad.storage.folder import FolderSource

DAY = datetime.date(2025, 3, 1)
CLASSES = ("crack", "stain")
SETTINGS = IngestSettings()
Texture = Callable[..., np.ndarray]


def patch(value: int, side: int = 48) -> np.ndarray:
    mask = np.zeros((side, side), np.uint8)
    mask[10:22, 8:30] = value
    return mask


class Batch:
    """A folder of images and masks to be filled."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "images").mkdir(parents=True)

    def image(self, name: str, image: np.ndarray) -> Path:
        path = self.root / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
        return path

    def mask(self, name: str, mask: np.ndarray) -> Path:
        path = self.root / "masks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(path)
        # Files that are written within one tick of the clock would have one version.
        stamp = path.stat().st_mtime_ns + 10**9 * (1 + len(list(self.root.rglob("*"))))
        os.utime(path, ns=(stamp, stamp))
        return path

    def groups(self, **groups: str) -> None:
        lines = "".join(f"images/{name}.png,{group}\n" for name, group in groups.items())
        (self.root / "groups.csv").write_text("image,group\n" + lines)


@pytest.fixture
def dataset(tmp_path: Path, make_texture: Texture) -> Path:
    """Twelve parts of two classes; train, val and test have all."""
    root = tmp_path / "dataset"
    with DatasetWriter(root, classes=CLASSES) as writer:
        for number in range(12):
            writer.add(
                make_texture(number), patch(1 + number % 2), name=f"old{number:02d}", group=f"p{number}"
            )
        splits = ["train"] * 8 + ["val"] * 2 + ["test"] * 2
        writer.finish(lambda table: pd.Series(splits))
    return root


@pytest.fixture
def batch(tmp_path: Path) -> Batch:
    return Batch(tmp_path / "batch")


def ingest(dataset: Path, batch: Batch, name: str | None = None, **settings: object) -> IngestReport:
    return ingest_batch(
        dataset,
        FolderSource(batch.root),
        replace(SETTINGS, **settings),
        name=name,
        date=DAY,  # type: ignore[arg-type]
    )


def rows(dataset: Path) -> pd.DataFrame:
    return Dataset.open(dataset).manifest.set_index("image")


def kinds(report: IngestReport) -> list[str]:
    return [kind for kind in report.faults["kind"] if kind != "no-groups"]


def contents(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def without_links(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """A file system on which no file has two names."""

    def refuse(source: Path, target: Path) -> None:
        raise OSError(number, os.strerror(number), str(source), None, str(target))

    monkeypatch.setattr(os, "link", refuse)


# -- adding ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_hard_links_gets_the_same_dataset(
    dataset: Path, batch: Batch, make_texture: Texture, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    for name, value in (("a", 1), ("b", 2)):
        batch.image(f"{name}.png", make_texture(50 + value))
        batch.mask(f"crack/{name}.png", patch(255))
    copy = Path(shutil.copytree(dataset, dataset.with_name("copy")))
    ingest(dataset, batch)
    without_links(monkeypatch, number)
    ingest(copy, batch)

    assert contents(copy) == contents(dataset)


def test_a_disk_that_refuses_a_link_is_named(
    dataset: Path, batch: Batch, make_texture: Texture, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch.image("a.png", make_texture(50))
    before = contents(dataset)
    without_links(monkeypatch, errno.ENOSPC)

    with pytest.raises(StorageError, match="No space left on device; free"):
        ingest(dataset, batch)
    assert {name: content for name, content in contents(dataset).items() if name in before} == before


def test_a_batch_is_added_and_the_old_rows_stay(dataset: Path, batch: Batch, make_texture: Texture) -> None:
    before, files = rows(dataset), contents(dataset / "images")
    for number in range(5):
        batch.image(f"n{number}.png", make_texture(100 + number))
        batch.mask(f"n{number}.png", patch(1 + number % 2))
    report = ingest(dataset, batch)
    after = rows(dataset)
    pd.testing.assert_frame_equal(after.loc[before.index], before)
    assert {name: contents(dataset / "images")[name] for name in files} == files
    new = after.drop(before.index)
    assert sorted(new.index) == [f"images/n{number}.png" for number in range(5)]
    assert set(new["batch"]) == {"2025-03-01"}
    assert set(new["split"]) <= {"train", "val", "test"}
    for image, row in new.iterrows():
        opened = report.dataset
        assert np.array_equal(opened.read_mask(row), patch(int(np.argmax([0, *row["pixels"][1:]]))))
        assert (dataset / str(image)).read_bytes() == (batch.root / str(image)).read_bytes()
    assert report.batch.images == report.batch.labelled == 5
    assert audit_dataset(dataset).has_errors is False
    assert not (dataset / ".ingest").exists()
    assert json.loads((dataset / "batches.json").read_text())[0]["images"] == 5


def test_new_parts_are_dealt_out_towards_the_fractions_of_the_whole(
    dataset: Path, batch: Batch, make_texture: Texture
) -> None:
    for number in range(28):
        batch.image(f"n{number:02d}.png", make_texture(100 + number))
        batch.mask(f"n{number:02d}.png", patch(1 + number % 2))
    ingest(dataset, batch)
    assert dict(rows(dataset)["split"].value_counts()) == {"train": 24, "val": 8, "test": 8}


def test_equal_batches_give_equal_datasets(
    dataset: Path, batch: Batch, make_texture: Texture, tmp_path: Path
) -> None:
    for number in range(9):
        batch.image(f"n{number}.png", make_texture(100 + number))
        batch.mask(f"n{number}.png", patch(1 + number % 2))
    other = Path(shutil.copytree(dataset, tmp_path / "other"))
    ingest(dataset, batch)
    ingest(other, batch)
    assert contents(dataset) == contents(other)


def test_jpeg_is_kept_and_tiff_becomes_png(dataset: Path, batch: Batch, make_texture: Texture) -> None:
    jpeg = batch.image("a.jpg", make_texture(100))
    batch.image("b.tif", make_texture(101))
    for name in ("a", "b"):
        batch.mask(f"{name}.png", patch(1))
    ingest(dataset, batch)
    assert (dataset / "images/a.jpg").read_bytes() == jpeg.read_bytes()
    assert np.array_equal(Dataset.open(dataset).read_image("images/b.png"), make_texture(101))
    assert ingest(dataset, batch).is_new is False


def test_names_that_are_taken_stay_with_their_owners(
    dataset: Path, batch: Batch, make_texture: Texture
) -> None:
    before = (dataset / "images/old00.png").read_bytes()
    batch.image("old00.png", make_texture(100))
    batch.image("sub/old00.png", make_texture(101))
    batch.mask("old00.png", patch(1))
    batch.mask("sub/old00.png", patch(2))
    ingest(dataset, batch, name="b1")
    assert (dataset / "images/old00.png").read_bytes() == before
    new = rows(dataset).query("batch == 'b1'")
    assert len(new) == 2
    assert [np.flatnonzero(pixels[1:]).tolist() for pixels in new["pixels"]] == [[0], [1]]


def test_binary_masks_of_one_class_and_class_folders(
    tmp_path: Path, dataset: Path, batch: Batch, make_texture: Texture
) -> None:
    batch.image("a.png", make_texture(100))
    batch.mask("crack/a.png", patch(255))
    batch.mask("stain/a.png", patch(255)[::-1].copy())
    ingest(dataset, batch)
    mask = Dataset.open(dataset).read_mask("masks/a.png")
    expected = patch(1)
    expected[patch(1)[::-1] > 0] = 2
    expected[(patch(1) > 0) & (patch(1)[::-1] > 0)] = 255
    assert np.array_equal(mask, expected)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([255], 1), ([1], 1), ([1, 255], 1), ([200, 255], 1)],
    ids=["binary", "index", "ones in some, 255 in others", "grey"],
)
def test_what_masks_of_a_single_class_mean_is_told_from_all_of_them(
    tmp_path: Path, batch: Batch, make_texture: Texture, values: list[int], expected: int
) -> None:
    """As import-data reads them: 255 is "ignore" only beside ones in one mask."""
    root = tmp_path / "single"
    with DatasetWriter(root, classes=["defect"]) as writer:
        for number in range(6):
            writer.add(make_texture(number), patch(1), name=f"o{number}", group=f"p{number}")
        writer.finish(lambda table: pd.Series(["train", "train", "train", "train", "val", "test"]))
    for number, value in enumerate(values):
        batch.image(f"n{number}.png", make_texture(100 + number))
        batch.mask(f"n{number}.png", patch(value))
    ingest(root, batch, include_defect_free=True)
    last = Dataset.open(root).read_mask(f"masks/n{len(values) - 1}.png")
    assert np.array_equal(last, patch(expected))


def test_binary_masks_cannot_tell_two_classes(dataset: Path, batch: Batch, make_texture: Texture) -> None:
    before = contents(dataset)
    batch.image("a.png", make_texture(100))
    batch.mask("a.png", patch(255))
    with pytest.raises(DatasetError, match="0 and 255 only, which cannot tell 2 classes"):
        ingest(dataset, batch)
    assert {k: v for k, v in contents(dataset).items() if not k.startswith(".ingest")} == before


# -- repeating ---------------------------------------------------------------------------------------------


def test_a_repeat_does_nothing_and_fetches_nothing(
    dataset: Path, batch: Batch, make_texture: Texture
) -> None:
    batch.image("a.png", make_texture(100))
    batch.mask("a.png", patch(1))
    ingest(dataset, batch)
    before = contents(dataset)
    report = ingest(dataset, batch)
    assert (report.is_new, report.fetched, report.batch.name) == (False, 0, "2025-03-01")
    assert contents(dataset) == before


def test_only_what_is_new_is_fetched(dataset: Path, batch: Batch, make_texture: Texture) -> None:
    for number in range(4):
        batch.image(f"a{number}.png", make_texture(100 + number))
        batch.mask(f"a{number}.png", patch(1))
    assert ingest(dataset, batch).fetched == 8
    batch.image("b.png", make_texture(200))
    batch.mask("b.png", patch(2))
    report = ingest(dataset, batch)
    assert (report.fetched, report.batch.images, report.batch.name) == (2, 1, "2025-03-01-2")


def test_copies_are_skipped_wherever_they_come_from(
    dataset: Path, batch: Batch, make_texture: Texture
) -> None:
    batch.image("copy.png", make_texture(0))  # the pixels of old00
    batch.mask("copy.png", patch(1))
    batch.image("new.png", make_texture(100))
    batch.image("again.png", make_texture(100))
    for name in ("new.png", "again.png"):
        batch.mask(name, patch(2))
    report = ingest(dataset, batch)
    assert (report.batch.images, report.batch.copies) == (1, 2)
    assert len(rows(dataset)) == 13


def test_a_copy_with_another_mask_goes_to_quarantine(
    dataset: Path, batch: Batch, make_texture: Texture
) -> None:
    batch.image("copy.png", make_texture(0))
    batch.mask("copy.png", patch(2))
    before = rows(dataset)
    report = ingest(dataset, batch, name="b")
    assert kinds(report) == ["label-conflict"]
    assert report.faults["severity"].tolist() == ["error"]
    pd.testing.assert_frame_equal(rows(dataset), before)
    reasons = pd.read_csv(dataset / "quarantine/reasons.csv")
    assert list(reasons["item"]) == ["b/images/copy.png", "b/masks/copy.png"]
    assert (dataset / "quarantine" / reasons["file"][1]).read_bytes() == (
        batch.root / "masks/copy.png"
    ).read_bytes()
    assert ingest(dataset, batch).is_new is False


def test_two_masks_of_one_new_image_keep_both_apart_until_one_is_gone(
    dataset: Path, batch: Batch, make_texture: Texture
) -> None:
    for name, value in (("a.png", 1), ("again.png", 1), ("b.png", 2), ("late.png", 1)):
        batch.image(name, make_texture(100))
        batch.mask(name, patch(value))
    batch.image("other.png", make_texture(101))
    batch.mask("other.png", patch(1))
    report = ingest(dataset, batch, name="b")
    assert kinds(report) == ["label-conflict"] * 4
    counts = report.batch
    assert (counts.images, counts.labelled, counts.copies, counts.quarantined) == (1, 1, 0, 4)
    assert set(rows(dataset).query("batch == 'b'").index) == {"images/other.png"}
    assert not (dataset / "images/a.png").exists()
    message = report.faults.set_index("item")["message"]
    assert "images/b.png" in message["images/a.png"]
    assert "images/a.png" in message["images/b.png"]
    assert len(pd.read_csv(dataset / "quarantine/reasons.csv")) == 8
    assert ingest(dataset, batch).is_new is False
    for folder in ("images", "masks"):
        (batch.root / folder / "b.png").unlink()
    decided = ingest(dataset, batch, name="c")
    assert kinds(decided) == []
    assert (decided.batch.images, decided.batch.copies) == (1, 2)


def test_two_masks_of_an_image_that_waits_leave_it_waiting(
    dataset: Path, batch: Batch, make_texture: Texture
) -> None:
    batch.image("a.png", make_texture(100))
    batch.image("b.png", make_texture(101))
    batch.mask("b.png", patch(1))
    ingest(dataset, batch)
    before = rows(dataset)
    batch.mask("a.png", patch(1))
    batch.image("c.png", make_texture(100))
    batch.mask("c.png", patch(2))
    report = ingest(dataset, batch)
    assert kinds(report) == ["label-conflict"] * 2
    pd.testing.assert_frame_equal(rows(dataset), before)
    assert report.batch.upgraded == 0


def test_a_mask_that_changes_at_its_source_relabels(
    dataset: Path, batch: Batch, make_texture: Texture
) -> None:
    batch.image("a.png", make_texture(100))
    batch.mask("a.png", patch(1))
    ingest(dataset, batch)
    split = rows(dataset).loc["images/a.png", "split"]
    old = (dataset / "masks/a.png").read_bytes()
    batch.mask("a.png", patch(2))
    report = ingest(dataset, batch)
    assert kinds(report) == ["relabelled"]
    assert (report.batch.relabelled, report.batch.images, report.fetched) == (1, 0, 1)
    row = rows(dataset).loc["images/a.png"]
    assert row["split"] == split
    assert np.array_equal(Dataset.open(dataset).read_mask(row), patch(2))
    assert not (dataset / "masks/a.png").exists()  # nothing was written in place, and nothing is lost
    assert old in contents(dataset / "quarantine").values()
    assert audit_dataset(dataset).has_errors is False


def test_an_image_that_changes_at_its_source_is_a_new_one_of_the_same_part(
    dataset: Path, batch: Batch, make_texture: Texture
) -> None:
    batch.image("a.png", make_texture(100))
    batch.mask("a.png", patch(1))
    ingest(dataset, batch)
    batch.image("a.png", np.flipud(make_texture(7000)))
    os.utime(batch.root / "images/a.png", ns=(1, 1))
    report = ingest(dataset, batch)
    assert kinds(report) == ["new-version"]
    new = rows(dataset).query("batch != 'initial'")
    assert len(new) == 2
    assert new["group"].nunique() == new["split"].nunique() == 1


def test_a_file_that_was_only_touched_changes_nothing(
    dataset: Path, batch: Batch, make_texture: Texture
) -> None:
    path = batch.image("a.png", make_texture(100))
    batch.mask("a.png", patch(1))
    ingest(dataset, batch)
    before = rows(dataset)
    os.utime(path, ns=(1, 1))
    report = ingest(dataset, batch)
    assert (report.batch.images, report.batch.copies) == (0, 0)
    pd.testing.assert_frame_equal(rows(dataset), before)


# -- unlabelled --------------------------------------------------------------------------------------------


def test_images_without_masks_wait_for_them(dataset: Path, batch: Batch, make_texture: Texture) -> None:
    for number in range(3):
        batch.image(f"n{number}.png", make_texture(100 + number))
    report = ingest(dataset, batch)
    assert (report.batch.images, report.batch.unlabelled) == (3, 3)
    opened = Dataset.open(dataset)
    waiting = opened.split(UNLABELLED)
    assert len(waiting) == 3
    assert set(waiting["mask"]) == set(waiting["mask_sha256"]) == {""}
    assert all(list(pixels) == [0, 0, 0] for pixels in waiting["pixels"])
    with pytest.raises(DatasetError, match="has no mask yet"):
        opened.read_mask(waiting.iloc[0])
    assert audit_dataset(dataset).has_errors is False
    assert "unknown-split" not in set(audit_dataset(dataset).faults["kind"])

    batch.mask("n1.png", patch(2))
    report = ingest(dataset, batch)
    assert (report.batch.upgraded, report.batch.images, report.fetched) == (1, 0, 1)
    row = rows(dataset).loc["images/n1.png"]
    assert row["split"] in {"train", "val", "test"}
    assert np.array_equal(Dataset.open(dataset).read_mask(row), patch(2))
    assert len(Dataset.open(dataset).split(UNLABELLED)) == 2


def test_a_mask_that_comes_with_a_copy_of_the_image_upgrades_it(
    dataset: Path, batch: Batch, make_texture: Texture, tmp_path: Path
) -> None:
    batch.image("n.png", make_texture(100))
    ingest(dataset, batch)
    labelled = Batch(tmp_path / "labelled")
    labelled.image("other-name.png", make_texture(100))
    labelled.mask("other-name.png", patch(1))
    report = ingest(dataset, labelled)
    assert report.batch.upgraded == 1
    assert len(rows(dataset)) == 13


def test_an_upgraded_image_gets_the_split_of_its_group(
    dataset: Path, batch: Batch, make_texture: Texture
) -> None:
    batch.image("n.png", make_texture(100))
    batch.groups(n="p11")  # in the test split
    ingest(dataset, batch)
    assert rows(dataset).loc["images/n.png", "group"] == "p11"
    batch.mask("n.png", patch(1))
    ingest(dataset, batch)
    assert rows(dataset).loc["images/n.png", "split"] == "test"


# -- groups ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [0, 9, 11], ids=["train", "val", "test"])
def test_a_near_duplicate_joins_the_group_and_split_of_what_it_resembles(
    dataset: Path, batch: Batch, make_texture: Texture, number: int
) -> None:
    worn = np.clip(np.rot90(make_texture(number)).astype(int) + 9, 0, 255).astype(np.uint8)
    batch.image("worn.png", np.ascontiguousarray(worn))
    batch.mask("worn.png", patch(1))
    ingest(dataset, batch)
    old, new = (rows(dataset).loc[f"images/{name}.png"] for name in (f"old{number:02d}", "worn"))
    assert (new["group"], new["split"]) == (old["group"], old["split"])


def test_an_image_between_two_splits_goes_with_the_nearer_and_is_named(
    dataset: Path, batch: Batch, make_texture: Texture
) -> None:
    before = rows(dataset)
    a, b = (make_texture(number).astype(float) for number in (0, 11))  # train and test
    batch.image("train.png", np.clip(a + 1, 0, 255).astype(np.uint8))
    # Stated to be one part, they resemble parts of two splits.
    batch.image("chain1.png", np.clip(a + 3, 0, 255).astype(np.uint8))
    batch.image("chain2.png", np.clip(b + 3, 0, 255).astype(np.uint8))
    batch.groups(train="x", chain1="x", chain2="x")
    for name in ("train", "chain1", "chain2"):
        batch.mask(f"{name}.png", patch(1))
    report = ingest(dataset, batch)
    assert "near-duplicate" in kinds(report)
    after = rows(dataset)
    pd.testing.assert_frame_equal(after.loc[before.index], before)
    new = after.drop(before.index)
    assert new["group"].nunique() == new["split"].nunique() == 1


def test_stated_groups_are_kept_and_those_the_dataset_has_are_joined(
    dataset: Path, batch: Batch, make_texture: Texture
) -> None:
    for number in range(4):
        batch.image(f"n{number}.png", make_texture(100 + number))
        batch.mask(f"n{number}.png", patch(1))
    batch.groups(n0="p9", n1="tile-7", n2="tile-7")
    ingest(dataset, batch)
    new = rows(dataset).query("batch != 'initial'")
    assert list(new["group"][:3]) == ["p9", "tile-7", "tile-7"]
    assert new["split"].iloc[0] == "val"
    assert new["split"].iloc[1] == new["split"].iloc[2]
    assert new["group"].iloc[3].startswith("2025-03-01/")


@pytest.mark.parametrize("seed", range(5))
def test_no_part_ever_changes_or_straddles_splits(
    dataset: Path, tmp_path: Path, make_texture: Texture, seed: int
) -> None:
    """Random batches of new parts, worn copies of old ones, unlabelled ones and late masks."""
    rng = np.random.default_rng(seed)
    seen: dict[str, str] = {}
    parts = {f"old{n:02d}": n for n in range(12)}
    for number in range(3):
        batch = Batch(tmp_path / f"batch{number}")
        for index in range(6):
            part = int(rng.choice([*parts.values(), 1000 * number + index + 50]))
            image = np.rot90(make_texture(part), int(rng.integers(4)))
            image = np.clip(image.astype(int) + int(rng.integers(1, 15)), 0, 255).astype(np.uint8)
            name = f"b{number}i{index}"
            parts[name] = part
            batch.image(f"{name}.png", np.ascontiguousarray(image))
            if rng.random() < 0.7:
                batch.mask(f"{name}.png", patch(1 + int(rng.integers(2))))
        ingest(dataset, batch)
        if rng.random() < 0.5:
            for path in (batch.root / "images").iterdir():
                batch.mask(path.name, patch(1))
            ingest(dataset, batch)
        table = rows(dataset).query("split != 'unlabelled'")
        for image, row in table.iterrows():
            assert seen.setdefault(str(image), row["split"]) == row["split"]
        part_of = table.index.str.slice(7, -4).map(parts)
        assert table.groupby(part_of)["split"].nunique().max() == 1
        assert table.groupby("group")["split"].nunique().max() == 1


# -- classes -----------------------------------------------------------------------------------------------


def test_a_new_class_is_appended_and_indices_never_move(
    dataset: Path, batch: Batch, make_texture: Texture
) -> None:
    before = rows(dataset)
    batch.image("a.png", make_texture(100))
    batch.mask("blob/a.png", patch(255))
    batch.image("b.png", make_texture(101))
    batch.mask("crack/b.png", patch(255))
    report = ingest(dataset, batch)
    assert report.dataset.classes == ("background", "crack", "stain", "blob")
    assert "new-class" in kinds(report)
    assert report.batch.new_classes == ("blob",)
    after = rows(dataset)
    for image, row in before.iterrows():
        assert list(after.loc[image, "pixels"]) == [*row["pixels"], 0]  # type: ignore[misc]
    assert np.array_equal(report.dataset.read_mask("masks/a.png"), patch(3))
    assert np.array_equal(report.dataset.read_mask("masks/b.png"), patch(1))


def test_index_masks_are_read_by_the_names_that_are_given(
    dataset: Path, batch: Batch, make_texture: Texture
) -> None:
    """The batch numbers its classes otherwise, names one that it does not show, and brings a new one."""
    for number, value in enumerate((1, 2, 4)):
        batch.image(f"n{number}.png", make_texture(100 + number))
        batch.mask(f"n{number}.png", patch(value))
    report = ingest(dataset, batch, classes=("stain", "crack", "unused", "blob"))
    assert report.dataset.classes == ("background", "crack", "stain", "blob")
    for number, value in enumerate((2, 1, 3)):
        assert np.array_equal(report.dataset.read_mask(f"masks/n{number}.png"), patch(value))


def test_an_index_that_nobody_names_is_faulty(dataset: Path, batch: Batch, make_texture: Texture) -> None:
    batch.image("a.png", make_texture(100))
    batch.mask("a.png", patch(3))
    batch.image("b.png", make_texture(101))
    batch.mask("b.png", patch(2))
    report = ingest(dataset, batch)
    assert kinds(report) == ["unknown-value"]
    assert (report.batch.images, report.batch.quarantined) == (1, 1)


def test_images_without_defects_are_left_out_if_asked_and_come_later(
    dataset: Path, batch: Batch, make_texture: Texture
) -> None:
    batch.image("a.png", make_texture(100))
    batch.mask("a.png", patch(0))
    report = ingest(dataset, batch, include_defect_free=False)
    assert (report.batch.images, report.batch.defect_free, kinds(report)) == (0, 1, ["defect-free"])
    assert ingest(dataset, batch, include_defect_free=False).is_new is False
    assert ingest(dataset, batch).batch.images == 1


# -- bad input ---------------------------------------------------------------------------------------------


def test_faulty_files_are_quarantined_with_a_reason(
    dataset: Path, batch: Batch, make_texture: Texture
) -> None:
    whole = batch.image("cut.png", make_texture(100))
    whole.write_bytes(whole.read_bytes()[:300])
    (batch.root / "images/empty.png").write_bytes(b"")
    (batch.root / "images/bomb.png").write_bytes(bomb())
    batch.image("size.png", make_texture(101))
    batch.mask("size.png", patch(1, side=40))
    for name in ("cut", "empty", "bomb"):
        batch.mask(f"{name}.png", patch(1))
    batch.image("good.png", make_texture(102))
    batch.mask("good.png", patch(1))
    report = ingest(dataset, batch, name="b")
    errors = report.faults[report.faults["severity"] == "error"]
    assert list(errors["item"]) == ["images/size.png", *(f"images/{n}.png" for n in ("bomb", "cut", "empty"))]
    assert "at most 50 megapixels" in errors["message"].iloc[1]
    assert (report.batch.images, report.batch.quarantined) == (1, 4)
    reasons = pd.read_csv(dataset / "quarantine/reasons.csv", keep_default_na=False).set_index("item")
    kept = dataset / "quarantine" / reasons.loc["b/images/cut.png", "file"]
    assert kept.read_bytes() == whole.read_bytes()
    assert "40" in reasons.loc["b/images/size.png", "reason"]
    assert ingest(dataset, batch).is_new is False
    # Mended at the source, they come in.
    batch.mask("size.png", patch(1))
    assert ingest(dataset, batch).batch.images == 1


def bomb() -> bytes:
    """A PNG of a few bytes that claims 60,000 × 60,000 pixels."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"x") + chunk(b"IEND", b"")


def test_a_broken_new_mask_leaves_the_image_and_its_old_mask(
    dataset: Path, batch: Batch, make_texture: Texture
) -> None:
    batch.image("a.png", make_texture(100))
    batch.mask("a.png", patch(1))
    ingest(dataset, batch)
    before = rows(dataset)
    batch.mask("a.png", patch(2, side=40))
    assert kinds(ingest(dataset, batch)) == ["size-mismatch"]
    pd.testing.assert_frame_equal(rows(dataset), before)
    batch.mask("a.png", patch(2))
    assert ingest(dataset, batch).batch.relabelled == 1


def test_a_link_out_of_the_folder_is_refused(
    dataset: Path, batch: Batch, make_texture: Texture, tmp_path: Path
) -> None:
    Image.fromarray(make_texture(100)).save(tmp_path / "secret.png")
    (batch.root / "images/link.png").symlink_to(tmp_path / "secret.png")
    batch.image("good.png", make_texture(101))
    for name in ("link", "good"):
        batch.mask(f"{name}.png", patch(1))
    report = ingest(dataset, batch)
    assert "leads out of the folder" in report.faults["message"].iloc[0]
    assert report.batch.images == 1
    assert ingest(dataset, batch).is_new is False


def test_files_that_are_too_large_are_not_even_read(
    dataset: Path, batch: Batch, make_texture: Texture
) -> None:
    batch.image("a.png", make_texture(100))
    batch.image("b.bmp", make_texture(101, 200, 200))
    for name in ("a", "b"):
        batch.mask(f"{name}.png", patch(1, 200 if name == "b" else 48))
    report = ingest(dataset, batch, max_bytes=100_000)
    assert kinds(report)[0] == "too-large"
    assert report.batch.images == 1


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".x", "x" * 65, "a\nb"])
def test_unusable_names_of_batches(dataset: Path, batch: Batch, name: str) -> None:
    with pytest.raises(DatasetError, match="batch name"):
        ingest(dataset, batch, name=name)


def test_an_empty_source_and_one_in_another_layout(dataset: Path, tmp_path: Path, batch: Batch) -> None:
    with pytest.raises(DatasetError, match="holds no files"):
        ingest(dataset, batch)
    (batch.root / "a.png").write_bytes(b"x")
    with pytest.raises(DatasetError, match=f"{batch.root} lacks the folder 'images'"):
        ingest(dataset, batch)
    with pytest.raises(DatasetError, match=r"source folder .* does not exist"):
        FolderSource(tmp_path / "none")


def test_groups_that_name_nothing_are_refused(dataset: Path, batch: Batch, make_texture: Texture) -> None:
    batch.image("a.png", make_texture(100))
    batch.groups(other="x")
    with pytest.raises(DatasetError, match="names none of the images"):
        ingest(dataset, batch)


@pytest.mark.parametrize(
    "content",
    [
        *("", "[", "\xff", "5", "{}", "[1]", '["a"]', '[{"name": 5}]', '[{"date": "2025-03-01"}]'),
        '[{"name": "a", "x": 1}]',
        '[{"name": "a", "date": "", "source": "", "listing": "", "new_classes": null}]',
    ],
)
def test_a_damaged_list_of_batches_is_named(
    dataset: Path, batch: Batch, make_texture: Texture, content: str
) -> None:
    batch.image("a.png", make_texture(100))
    (dataset / "batches.json").write_bytes(content.encode("latin-1"))
    for read in (lambda: ingest(dataset, batch), lambda: newest(Dataset.open(dataset), rows(dataset), 1)):
        with pytest.raises(
            DatasetError, match=r"batches.json is no list of batches .*; restore it"
        ) as refused:
            read()
        assert "\n" not in str(refused.value)


def test_a_batch_keeps_its_own_split_but_never_moves_a_part(
    dataset: Path, batch: Batch, make_texture: Texture
) -> None:
    before = rows(dataset)
    for folder, seed in (("train", 900), ("test", 901), ("test", 902)):
        batch.image(f"{folder}/n{seed}.png", make_texture(seed))
        batch.mask(f"{folder}/n{seed}.png", patch(1))
    report = ingest(dataset, batch, parts=PartOptions(split="own"))
    after = rows(dataset)
    assert (after.loc[before.index, "split"] == before["split"]).all()
    found = after.loc[after.index.difference(before.index), "split"]
    assert sorted(found) == ["test", "test", "train"]
    assert "own-split" not in kinds(report)
