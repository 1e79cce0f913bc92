"""One writer at a time, for as long as it lives, and with its name."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autonad.errors import BusyError, StorageError
from autonad.locks import command_line, exclusive, lock_file

HOLDS = """
import sys, time
from pathlib import Path
from autonad.locks import exclusive
with exclusive(Path(sys.argv[1]), "it"):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(path: Path) -> subprocess.Popen[str]:
    """A process that holds a path."""
    process = subprocess.Popen([sys.executable, "-c", HOLDS, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_second_is_told_who_the_first_is_and_a_dead_one_is_taken_over(tmp_path: Path) -> None:
    process = holder(tmp_path / "out")
    try:
        with pytest.raises(BusyError) as caught, exclusive(tmp_path / "out", "output out"):
            pass
        said = str(caught.value)
        for part in (
            "output out is being written by",
            f"(process {process.pid}) since 20",
            "repeat the command",
        ):
            assert part in said
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()

    assert lock_file(tmp_path / "out").exists()
    with exclusive(tmp_path / "out", "output out"):
        assert str(os.getpid()) in lock_file(tmp_path / "out").read_text()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "told", [b"", b"[]", b"\xff" * 99, b"{" * 10**5, b'{"user": 1}', b" " * 10**7], ids=range(6)
)
def test_a_damaged_lock_names_nobody(tmp_path: Path, told: bytes) -> None:
    with exclusive(tmp_path / "out", "it"):
        lock_file(tmp_path / "out").write_bytes(told)
        with (
            pytest.raises(BusyError, match="it is being written by another process"),
            exclusive(tmp_path / "out", "it"),
        ):
            pass
        holder = {"user": "x\n" * 9, "host": "\x1b[31m", "pid": 1, "since": "", "command": "a" * 9000}
        lock_file(tmp_path / "out").write_text(json.dumps(holder))
        with pytest.raises(BusyError) as caught, exclusive(tmp_path / "out", "it"):
            pass
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) <= 400


def test_what_is_held_may_be_replaced_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with exclusive(tmp_path / "out", "it"):
        (tmp_path / "out").rmdir()
        (tmp_path / "out").mkdir()
        with pytest.raises(BusyError), exclusive(tmp_path / "out", "it"):
            pass


def test_a_link_and_what_it_names_are_one(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to("out")
    with exclusive(tmp_path / "out", "it"), pytest.raises(BusyError), exclusive(tmp_path / "link", "it"):
        pass


def test_nothing_is_left_of_a_folder_that_was_made_for_the_lock(tmp_path: Path) -> None:
    with exclusive(tmp_path / "a/b/out", "it"):
        pass
    assert list(tmp_path.iterdir()) == []
    with exclusive(tmp_path / "a/b/out", "it"):
        (tmp_path / "a/b/out").mkdir()
    assert [path.name for path in (tmp_path / "a/b").iterdir()] == ["out"]


def test_who_has_patience_waits(tmp_path: Path) -> None:
    process = holder(tmp_path / "out")
    started = time.monotonic()
    with pytest.raises(BusyError), exclusive(tmp_path / "out", "it", patience_s=0.2):
        pass
    assert time.monotonic() - started >= 0.2
    os.kill(process.pid, signal.SIGKILL)
    with exclusive(tmp_path / "out", "it", patience_s=30):
        pass
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    lock_file(tmp_path / "out").symlink_to(tmp_path / "precious")
    with pytest.raises(StorageError), exclusive(tmp_path / "out", "it"):
        pass
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_file_system_without_locks_refuses_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", none)
    with exclusive(tmp_path / "out", "it"):
        (tmp_path / "out").mkdir()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_beside_which_nothing_may_be_written_is_locked_from_within(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A volume is mounted at a folder; its parent belongs to the system."""
    (tmp_path / "volume").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert lock_file(tmp_path / "volume") == tmp_path / "volume/.lock"
    assert lock_file(Path("/")) == Path("/.lock")


def test_passwords_of_the_holder_are_told_to_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["autonad", "search", "--set", "tracking.uri=https://me:secret@host"])
    with exclusive(tmp_path / "out", "it"):
        told = lock_file(tmp_path / "out").read_text()
        assert "***@host" in told
        assert "secret" not in told


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("--token", "secret", "--name", "x"), "--token '***' --name x"),
        (("--token=secret", "--name=x"), "'--token=***' --name=x"),
        (("--cookies", "authservice_session=secret"), "--cookies '***'"),
        (("--cookies=authservice_session=secret",), "'--cookies=***'"),
        (("--token", "--token", "--token", "secret"), "--token '***' --token '***'"),
        (("--token",), "--token"),
    ],
)
def test_tokens_and_cookies_of_a_command_are_told_to_nobody(words: tuple[str, ...], shown: str) -> None:
    assert command_line(["/bin/autonad", "serve", *words]) == f"autonad serve {shown}"
