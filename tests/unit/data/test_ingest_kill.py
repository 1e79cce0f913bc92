"""Killed at any write: the dataset is whole, and the next ingest ends where an uninterrupted one does."""

from __future__ import annotations

import datetime
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from autonad.data.dataset import Dataset
from autonad.data.ingest.extending import ingest_batch
from autonad.data.ingest.settings import IngestSettings
from autonad.data.writer import DatasetWriter
from autonad.storage.folder import FolderSource

pytestmark = pytest.mark.slow
DAY = datetime.date(2025, 3, 1)
WRITES = ((os, "replace"), (os, "link"), (os, "unlink"), (Path, "unlink"), (shutil, "rmtree"))


def mask(value: int) -> np.ndarray:
    picture = np.zeros((48, 48), np.uint8)
    picture[8:20, 8:30] = value
    return picture


def save(root: Path, name: str, array: np.ndarray) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(root / name)
    os.utime(root / name, ns=(int(array.sum()), int(array.sum())))


@pytest.fixture
def started(tmp_path: Path, make_texture: Callable[..., np.ndarray]) -> tuple[Path, Path]:
    """A dataset with a first batch, and that batch: relabelled, extended and partly faulty by now."""
    root, batch = tmp_path / "dataset", tmp_path / "batch"
    with DatasetWriter(root, classes=["crack"]) as writer:
        for number in range(6):
            writer.add(make_texture(number), mask(1), name=f"old{number}", group=f"p{number}")
        writer.finish(lambda table: pd.Series(["train", "train", "train", "train", "val", "test"]))
    save(batch, "images/a.png", make_texture(50))
    save(batch, "masks/crack/a.png", mask(255))
    save(batch, "images/wait.png", make_texture(51))
    ingest(root, batch)
    save(batch, "masks/crack/a.png", np.flipud(mask(255)))
    save(batch, "masks/blob/wait.png", mask(255))
    save(batch, "images/b.png", make_texture(52))
    save(batch, "masks/crack/b.png", mask(255))
    save(batch, "images/c.tif", make_texture(53))
    save(batch, "masks/blob/c.png", mask(255))
    (batch / "images/bad.png").write_bytes(b"no image")
    save(batch, "masks/crack/bad.png", mask(255))
    return root, batch


def ingest(root: Path, batch: Path) -> None:
    ingest_batch(root, FolderSource(batch), IngestSettings(workers=1), date=DAY)


def killed(root: Path, batch: Path, at: int) -> bool:
    """Ingest in a process of its own that dies before its write number `at`; whether it got that far."""
    child = os.fork()
    if child == 0:
        count = iter(range(1_000_000))
        for module, name in WRITES:
            setattr(module, name, dying(getattr(module, name), count, at))
        try:
            ingest(root, batch)
        except BaseException:
            os._exit(1)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert status in {0, signal.SIGKILL}, status
    return status == signal.SIGKILL


def dying(write: Callable[..., object], count: Iterator[int], at: int) -> Callable[..., object]:
    def call(*arguments: object, **options: object) -> object:
        if next(count) == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return write(*arguments, **options)

    return call


def contents(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def check(root: Path, states: set[str]) -> None:
    """The dataset is whole, and is what it was or what it becomes; every file of it can be read."""
    dataset = Dataset.open(root)
    assert dataset.fingerprint in states
    for row in dataset.manifest.itertuples():
        dataset.read_image(row)
        if row.mask:
            dataset.read_mask(row)


@pytest.mark.parametrize("part", range(4))
def test_a_kill_at_any_write_loses_nothing_and_doubles_nothing(
    started: tuple[Path, Path], tmp_path: Path, part: int
) -> None:
    root, batch = started
    whole = Path(shutil.copytree(root, tmp_path / "whole"))
    ingest(whole, batch)
    expected = contents(whole)
    states = {Dataset.open(root).fingerprint, Dataset.open(whole).fingerprint}
    assert len(states) == 2
    kills, at, alive = 0, part, True
    while alive:
        cut = Path(shutil.copytree(root, tmp_path / f"cut{at}"))
        alive = killed(cut, batch, at)
        kills += alive
        check(cut, states)
        ingest(cut, batch)
        assert contents(cut) == expected, at
        shutil.rmtree(cut)
        at += 4
    assert kills >= 10


def test_killed_again_and_again(started: tuple[Path, Path], tmp_path: Path) -> None:
    """Also while it recovers from the kill before."""
    root, batch = started
    whole = Path(shutil.copytree(root, tmp_path / "whole"))
    ingest(whole, batch)
    states = {Dataset.open(root).fingerprint, Dataset.open(whole).fingerprint}
    rng = np.random.default_rng(0)
    for _ in range(12):
        killed(root, batch, int(rng.integers(60)))
        check(root, states)
    ingest(root, batch)
    assert contents(root) == contents(whole)


def test_files_of_others_in_the_dataset_are_left_alone(started: tuple[Path, Path]) -> None:
    root, batch = started
    (root / "images/mine.txt").write_text("mine")
    (root / "images/b.png").write_bytes(b"somebody put this here")
    killed(root, batch, 40)
    ingest(root, batch)
    assert (root / "images/mine.txt").read_text() == "mine"
    assert (root / "images/b.png").read_bytes() == b"somebody put this here"
    assert "images/2025-03-01-2-images-b.png" in set(Dataset.open(root).manifest["image"])
