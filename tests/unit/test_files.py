"""Writing files: whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from autonad import files
from autonad.errors import StorageError
from autonad.files import (
    read_json,
    remove_leftovers,
    temporary_beside,
    write_atomic,
    write_bytes_atomic,
    write_json,
    write_text_atomic,
)

FULL = Path("/dev/full")


def full_disk(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def only_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


# -- when all goes well ------------------------------------------------------------------------------------


def test_what_is_written_can_be_read_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "file.bin"

    write_bytes_atomic(path, b"one")
    write_bytes_atomic(path, b"two, longer")

    assert only_file(path.parent).read_bytes() == b"two, longer"


def test_text_is_utf8(tmp_path: Path) -> None:
    write_text_atomic(tmp_path / "t.txt", "λ → 3×3\n")

    assert (tmp_path / "t.txt").read_bytes() == "λ → 3×3\n".encode()


def test_equal_values_give_equal_json(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1, "a": [1.5, None, "x"]})
    write_json(tmp_path / "b.json", {"a": [1.5, None, "x"], "b": 1})

    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert (tmp_path / "a.json").read_text().endswith("}\n")
    assert read_json(tmp_path / "a.json", "it") == {"a": [1.5, None, "x"], "b": 1}


def test_nan_is_no_json(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"x": 1.0})
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"x": float("nan")})

    assert read_json(only_file(tmp_path), "it") == {"x": 1.0}


def test_the_old_file_is_whole_until_the_new_one_is(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    seen = []

    def write(temporary: Path) -> None:
        temporary.write_bytes(b"new")
        seen.append((temporary.parent, path.read_bytes()))

    write_atomic(path, write)

    assert seen == [(tmp_path, b"old")]
    assert path.read_bytes() == b"new"


def test_content_is_on_the_disk_before_it_is_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(files.os, "fsync", lambda handle: (order.append("fsync"), fsync(handle)))
    monkeypatch.setattr(files.os, "replace", lambda a, b: (order.append("replace"), replace(a, b)))

    write_bytes_atomic(tmp_path / "file", b"content")

    assert order == ["fsync", "replace"]


def test_others_may_read_what_the_user_lets_them_read(tmp_path: Path) -> None:
    """Some writers create files for their owner alone; the result has the permissions of any new file."""
    (tmp_path / "usual").write_bytes(b"x")

    def write(temporary: Path) -> None:
        temporary.write_bytes(b"x")
        temporary.chmod(0o600)

    write_atomic(tmp_path / "file", write)

    assert (tmp_path / "file").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_planted_link_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may write into the folder cannot have the content written elsewhere, whatever he guesses."""
    (tmp_path / "precious").write_bytes(b"precious")
    monkeypatch.setattr(files.secrets, "token_hex", lambda size: "0" * 16)
    (tmp_path / f".file.{'0' * 16}.tmp").symlink_to(tmp_path / "precious")

    with pytest.raises(StorageError, match="File exists"):
        write_bytes_atomic(tmp_path / "file", b"content")

    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_temporary_names_are_new_each_time(tmp_path: Path) -> None:
    seen: set[str] = set()
    for _ in range(20):
        write_atomic(tmp_path / "file", lambda temporary: seen.add(temporary.name))
    assert len(seen) == 20


@pytest.mark.parametrize("name", ["a" * 251 + ".png", "ä" * 125 + ".png"])
def test_a_name_as_long_as_a_file_system_takes_is_written(tmp_path: Path, name: str) -> None:
    write_text_atomic(tmp_path / name, "whole")
    assert (tmp_path / name).read_text() == "whole"
    temporary_beside(tmp_path / name)
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_only_leftovers_of_ours_are_removed(tmp_path: Path) -> None:
    files.temporary_beside(tmp_path / "file")
    for name in (".theirs.tmp", "file.tmp", ".file.0123456789ABCDEF.tmp"):
        (tmp_path / name).touch()
    files.remove_leftovers(tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


# -- when the disk refuses ---------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr(files.os, call, full_disk)

    with pytest.raises(StorageError) as caught:
        write_bytes_atomic(path, b"new and much longer")

    assert only_file(tmp_path).read_bytes() == b"old"
    for part in (str(path), "No space left", "free some space"):
        assert part in str(caught.value)


@pytest.mark.skipif(not FULL.exists(), reason="needs the device /dev/full")
def test_a_device_that_is_full_for_real_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def write(temporary: Path) -> None:
        temporary.unlink()
        temporary.symlink_to(FULL)
        temporary.write_bytes(b"new")

    with pytest.raises(StorageError, match="No space left"):
        write_atomic(path, write)

    assert only_file(tmp_path).read_bytes() == b"old"


def half(temporary: Path) -> None:
    temporary.write_bytes(b"half of")


@pytest.mark.parametrize("error", [ValueError("a mistake while writing"), KeyboardInterrupt()])
def test_whatever_stops_the_writer_leaves_the_old_file(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def write(temporary: Path) -> None:
        half(temporary)
        raise error

    with pytest.raises(type(error)):
        write_atomic(path, write)

    assert only_file(tmp_path).read_bytes() == b"old"


def test_a_file_where_a_folder_is_needed_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")

    with pytest.raises(StorageError, match="choose a writable folder"):
        write_bytes_atomic(tmp_path / "file" / "below", b"x")
    assert only_file(tmp_path).read_text() == "here"


# -- reading -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prepare", "part"),
    [
        (lambda path: None, "is not at"),
        (lambda path: path.write_text("{"), "cannot be read"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "cannot be read"),
        (lambda path: path.mkdir(), "cannot be read"),
    ],
)
def test_a_missing_or_damaged_file_is_named(
    tmp_path: Path, prepare: Callable[[Path], object], part: str
) -> None:
    path = tmp_path / "supernet.json"
    prepare(path)

    with pytest.raises(StorageError) as caught:
        read_json(path, "the supernet")

    assert str(caught.value).startswith("the supernet")
    assert str(path) in str(caught.value)
    assert part in str(caught.value)
