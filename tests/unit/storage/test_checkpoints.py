"""Copies of checkpoints: whole at any moment, only what is needed, never a reason for a training to end."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from servers import Wire

from autonad.errors import StorageError
from autonad.storage.checkpoint_copies import CheckpointCopies
from autonad.storage.checkpoints import OWNER, Mirror
from autonad.storage.places import place_at

POINTER = "checkpoint/latest.json"


def mirror(
    location: str | None,
    output: Path,
    told: list[str] | None = None,
    owner: str | None = None,
    **identity: object,
) -> Mirror:
    return Mirror(
        location,
        stage="retrain",
        identity={"seed": 1, **identity},
        output=output,
        names=("checkpoint", "log"),
        pointer=POINTER,
        owner=owner,
        warn=(told if told is not None else []).append,
    )


def write(output: Path, step: int) -> None:
    """A checkpoint as `Checkpoints` leaves it: one folder, one pointer."""
    for old in (output / "checkpoint").glob("step-*"):
        (old / "model").unlink()
        old.rmdir()
    folder = output / "checkpoint" / f"step-{step}"
    folder.mkdir(parents=True)
    (folder / "model").write_text(f"weights {step}")
    (output / "checkpoint" / "best").write_text(f"best {step}")
    (output / "log").write_text("line\n" * step)
    (output / POINTER).write_text(f"step-{step}")


def content(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(params=["folder", "bucket"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return str(tmp_path / "volume")
    return f"s3://{request.getfixturevalue('bucket')}/checkpoints"


def test_what_was_sent_comes_back_on_an_empty_disk(location: str, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    sender = mirror(location, first)
    for step in (1, 2):
        write(first, step)
        sender.push()
    mirror(location, second).pull()

    assert content(second) == content(first)
    assert "checkpoint/step-1/model" not in content(second)


def places(location: str) -> list[str]:
    """What there is at a location: files, and on a volume folders too."""
    if not location.startswith("s3://"):
        return sorted(path.name for path in Path(location).rglob("*"))
    return place_at(location).names()


def test_the_copy_of_a_finished_run_goes_and_leaves_nothing(location: str, tmp_path: Path) -> None:
    other, finished = mirror(location, tmp_path / "other", seed=2), mirror(location, tmp_path / "first")
    write(tmp_path / "other", 7)
    other.push()
    before = places(location)
    for step in (1, 2):
        write(tmp_path / "first", step)
        finished.push()
    assert not [name for name in places(location) if "step-1" in name]
    assert len(places(location)) > len(before)
    finished.remove()
    finished.remove()

    assert places(location) == before
    assert content(tmp_path / "first")


def test_a_copy_that_cannot_be_removed_is_told_and_ends_nothing(
    s3_wire: Wire, bucket: str, tmp_path: Path
) -> None:
    told: list[str] = []
    sender = mirror(f"s3://{bucket}/c", tmp_path / "first", told)
    write(tmp_path / "first", 1)
    sender.push()
    s3_wire.deny = True
    sender.remove()

    assert len(told) == 1
    assert "remove it by hand" in told[0]


def refusing(number: int, at: Path) -> Callable[..., None]:
    """A call of the operating system that fails."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), str(at))

    return refuse


def test_a_volume_that_refuses_is_told_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    write(tmp_path / "first", 1)
    mirror(str(tmp_path / "volume"), tmp_path / "first").push()
    shutil.rmtree(tmp_path / "first" / "checkpoint" / "step-1")
    monkeypatch.setattr(os, "unlink", refusing(errno.EROFS, tmp_path / "volume" / "file"))
    sender = mirror(str(tmp_path / "volume"), tmp_path / "first", told)
    sender.push()
    sender.remove()

    assert len(told) == 2
    assert all("volume/file cannot be removed: Read-only file system; check" in line for line in told)
    assert "the work goes on" in told[0]
    assert "remove it by hand" in told[1]


def test_a_volume_that_fails_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "first", 1)
    place = place_at(str(tmp_path / "first"))
    assert place.read("checkpoint") is None
    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", refusing(errno.EIO, tmp_path / "first"))
        with pytest.raises(StorageError, match="first cannot be listed: Input/output error"):
            place.names()
    monkeypatch.setattr("io.open", refusing(errno.EIO, tmp_path / "first" / "log"))
    with pytest.raises(StorageError, match="log cannot be read: Input/output error"):
        place.read("log")


def test_folders_of_others_on_a_volume_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "first", 1)
    (tmp_path / "first" / "lost+found").mkdir()
    scandir, closed = os.scandir, str(tmp_path / "first" / "lost+found")

    def listed(path: Any) -> Any:
        if str(path) == closed:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), closed)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", listed)
    assert set(place_at(str(tmp_path / "first")).names()) == set(content(tmp_path / "first"))
    closed = str(tmp_path / "first")
    with pytest.raises(StorageError, match="Permission denied"):
        place_at(closed).names()


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("call", ["stat", "scandir"])
def test_what_is_removed_while_it_is_listed_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, moment: str
) -> None:
    """Another step ends and drops its copy, before or after the operating system is asked about it."""
    for seed in (1, 2):
        write(tmp_path / str(seed), seed)
        mirror(str(tmp_path / "volume"), tmp_path / str(seed), owner=f"run-{seed}", seed=seed).push()
    going = next((tmp_path / "volume").rglob("step-1"))
    asked, files = getattr(os, call), [going / "model"]
    place = files[0] if call == "stat" else going

    def remove() -> None:
        while files:
            files.pop().unlink()
            going.rmdir()

    def meanwhile(path: Any, *rest: Any, **options: Any) -> Any:
        concerned = Path(path) == place
        if concerned and moment == "before":
            remove()
        answer = asked(path, *rest, **options)
        if concerned:
            remove()
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(os, call, meanwhile)
        copies = CheckpointCopies(str(tmp_path / "volume")).all()

    assert {copy.owner for copy in copies} == {"run-1", "run-2"}
    assert not files


