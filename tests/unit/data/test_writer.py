from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autonad.data.dataset import Dataset
from autonad.data.writer import DatasetWriter
from autonad.errors import DatasetError, StorageError


def all_train(table: pd.DataFrame) -> pd.Series:
    return pd.Series(["train"] * len(table))


def fill(writer: DatasetWriter, count: int = 3, value: int = 1) -> None:
    for index in range(count):
        image = np.full((8, 6, 3), 10 * index, np.uint8)
        mask = np.zeros((8, 6), np.uint8)
        mask[:2] = value
        writer.add(image, mask, name=f"image {index}", group=f"g{index}")


def contents(root: Path) -> dict[str, str]:
    files = (p for p in root.rglob("*") if p.is_file())
    return {p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_equal_input_gives_equal_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        with DatasetWriter(tmp_path / name, classes=["x"]) as writer:
            fill(writer)
            writer.finish(all_train, about={"format": "test"})
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def test_files_are_moved_or_copied_and_what_was_made_is_gone(tmp_path: Path) -> None:
    (tmp_path / "theirs.jpg").write_bytes(b"theirs")
    with DatasetWriter(tmp_path / "d", classes=["x"]) as writer:
        fill(writer, 1)
        (writer.made / "ours.png").write_bytes(b"ours")
        files = {"images/a.png": writer.made / "ours.png", "quarantine/b.jpg": tmp_path / "theirs.jpg"}
        writer.put(pd.DataFrame(), files, [{"file": "b.jpg", "item": "theirs.jpg", "reason": "bad"}], {})
    assert (tmp_path / "d/images/a.png").read_bytes() == b"ours"
    assert (tmp_path / "d/quarantine/b.jpg").read_bytes() == (tmp_path / "theirs.jpg").read_bytes()
    assert (tmp_path / "d/quarantine/reasons.csv").read_text() == "file,item,reason\nb.jpg,theirs.jpg,bad\n"
    assert not list((tmp_path / "d").glob(".*"))


def test_equal_names_do_not_overwrite_each_other(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "d", classes=["x"]) as writer:
        for name in ("a", "A", "a", "../a"):
            writer.add(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8), name=name, group="g")
        writer.finish(all_train)
    assert Dataset.open(tmp_path / "d").manifest["image"].nunique() == 4
    assert len(list((tmp_path / "d" / "masks").iterdir())) == 4


def test_an_older_dataset_is_replaced_whole(tmp_path: Path) -> None:
    for count in (3, 1):
        with DatasetWriter(tmp_path / "d", classes=["x"], replace=True) as writer:
            fill(writer, count)
            writer.finish(all_train)
    assert len(Dataset.open(tmp_path / "d").manifest) == 1
    assert len(list((tmp_path / "d" / "images").iterdir())) == 1


def test_an_older_dataset_stays_unless_it_may_be_replaced(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "d", classes=["x"]) as writer:
        fill(writer)
        writer.finish(all_train)
    before = contents(tmp_path / "d")
    with pytest.raises(DatasetError, match=r"a dataset of 3 images, .*`autonad ingest`.*--replace"):
        DatasetWriter(tmp_path / "d", classes=["x"])
    (tmp_path / "d" / "manifest.parquet").write_bytes(b"damaged")
    with pytest.raises(DatasetError, match=r"is a dataset, .*--replace"):
        DatasetWriter(tmp_path / "d", classes=["x"])
    assert contents(tmp_path / "d").keys() == before.keys()


def test_other_content_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "thesis.txt").write_text("precious")
    with pytest.raises(DatasetError, match="not empty and no dataset"):
        DatasetWriter(tmp_path / "d", classes=["x"])
    assert (tmp_path / "d" / "thesis.txt").read_text() == "precious"


def test_output_cannot_swallow_its_source(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    for output in (tmp_path, tmp_path / "source"):
        with pytest.raises(DatasetError, match="contains the source"):
            DatasetWriter(output, classes=["x"], source=tmp_path / "source")


def test_a_failure_leaves_the_older_dataset(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "d", classes=["x"]) as writer:
        fill(writer)
        writer.finish(all_train)
    before = contents(tmp_path / "d")

    def interrupted(table: pd.DataFrame) -> pd.Series:
        raise KeyboardInterrupt

    with DatasetWriter(tmp_path / "d", classes=["x"], replace=True) as writer:
        fill(writer, 1)
        with pytest.raises(KeyboardInterrupt):
            writer.finish(interrupted)
    assert contents(tmp_path / "d") == before
    assert [p.name for p in tmp_path.iterdir()] == ["d"]


def test_full_disk_leaves_the_older_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with DatasetWriter(tmp_path / "d", classes=["x"]) as writer:
        fill(writer)
        writer.finish(all_train)
    before = contents(tmp_path / "d")

    def full(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with DatasetWriter(tmp_path / "d", classes=["x"], replace=True) as writer:
        monkeypatch.setattr(Path, "write_bytes", full)
        with pytest.raises(StorageError, match="No space left on device; free some space"):
            fill(writer)
    assert contents(tmp_path / "d") == before


def test_nothing_appears_without_images(tmp_path: Path) -> None:
    with (
        DatasetWriter(tmp_path / "d", classes=["x"]) as writer,
        pytest.raises(DatasetError, match="no image to write"),
    ):
        writer.finish(all_train)
    assert not (tmp_path / "d").exists()


def test_unknown_index_is_refused(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "d", classes=["x"]) as writer, pytest.raises(DatasetError, match=r"\[2\]"):
        fill(writer, value=2)


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    with (
        DatasetWriter(tmp_path / "d", classes=["x"]) as writer,
        pytest.raises(DatasetError, match="one size"),
    ):
        writer.add(np.zeros((4, 5, 3), np.uint8), np.zeros((4, 4), np.uint8), name="a", group="g")


def test_a_failed_rename_restores_the_older_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with DatasetWriter(tmp_path / "d", classes=["x"]) as writer:
        fill(writer)
        writer.finish(all_train)
    before = contents(tmp_path / "d")
    replace = os.replace

    def refuse(source: Path, target: Path) -> None:
        if Path(source).name.endswith(".building"):
            raise OSError(errno.EIO, "Input/output error")
        replace(source, target)

    with DatasetWriter(tmp_path / "d", classes=["x"], replace=True) as writer:
        fill(writer, 1)
        monkeypatch.setattr("autonad.data.exchange._exchange", lambda first, second: False)
        monkeypatch.setattr(os, "replace", refuse)
        with pytest.raises(StorageError, match="Input/output error"):
            writer.finish(all_train)
    assert contents(tmp_path / "d") == before
