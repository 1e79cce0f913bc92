"""What DVC calls a folder is said only of what it really holds."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from autonad.data.dvc_record import DvcState, dvc_state

# `dvc add` itself, which only the tests call in this process.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")


@pytest.fixture
def tracked(tmp_path: Path) -> tuple[Path, str]:
    """A folder that DVC tracks, and its md5."""
    from dvc.repo import Repo

    data = tmp_path / "repo/data/steel"
    (data / "masks").mkdir(parents=True)
    (data / "manifest.parquet").write_bytes(b"\r\nimages")
    for number in range(20):
        (data / f"masks/{number}.png").write_bytes(bytes([number]) * 100)
    Repo.init(str(tmp_path / "repo"), no_scm=True).close()
    with Repo(str(tmp_path / "repo")) as repo:
        repo.add(str(data))
    (out,) = yaml.safe_load(data.with_name("steel.dvc").read_text())["outs"]
    return data, out["md5"]


def lock(data: Path, **stages: dict[str, Any]) -> None:
    (data.parents[1] / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))


def entry(md5: str) -> list[dict[str, str]]:
    return [{"path": "data/steel", "hash": "md5", "md5": md5}]


def test_a_folder_as_it_was_added_has_its_md5(tracked: tuple[Path, str]) -> None:
    data, md5 = tracked

    assert dvc_state(data) == DvcState(md5)
    assert md5.endswith(".dir")


@pytest.mark.parametrize("change", ["content", "new", "gone"])
def test_a_folder_that_changed_since_has_none_and_says_so(tracked: tuple[Path, str], change: str) -> None:
    data, md5 = tracked
    mask = data / "masks/3.png"
    before = mask.read_bytes()
    if change == "content":
        mask.write_bytes(b"z" * len(before))
    elif change == "new":
        (data / "masks/new.png").write_bytes(before)
    else:
        mask.unlink()

    assert dvc_state(data) == DvcState(None, changed=True)
    (data / "masks/new.png").unlink(missing_ok=True)
    mask.write_bytes(before)
    assert dvc_state(data) == DvcState(md5)


def test_without_its_own_file_the_lock_around_it_counts(tracked: tuple[Path, str]) -> None:
    data, md5 = tracked
    data.with_name("steel.dvc").write_text("outs: [[")
    assert dvc_state(data) == DvcState(None)
    lock(data, train={"deps": entry("0" * 32 + ".dir")}, made={"outs": entry(md5)})
    assert dvc_state(data) == DvcState(md5)
    lock(data, train={"deps": entry(md5)}, made={"outs": entry("0" * 32 + ".dir")})
    assert dvc_state(data) == DvcState(None, changed=True)
    lock(data, train={"deps": entry(md5)})
    assert dvc_state(data) == DvcState(md5)


def test_outside_of_a_repository_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "steel").mkdir()
    assert dvc_state(tmp_path / "steel") == DvcState(None)
    (tmp_path / "steel.dvc").write_text(f"outs:\n- md5: {'0' * 32}.dir\n  path: steel\n")
    assert dvc_state(tmp_path / "steel") == DvcState(None)
    (tmp_path / ".dvc").mkdir()
    assert dvc_state(tmp_path / "nowhere") == DvcState(None)


def test_asking_leaves_the_random_numbers_of_a_training_alone(tracked: tuple[Path, str]) -> None:
    random.seed(3)
    before = random.getstate()
    dvc_state(tracked[0])

    assert random.getstate() == before
