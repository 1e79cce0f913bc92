"""The last search: exactly the right one is found, and comes back as it was or not at all."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autonad.errors import ConfigError, StorageError, TrackingError
from autonad.files import write_json
from autonad.tracking import TrackingSettings, last_search, load_search, log_search, track
from autonad.tracking.history.search_files import BUNDLE
from autonad.tracking.history.searches import architectures_of
from autonad.tracking.tags import DATASET, HARDWARE_KEY

ALONE: dict[str, str] = {}
Folders = dict[str, Path | None]


@pytest.fixture
def settings(new_store: Callable[..., str], tmp_path: Path) -> TrackingSettings:
    return TrackingSettings(uri=new_store(), unsent=tmp_path / "unsent")


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path | None]:
    """The files of a search; what is in them does not matter here."""
    for folder, (needed, optional) in BUNDLE.items():
        (tmp_path / "made" / folder).mkdir(parents=True)
        for name in (*needed, *optional):
            (tmp_path / "made" / folder / name).write_text(f"content of {folder}/{name}")
    (tmp_path / "made/search/search.json").write_text('{"architecture_key": "abc123abc123"}')
    (tmp_path / "made/pin/pin.json").write_text('{"key": "0123456789ab"}')
    return {folder: tmp_path / "made" / folder for folder in BUNDLE}


def client(settings: TrackingSettings) -> Any:
    from autonad.tracking.connection import MlflowClient

    return MlflowClient(settings.uri)


def search(
    settings: TrackingSettings,
    folders: dict[str, Path | None],
    *,
    dataset: str = "steel",
    hardware: str = "aaaaaaaaaaaa",
    keep: bool = True,
    fails: bool = False,
    budget: float | None = None,
) -> str:
    """One search run; returns its id."""
    tags = {DATASET: dataset, HARDWARE_KEY: hardware}
    try:
        with track(
            settings,
            stage="search",
            tags=tags,
            environment=ALONE,
            params={"search": {"latency_budget_ms": budget}},
        ) as run:
            if keep:
                assert log_search(run, folders)
            if fails:
                raise ValueError("no finalist keeps the budget")
    except ValueError:
        pass
    time.sleep(0.002)  # MLflow counts in milliseconds
    assert run.id is not None
    return run.id


def test_the_last_finished_search_is_found_among_all_others(
    settings: TrackingSettings, folders: Folders
) -> None:
    assert last_search("steel", settings=settings) is None
    older = search(settings, folders, budget=4.5)
    right = search(settings, folders, budget=7.0)
    other_target = search(settings, folders, hardware="bbbbbbbbbbbb")
    search(settings, folders, dataset="tiles")
    search(settings, folders, fails=True)
    search(settings, folders, keep=False)
    client(settings).delete_run(search(settings, folders))
    elsewhere = TrackingSettings(settings.uri, "another experiment", unsent=settings.unsent)
    search(elsewhere, folders)
    foreign = client(settings).create_run("1", tags={"autonad.stage": "search", DATASET: "steel"}).info.run_id
    client(settings).set_terminated(foreign, "FINISHED")
    running = client(settings).create_run(
        client(settings).get_experiment_by_name("autonad").experiment_id,
        tags={"autonad.stage": "search", DATASET: "steel", "autonad.digests": "00"},
    )
    assert running.info.status == "RUNNING"

    found = last_search("steel", "aaaaaaaaaaaa", settings=settings)
    assert found is not None
    assert (found.run_id, found.latency_budget_ms) == (right, 7.0)
    assert (found.pin_key, found.architecture_key) == ("0123456789ab", "abc123abc123")
    assert (found.dataset, found.hardware_key) == ("steel", "aaaaaaaaaaaa")
    anywhere = last_search("steel", settings=settings)
    assert anywhere is not None
    assert anywhere.run_id == other_target
    assert last_search("steel", "cccccccccccc", settings=settings) is None
    client(settings).delete_run(right)
    assert last_search("steel", "aaaaaaaaaaaa", settings=settings).run_id == older  # type: ignore[union-attr]


def test_a_search_comes_back_byte_for_byte(
    settings: TrackingSettings, folders: Folders, tmp_path: Path
) -> None:
    run_id = search(settings, folders)
    found = last_search("steel", settings=settings)
    assert found is not None
    (tmp_path / "back/search").mkdir(parents=True)
    (tmp_path / "back/search/stale.txt").write_text("of another search")
    load_search(found, tmp_path / "back", settings=settings)
    sent = {path.relative_to(tmp_path / "made"): path.read_bytes() for path in files(tmp_path / "made")}
    got = {path.relative_to(tmp_path / "back"): path.read_bytes() for path in files(tmp_path / "back")}
    assert got == sent
    assert load_search(run_id, tmp_path / "again", settings=settings) == found


def with_variants(folders: Folders, *names: str) -> None:
    """The search returned a network for each of several budgets."""
    place = folders["search"]
    assert place is not None
    listed = [{"name": name, "folder": f"variants/{name}"} for name in names]
    for number, one in enumerate(listed):
        shutil.copytree(place, place / one["folder"], ignore=shutil.ignore_patterns("variants"))
        write_json(place / one["folder"] / "search.json", {"architecture_key": f"{number:012x}"})
    write_json(place / "search.json", {"architecture_key": f"{0:012x}", "variants": listed})


def test_the_networks_of_all_budgets_come_back(
    settings: TrackingSettings, folders: Folders, tmp_path: Path
) -> None:
    with_variants(folders, "line-1ms", "schräg_3ms-0a1b2c3d")
    run_id = search(settings, folders)
    load_search(run_id, tmp_path / "back", settings=settings)

    sent = {path.relative_to(tmp_path / "made"): path.read_bytes() for path in files(tmp_path / "made")}
    got = {path.relative_to(tmp_path / "back"): path.read_bytes() for path in files(tmp_path / "back")}
    assert got == sent
    assert Path("search/variants/schräg_3ms-0a1b2c3d/inherited.safetensors") in got
    found = architectures_of(client(settings).get_run(run_id).data.tags)
    assert found == {f"{0:012x}", f"{1:012x}"}


def test_a_search_without_a_pin_is_kept_too(
    settings: TrackingSettings, folders: Folders, tmp_path: Path
) -> None:
    search(settings, {**folders, "pin": None})
    found = last_search("steel", settings=settings)
    assert found is not None
    assert found.pin_key is None
    load_search(found, tmp_path / "back", settings=settings)
    assert {path.name for path in (tmp_path / "back").iterdir()} == {"supernet", "latency", "search"}


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def stored(settings: TrackingSettings, run_id: str, name: str) -> Path:
    return Path(client(settings).get_run(run_id).info.artifact_uri.removeprefix("file://")) / name


@pytest.mark.parametrize("name", ["supernet/supernet.safetensors", "pin/pin.json", "digests.json"])
def test_one_changed_byte_is_refused_by_name(
    settings: TrackingSettings, folders: Folders, tmp_path: Path, name: str
) -> None:
    run_id = search(settings, folders)
    path = stored(settings, run_id, name)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(TrackingError, match=rf"^{name} of search run {run_id} does not have the sha256"):
        load_search(run_id, tmp_path / "back", settings=settings)
    assert files(tmp_path / "back") == []


def test_a_missing_file_and_a_run_that_is_no_search_are_named(
    settings: TrackingSettings, folders: Folders, tmp_path: Path
) -> None:
    run_id = search(settings, folders)
    stored(settings, run_id, "latency/table.parquet").unlink()
    with pytest.raises(TrackingError, match=r"lacks latency/table.parquet"):
        load_search(run_id, tmp_path / "back", settings=settings)
    half = search(settings, folders, fails=True)
    with pytest.raises(TrackingError, match="no search that was finished"):
        load_search(half, tmp_path / "back", settings=settings)
    with pytest.raises(TrackingError, match="make sure that run 0123 was not deleted"):
        load_search("0123", tmp_path / "back", settings=settings)
    with pytest.raises(ConfigError, match="tracking is off"):
        last_search("steel", settings=TrackingSettings(enabled=False))


@pytest.mark.parametrize(
    "name", ["../../evil", "search/variants/../search.json", "search/variants/a/b/c.json"]
)
def test_a_list_that_leaves_its_folder_is_refused(
    settings: TrackingSettings, folders: Folders, tmp_path: Path, name: str
) -> None:
    import hashlib

    run_id = search(settings, folders)
    path = stored(settings, run_id, "digests.json")
    path.write_text(json.dumps({name: "00"}))
    client(settings).set_tag(run_id, "autonad.digests", hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(TrackingError, match=f"{re.escape(name)}', which belongs to no search"):
        load_search(run_id, tmp_path / "back", settings=settings)


def test_a_search_whose_files_do_not_all_arrive_does_not_count(
    settings: TrackingSettings, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autonad.tracking.connection import MlflowClient

    send = MlflowClient.log_artifact

    def breaks(self: Any, run_id: str, path: str, folder: str | None = None) -> None:
        if path.endswith("population.parquet"):
            raise ConnectionResetError(104, "Connection reset by peer")
        send(self, run_id, path, folder)

    monkeypatch.setattr(MlflowClient, "log_artifact", breaks)
    warnings: list[str] = []
    with track(
        settings, stage="search", tags={DATASET: "steel"}, environment=ALONE, warn=warnings.append
    ) as run:
        assert not log_search(run, folders)
    assert "Connection reset by peer" in warnings[0]
    assert last_search("steel", settings=settings) is None


def test_a_search_that_lacks_a_file_is_our_users_mistake(
    settings: TrackingSettings, folders: Folders, tmp_path: Path
) -> None:
    (tmp_path / "made/supernet/supernet.safetensors").unlink()
    with (
        pytest.raises(StorageError, match=r"supernet.safetensors"),
        track(settings, stage="search", environment=ALONE) as run,
    ):
        log_search(run, folders)
