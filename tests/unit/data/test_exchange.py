"""A folder in another's place: killed between any two system calls, one of them is there or comes back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from autonad.data import exchange
from autonad.data.dataset import Dataset
from autonad.data.exchange import bring_back, put_in_place
from autonad.errors import DatasetError


class Killed(BaseException):
    pass


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    building, output = tmp_path / ".data.building", tmp_path / "data"
    for folder, content in ((building, "new"), (output, "old")):
        folder.mkdir()
        (folder / "file").write_text(content)
    return building, output


def test_the_new_one_is_there_and_nothing_else(folders: tuple[Path, Path], tmp_path: Path) -> None:
    put_in_place(*folders)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert (tmp_path / "data/file").read_text() == "new"


def test_it_is_one_step_where_the_file_system_can(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*_: object, **__: object) -> None:
        raise Killed

    monkeypatch.setattr(exchange.shutil, "rmtree", kill)
    try:
        with pytest.raises(Killed):
            put_in_place(*folders)
    finally:
        monkeypatch.undo()
    if exchange._exchange(*folders):  # there and back: else this file system cannot
        exchange._exchange(*folders)
        assert (folders[1] / "file").read_text() == "new"
        assert (folders[0] / "file").read_text() == "old"


@pytest.mark.parametrize("at", [1, 2])
def test_elsewhere_a_kill_between_the_two_is_mended(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    building, output = folders
    monkeypatch.setattr(exchange, "_exchange", lambda first, second: False)
    replace, count = os.replace, 0

    def killed(source: object, target: object) -> None:
        nonlocal count
        count += 1
        if count == at:
            raise Killed
        replace(source, target)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(exchange.os, "replace", killed)
        with pytest.raises(Killed):
            put_in_place(building, output)
    if at == 2:
        with pytest.raises(
            DatasetError, match=r"an import was cut off .*`mv .*data\.old .*data` brings it back"
        ):
            Dataset.open(output)
    bring_back(output)
    assert (output / "file").read_text() == "old"
    put_in_place(building, output)
    assert (output / "file").read_text() == "new"


def test_a_disk_that_refuses_leaves_the_old_one(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    building, output = folders
    monkeypatch.setattr(exchange, "_exchange", lambda first, second: False)
    replace = os.replace

    def refuse(source: Path, target: Path) -> None:
        if source == building:
            raise OSError("no")
        replace(source, target)

    monkeypatch.setattr(exchange.os, "replace", refuse)
    with pytest.raises(OSError, match="no"):
        put_in_place(building, output)
    assert (output / "file").read_text() == "old"
