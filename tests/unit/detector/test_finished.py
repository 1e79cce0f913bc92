from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autonad.detector.finished import Finished
from autonad.errors import StorageError

ABOUT = {"source": "images", "model_sha256": "a", "rules": {"x": 1}}


def entry(finished: Finished, key: str, stamp: str = "1", problem: str | None = None) -> dict[str, Any]:
    return {"image": key, "stamp": stamp, "output": finished.output_of(key), "problem": problem}


def fill(path: Path, *keys: str) -> None:
    with Finished(path, ABOUT) as finished:
        for key in keys:
            finished.add(entry(finished, key))


def test_what_is_done_is_known_later(tmp_path: Path) -> None:
    fill(tmp_path / "finished.jsonl", "b.png", "a.png")

    with Finished(tmp_path / "finished.jsonl", ABOUT) as finished:
        assert finished.is_done("a.png", "1")
        assert not finished.is_done("a.png", "2")
        assert not finished.is_done("c.png", "1")
        assert [one["image"] for one in finished.entries()] == ["a.png", "b.png"]
        finished.add(entry(finished, "a.png", "2"))
        assert [one["stamp"] for one in finished.entries()] == ["2", "1"]


def test_what_could_not_be_read_is_tried_again(tmp_path: Path) -> None:
    with Finished(tmp_path / "finished.jsonl", ABOUT) as finished:
        finished.add(entry(finished, "a.png", problem="it is damaged"))
        assert "a.png" in finished
        assert not finished.is_done("a.png", "1")


@pytest.mark.parametrize("cut", range(1, 90, 11))
def test_a_kill_costs_at_most_the_last_line(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "finished.jsonl"
    fill(path, "a.png", "b.png", "c.png")
    path.write_bytes(path.read_bytes()[:-cut])

    with Finished(path, ABOUT) as finished:
        assert finished.is_done("a.png", "1")
        assert not finished.is_done("c.png", "1")
        finished.add(entry(finished, "c.png"))
    with Finished(path, ABOUT) as finished:
        assert finished.is_done("c.png", "1")


def test_another_detector_starts_over(tmp_path: Path) -> None:
    path = tmp_path / "finished.jsonl"
    fill(path, "a.png")

    with Finished(path, {**ABOUT, "rules": {"x": 2}}) as finished:
        assert finished.dropped == ("a",)
        assert len(finished) == 0
    with Finished(path, {**ABOUT, "rules": {"x": 2}}) as finished:
        assert finished.dropped == ()


def test_another_source_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "finished.jsonl"
    fill(path, "a.png")

    with pytest.raises(StorageError, match="holds the results of images, not of others"):
        Finished(path, {**ABOUT, "source": "others"})
    assert b"a.png" in path.read_bytes()


def test_no_two_images_have_one_name(tmp_path: Path) -> None:
    keys = ("a.png", "a.jpg", "a.jpg.png", "d/a.png", "a")
    with Finished(tmp_path / "finished.jsonl", ABOUT) as finished:
        names = {}
        for key in keys:
            names[key] = finished.output_of(key)
            finished.add(entry(finished, key))
        assert len(set(names.values())) == len(keys)
        assert (names["a.png"], names["a.jpg"], names["d/a.png"]) == ("a", "a.jpg", "d/a")
    with Finished(tmp_path / "finished.jsonl", ABOUT) as finished:
        assert {key: finished.output_of(key) for key in reversed(keys)} == names


def test_two_processes_do_not_write_one_folder(tmp_path: Path) -> None:
    path = tmp_path / "finished.jsonl"

    with Finished(path, ABOUT), pytest.raises(StorageError, match="another process is writing"):
        Finished(path, ABOUT)


@pytest.mark.parametrize("content", [b"hello\n", b"[1]\n", b"{}\n"])
def test_another_file_is_not_overwritten(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "finished.jsonl"
    path.write_bytes(content)

    with pytest.raises(StorageError, match="is not a list of results"):
        Finished(path, ABOUT)
    assert path.read_bytes() == content
