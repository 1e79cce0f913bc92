"""Which networks a search returned, and where each task keeps its part of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autonad.config import Config
from autonad.config.context import Context
from autonad.errors import StorageError
from autonad.files import write_json
from autonad.steps import Variant, retrain_each, variants_of
from autonad.steps.retrain import RetrainResult


def listed(*names: str, hardware: str = "aa") -> list[dict[str, Any]]:
    return [{"name": name, "folder": f"variants/{name}", "hardware_key": hardware} for name in names]


def search(folder: Path, variants: list[dict[str, Any]]) -> Path:
    for one in variants:
        (folder / one["folder"]).mkdir(parents=True, exist_ok=True)
        (folder / one["folder"] / "architecture.json").write_text("{}")
    write_json(folder / "search.json", {"variants": variants})
    return folder


@pytest.mark.parametrize("variants", [[], [{"name": "line-3ms", "folder": ".", "hardware_key": "aa"}]])
def test_one_network_alone_lies_in_the_folders_themselves(tmp_path: Path, variants: Any) -> None:
    (only,) = variants_of(search(tmp_path, variants))

    assert only.within(tmp_path) == tmp_path
    assert only.named(miou=0.5) == {"miou": 0.5}


def test_several_have_places_and_names_of_their_own_in_the_order_of_the_budgets(tmp_path: Path) -> None:
    found = variants_of(search(tmp_path, listed("line-30ms", "line-3ms")))

    assert [one.within(Path("model")) for one in found] == [
        Path("model/variants/line-30ms"),
        Path("model/variants/line-3ms"),
    ]
    assert found[1].named(miou=0.5) == {"miou_line-3ms": 0.5}


def test_those_for_other_targets_are_not_made_here(tmp_path: Path) -> None:
    both = listed("line-1ms", "line-3ms") + listed("lab-1ms", hardware="bb")
    found = variants_of(search(tmp_path, both))
    alone = variants_of(search(tmp_path, listed("line") + listed("lab", hardware="bb")))

    assert [one.name for one in found] == ["line-1ms", "line-3ms"]
    assert alone == (Variant(place="variants/line"),)


def test_a_search_that_lost_a_network_is_refused(tmp_path: Path) -> None:
    search(tmp_path, listed("line-1ms", "line-3ms"))
    (tmp_path / "variants/line-3ms/architecture.json").unlink()

    with pytest.raises(StorageError, match="lists 2 networks and lacks variants/line-3ms; search again"):
        variants_of(tmp_path)


class Trainings:
    """Stands for `retrain`: leaves a checkpoint and its copy as it does, and notes what it found there."""

    def __init__(self, kept: Path) -> None:
        self.kept, self.begun = kept, list[tuple[str, bool, int]]()

    def __call__(self, context: Context, *, search: Path, output: Path, **given: Any) -> RetrainResult:
        key = (search / "architecture.json").read_text()
        pointer = output / "checkpoint/latest.json"
        self.begun.append((output.name, pointer.is_file(), len(list(self.kept.iterdir()))))
        write_json(pointer, {"epoch": 6})
        if given["keeps_copy"]:
            write_json(self.kept / f"retrain-{key:0>16}" / "owner.json", {"run": None})
        return RetrainResult(0.5, 6, 1000, 1.0)


def retrained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, keys: dict[str, str]) -> Trainings:
    found = search(tmp_path / "search", listed(*keys))
    for name, key in keys.items():
        (found / "variants" / name / "architecture.json").write_text(key)
    trainings = Trainings(tmp_path / "kept")
    write_json(trainings.kept / f"retrain-{'f':0>16}" / "owner.json", {"run": "another's"})
    monkeypatch.setattr("autonad.steps.variants.retrain", trainings)
    places = {"dataset": tmp_path, "teacher": tmp_path, "output": tmp_path / "model"}
    done = retrain_each(
        Context(Config()), variants_of(found), search=found, checkpoints=str(trainings.kept), **places
    )
    assert len(done) == len(keys)
    return trainings


@pytest.mark.parametrize("keys", ["a", "abc"])
def test_copies_stay_when_the_last_network_is_trained(
    keys: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = retrained(monkeypatch, tmp_path, {f"line-{key}": key for key in keys})

    assert [copies for _, _, copies in found.begun] == list(range(1, len(keys) + 1))
    assert {copy.name for copy in found.kept.iterdir()} == {f"retrain-{key:0>16}" for key in f"{keys}f"}


def test_a_network_that_two_budgets_share_is_trained_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = retrained(monkeypatch, tmp_path, {"line-1ms": "a", "line-3ms": "b", "line-9ms": "a"})

    assert [(name, goes_on) for name, goes_on, _ in found.begun] == [
        ("line-1ms", False),
        ("line-3ms", False),
        ("line-9ms", True),
    ]
