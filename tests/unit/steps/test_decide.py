from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from autonad.appearance.last_search import budget_setting, search_settings, supernet_settings
from autonad.appearance.pin import BROUGHT
from autonad.config import parse_config
from autonad.config.context import Context
from autonad.data.synthetic.generator import synthesize
from autonad.errors import ConfigError
from autonad.files import write_json
from autonad.latency.target import Target
from autonad.steps.decide import DecideResult, decide
from autonad.steps.load_search import FOLDERS, load_search

CONFIG = parse_config("decide: {calibration_draws: 0}\ntracking: {enabled: false}", source="the test")
Decide = Callable[[], DecideResult]


@pytest.fixture
def again(tmp_path: Path) -> Decide:
    """Decides on a dataset in a working folder as `dvc repro` does; the last search is in `search`."""
    synthesize(tmp_path / "data", num_images=12, size=(32, 32), materials=("steel",))
    Target.describe("line", threads=1).save(tmp_path / "line.json")
    return lambda: decide(
        Context(CONFIG),
        dataset=tmp_path / "data",
        pin=tmp_path / "pin",
        target=tmp_path / "line.json",
        output=tmp_path / "decide",
        search=tmp_path / "search",
    )


def finish_search(folder: Path, pin_key: str) -> None:
    """The files of a finished search that a decision looks at."""
    target = Target.load(folder.parent / "line.json")
    settings = {
        "latency_budget_ms": None,
        "search": search_settings(CONFIG),
        "supernet": supernet_settings(CONFIG),
    }
    write_json(folder / "architecture.json", {})
    about = {"pin_key": pin_key, "hardware_key": target.hardware_key, "target": target.name}
    write_json(folder / "search.json", {**about, "settings": settings})


def test_a_finished_search_of_the_pin_is_reused(again: Decide, tmp_path: Path) -> None:
    first = again()
    assert (first.action, first.moved) == ("train", True)

    finish_search(tmp_path / "search", first.pin_key)
    second = again()
    assert (second.action, second.reasons, second.moved) == ("reuse", (), False)
    assert second.pin_key == first.pin_key


def test_settings_that_a_search_of_before_did_not_know_count_as_their_defaults(
    again: Decide, tmp_path: Path
) -> None:
    finish_search(tmp_path / "search", again().pin_key)
    found = json.loads((tmp_path / "search/search.json").read_text())
    del (
        found["settings"]["supernet"]["train_supernet.sandwich_every"],
        found["settings"]["search"]["search.top_k"],
    )
    found["settings"]["search"]["search.of_long_ago"] = 3
    write_json(tmp_path / "search/search.json", found)

    assert again().action == "reuse"


def test_a_list_of_one_budget_is_that_budget() -> None:
    one, several = (
        parse_config(f"search: {{latency_budget_ms: {budget}}}", source="test") for budget in ([3], [1, 3])
    )
    assert (budget_setting(one), budget_setting(several)) == (3.0, [1.0, 3.0])


@pytest.mark.parametrize("pin", ["data", "decide", "elsewhere", "decide/last-pin"])
def test_a_pin_overwrites_nothing_else(again: Decide, tmp_path: Path, pin: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/notes.txt").write_text("mine")
    before = (tmp_path / "data/manifest.parquet").read_bytes()
    with pytest.raises(ConfigError, match="--pin"):
        decide(
            Context(CONFIG),
            dataset=tmp_path / "data",
            pin=tmp_path / pin,
            target=tmp_path / "line.json",
            output=tmp_path / "decide",
        )
    assert (tmp_path / "data/manifest.parquet").read_bytes() == before
    assert not (tmp_path / "decide").exists()


def test_a_folder_that_git_keeps_is_free_for_a_pin(again: Decide, tmp_path: Path) -> None:
    (tmp_path / "pin").mkdir()
    (tmp_path / "pin/.gitignore").write_text("*")
    assert again().action == "train"
    assert (tmp_path / "pin/pin.json").is_file()


def test_the_first_pin_goes_where_no_search_was_brought_back_to(again: Decide, tmp_path: Path) -> None:
    """As the pipelines' first task does it: MLflow has no search of the dataset yet."""
    tracked = parse_config(f"tracking: {{uri: 'sqlite:///{tmp_path / 'mlflow.db'}'}}", source="the test")
    again()
    shutil.rmtree(tmp_path / "pin")
    folders = {name: tmp_path / name for name in (*FOLDERS, "champion")}
    found = load_search(Context(tracked), dataset="steel", target=tmp_path / "line.json", **folders)
    assert found.run_id is None
    assert [path.name for path in (tmp_path / "pin").iterdir()] == [BROUGHT]
    first = again()
    assert (first.action, first.moved) == ("train", True)
    assert (tmp_path / "pin/pin.json").is_file()


def test_a_pin_that_moved_before_an_interrupted_search_is_searched(again: Decide, tmp_path: Path) -> None:
    first = again()
    finish_search(tmp_path / "search", "000000000000")

    second = again()
    assert (second.action, second.moved) == ("train", False)
    assert "000000000000" in second.reasons[0]
    reasons = json.loads((tmp_path / "decide" / "decision.json").read_text())["reasons"]
    assert [reason["kind"] for reason in reasons] == ["pin_not_searched"]
    assert second.pin_key == first.pin_key


def rows_of(data: Path, rows: pd.DataFrame) -> None:
    """Let the dataset hold these images."""
    rows.to_parquet(data / "manifest.parquet", index=False)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_is_taken_back_before_a_search_takes_the_pin_back(again: Decide, tmp_path: Path) -> None:
    every = pd.read_parquet(tmp_path / "data" / "manifest.parquet")
    first = again()
    before = bytes_of(tmp_path / "pin")
    finish_search(tmp_path / "search", first.pin_key)
    rows_of(tmp_path / "data", every.iloc[:-2])
    bad = again()
    assert (bad.action, bad.moved) == ("train", True)
    rows_of(tmp_path / "data", every.iloc[:-4])
    worse = again()  # the pin of the last search stays known, however often the data change
    assert worse.pin_key not in (first.pin_key, bad.pin_key)

    rows_of(tmp_path / "data", every)
    back = again()
    assert (back.action, back.reasons, back.pin_key) == ("reuse", (), first.pin_key)
    assert any(first.pin_key in note for note in back.notes)
    assert bytes_of(tmp_path / "pin") == before
    assert again().notes == ()


def test_a_pin_that_was_searched_is_not_returned(again: Decide, tmp_path: Path) -> None:
    every = pd.read_parquet(tmp_path / "data" / "manifest.parquet")
    finish_search(tmp_path / "search", again().pin_key)
    rows_of(tmp_path / "data", every.iloc[:-2])
    moved = again()
    finish_search(tmp_path / "search", moved.pin_key)

    assert (again().action, again().pin_key) == ("reuse", moved.pin_key)


def test_a_kill_while_the_pin_moves_costs_nothing(again: Decide, tmp_path: Path) -> None:
    every = pd.read_parquet(tmp_path / "data" / "manifest.parquet")
    finish_search(tmp_path / "search", again().pin_key)
    rows_of(tmp_path / "data", every.iloc[:-2])
    moved = again()
    (tmp_path / "pin" / "pin.json").unlink()  # written last

    assert (again().action, again().pin_key) == ("train", moved.pin_key)
