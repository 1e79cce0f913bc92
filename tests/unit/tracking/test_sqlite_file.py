"""The database file of a local store: made whole, mended when nothing was in it, moved with its folder."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from autonad.tracking import TrackingSettings, track
from autonad.tracking.connection import connect
from autonad.tracking.sqlite_file import prepare_file, set_aside_unused

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def whole(uri: str) -> None:
    """In the place of MLflow: a store with one table."""
    with sqlite3.connect(uri.removeprefix("sqlite:///")) as connection:
        connection.execute("CREATE TABLE runs (artifact_uri TEXT)")


def killed(uri: str) -> None:
    Path(uri.removeprefix("sqlite:///")).write_bytes(b"half of it")
    raise KeyboardInterrupt


def test_a_kill_while_it_is_made_leaves_none_and_the_next_start_makes_it(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    with pytest.raises(KeyboardInterrupt):
        prepare_file(path, killed)
    assert not path.exists()

    prepare_file(path, whole)
    assert [file.name for file in tmp_path.iterdir()] == ["mlflow.db"]


def test_an_empty_file_counts_as_none(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.touch()
    prepare_file(path, whole)
    assert path.stat().st_size


def test_only_a_store_in_which_nothing_was_logged_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    prepare_file(path, whole)
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO runs VALUES ('file:///x')")
    connection.close()
    assert not set_aside_unused(path)
    assert path.exists()

    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM runs")
    connection.close()
    assert set_aside_unused(path)
    assert not path.exists()


def test_half_a_store_is_made_anew(tmp_path: Path, new_store: Callable[..., str]) -> None:
    path = Path(new_store().removeprefix("sqlite:///"))
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM alembic_version")
        connection.execute("DROP TABLE tags")
    connection.close()

    settings = TrackingSettings(f"sqlite:///{path}", unsent=tmp_path / "unsent")
    with track(settings, stage="search", environment={}) as run:
        assert run.id is not None
    assert (tmp_path / "mlflow.db.unfinished").is_file()


@pytest.mark.parametrize("moved", [True, False])
def test_a_folder_that_was_moved_or_copied_keeps_its_files_beside_the_store(
    tmp_path: Path, new_store: Callable[..., str], moved: bool
) -> None:
    old, new = tmp_path / "öld place", tmp_path / "new place"
    old.mkdir()
    shutil.copy(new_store().removeprefix("sqlite:///"), old / "mlflow.db")
    settings = TrackingSettings(f"sqlite:///{old / 'mlflow.db'}", unsent=tmp_path / "unsent")
    with track(settings, stage="search", environment={}) as run:
        run.text("before", "note.txt")
    (shutil.move if moved else shutil.copytree)(old, new)
    before = sorted(old.rglob("*"))

    settings = TrackingSettings(f"sqlite:///{new / 'mlflow.db'}", unsent=tmp_path / "unsent")
    with track(settings, stage="retrain", environment={}) as later:
        later.text("after", "note.txt")
    for one, text in ((run, "before"), (later, "after")):
        assert Path(connect(settings).download_artifacts(str(one.id), "note.txt")).read_text() == text
        assert list(new.rglob(f"{one.id}/artifacts/note.txt"))
    assert sorted(old.rglob("*")) == before


def test_a_place_that_somebody_chose_is_left_alone(tmp_path: Path, new_store: Callable[..., str]) -> None:
    path = tmp_path / "here" / "mlflow.db"
    path.parent.mkdir()
    shutil.copy(new_store().removeprefix("sqlite:///"), path)
    chosen = tmp_path / "elsewhere" / "mlruns" / "mine"
    chosen.mkdir(parents=True)
    settings = TrackingSettings(f"sqlite:///{path}", "mine", unsent=tmp_path / "unsent")
    connect(settings).create_experiment("mine", artifact_location=chosen.as_uri())
    with track(settings, stage="search", environment={}) as run:
        run.text("text", "note.txt")
    assert list(chosen.rglob("note.txt"))