def test_runs_of_another_identity_never_meet(location: str, tmp_path: Path) -> None:
    write(tmp_path / "first", 1)
    mirror(location, tmp_path / "first").push()
    mirror(location, tmp_path / "second", seed=2).pull()

    assert not (tmp_path / "second").exists()


def test_a_disk_that_has_a_checkpoint_keeps_it(location: str, tmp_path: Path) -> None:
    write(tmp_path / "first", 1)
    mirror(location, tmp_path / "first").push()
    write(tmp_path / "second", 5)
    mirror(location, tmp_path / "second").pull()

    assert (tmp_path / "second" / POINTER).read_text() == "step-5"


def test_without_the_pointer_nothing_comes_back(tmp_path: Path) -> None:
    """A kill before the pointer was sent: the rest does not count."""
    write(tmp_path / "first", 1)
    mirror(str(tmp_path / "volume"), tmp_path / "first").push()
    next((tmp_path / "volume").rglob("latest.json")).unlink()
    mirror(str(tmp_path / "volume"), tmp_path / "second").pull()

    assert not (tmp_path / "second").exists()


def test_the_pointer_is_sent_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from autonad.storage import places as module

    sent: list[str] = []
    put = module._Folder.put
    monkeypatch.setattr(
        module._Folder, "put", lambda self, path, name: (sent.append(name), put(self, path, name))
    )
    write(tmp_path / "first", 1)
    sender = mirror(str(tmp_path / "volume"), tmp_path / "first")
    sender.push()
    sender.push()

    assert sorted(sent) == sorted(content(tmp_path / "first"))
    assert sent[-1] == POINTER


def test_without_a_location_nothing_is_copied(tmp_path: Path) -> None:
    write(tmp_path / "first", 1)
    nowhere = mirror(None, tmp_path / "first")
    nowhere.push()
    nowhere.pull()

    assert [path.name for path in tmp_path.iterdir()] == ["first"]


def test_a_store_that_fails_in_the_middle_is_told_once_and_ends_nothing(
    s3_wire: Wire, bucket: str, tmp_path: Path
) -> None:
    told: list[str] = []
    sender = mirror(f"s3://{bucket}/c", tmp_path / "first", told)
    s3_wire.deny = True
    for step in (1, 2):
        write(tmp_path / "first", step)
        sender.push()
    assert len(told) == 1
    assert "denies access" in told[0]
    assert "the work goes on" in told[0]

    s3_wire.deny = False
    sender.push()
    mirror(f"s3://{bucket}/c", tmp_path / "second").pull()
    assert content(tmp_path / "second") == content(tmp_path / "first")


def test_a_store_that_fails_at_the_start_is_an_error(s3_wire: Wire, bucket: str, tmp_path: Path) -> None:
    s3_wire.deny = True

    with pytest.raises(StorageError, match="denies access"):
        mirror(f"s3://{bucket}/c", tmp_path).pull()


def test_a_copy_says_whose_it_is_and_the_last_to_write_counts(location: str, tmp_path: Path) -> None:
    for owner in ("run-1", "run-2"):
        write(tmp_path / owner, 1)
        mirror(location, tmp_path / owner, owner=owner).push()
    write(tmp_path / "other", 1)
    mirror(location, tmp_path / "other", seed=2).push()
    copies = CheckpointCopies(f"{location}/")
    found = {copy.owner: copy for copy in copies.all()}

    assert set(found) == {"run-2", None}
    assert found["run-2"].stage == "retrain"
    assert found["run-2"].num_bytes >= sum(len(text) for text in content(tmp_path / "run-2").values())
    assert abs(found["run-2"].written - time.time()) < 60
    mirror(location, tmp_path / "resumed", owner="run-3").pull()
    assert not (tmp_path / "resumed" / OWNER).exists()
    assert {copy.owner for copy in copies.all()} == {"run-3", None}, "who goes on from it has it from then on"


def test_a_copy_is_removed_alone_and_nothing_else_is_taken_for_one(location: str, tmp_path: Path) -> None:
    for seed in (1, 2):
        write(tmp_path / str(seed), seed)
        mirror(location, tmp_path / str(seed), owner=f"run-{seed}", seed=seed).push()
    foreign = place_at(f"{location}/dataset-v1")
    foreign.write("keep me", "manifest.parquet")
    copies = CheckpointCopies(location)
    first, second = copies.all()
    copies.remove(first)

    assert [copy.name for copy in copies.all()] == [second.name]
    assert foreign.read("manifest.parquet") == "keep me"
    assert copies.all()[0].owner == second.owner


def test_where_nothing_was_ever_copied_there_is_nothing(location: str) -> None:
    assert CheckpointCopies(location).all() == []
