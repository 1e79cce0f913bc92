from __future__ import annotations

import os
from pathlib import Path

import pytest

from autonad.storage.folder import FolderSource
from autonad.storage.source import unsafe_key
from autonad.storage.walking import walk


def test_a_batch_names_what_it_cannot_fetch_and_never_waits(tmp_path: Path) -> None:
    batch, outside = tmp_path / "batch", tmp_path / "outside"
    for folder in (batch / "images", outside):
        folder.mkdir(parents=True)
    (outside / "secret.png").write_bytes(b"secret")
    (batch / "images" / "a.png").write_bytes(b"abc")
    os.mkfifo(batch / "images" / "pipe.png")
    (batch / "images" / "out.png").symlink_to(outside / "secret.png")
    (batch / "images" / "folder").symlink_to(outside)
    (batch / "images" / "inner.png").symlink_to("a.png")

    source = FolderSource(batch)
    problems = {entry.key: entry.problem for entry in source.entries()}
    assert [key for key, problem in problems.items() if problem is None] == [
        "images/a.png",
        "images/inner.png",
    ]
    assert "named pipe" in (problems["images/pipe.png"] or "")
    assert "leads out" in (problems["images/out.png"] or "")
    assert "leads out" in (problems["images/folder"] or "")

    (tmp_path / "to").mkdir()
    wanted = [(entry, tmp_path / "to" / str(n)) for n, entry in enumerate(source.entries())]
    arrivals = {arrival.entry.key: arrival.problem for arrival in source.fetch(wanted)}
    assert {key for key, problem in arrivals.items() if problem is None} == {
        "images/a.png",
        "images/inner.png",
    }
    assert not any(b"secret" in path.read_bytes() for path in (tmp_path / "to").iterdir())


def test_identities_can_be_stored_whatever_the_names(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/\xff.png", "wb"):
        pass
    (entry,) = FolderSource(tmp_path).entries()
    entry.identity.encode()
    assert unsafe_key(entry.key) == "its name is no UTF-8"


def test_a_farm_of_links_is_walked_in_bounded_time(tmp_path: Path) -> None:
    """Twelve folders that each link to all: followed blindly, they hold 12! paths."""
    names = [f"d{n}" for n in range(12)]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "f.png").touch()
        for other in names:
            (tmp_path / name / f"to-{other}").symlink_to(f"../{other}")

    found = walk(tmp_path)
    assert {f"{name}/f.png" for name in names} <= found.files.keys()
    assert len(found.files) <= 24
    assert found.problems


@pytest.mark.parametrize("links_out", [True, False])
def test_links_lead_out_only_of_folders_of_our_own(tmp_path: Path, links_out: bool) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "x").touch()
    (tmp_path / "a" / "y").symlink_to("../x")
    assert ("y" in walk(tmp_path / "a", links_out=links_out).files) == links_out
