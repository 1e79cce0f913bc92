"""Finalists learn: a search that is cut off meanwhile ends as one that was left alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autonad.config import load_config
from autonad.config.context import Context
from autonad.console import Console
from autonad.steps.search import search
from autonad.training.checkpoint import Checkpoints

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

RESULTS = ("architecture.json", "inherited.safetensors", "population.parquet")

Say = Callable[[str], None]


def searched(chain: Path, output: Path, say: Say = lambda line: None, *more: str, **options: Any) -> None:
    settings = ("tracking.enabled=false", "search.finalists=3", "search.finalist_epochs=3", *more)
    search(
        Context(load_config(chain / "params.yaml", settings), console=Console(say)),
        dataset=chain / "dataset",
        supernet=chain / "supernet",
        latency=chain / "latency",
        output=output,
        resume="or-restart",
        **options,
    )


def learnt(folder: Path) -> dict[str, float | None]:
    found = json.loads((folder / "search.json").read_text())
    return {row["key"]: row["learnt_miou"] for row in found["finalists"]}


@pytest.fixture(scope="module")
def undisturbed(chain: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("undisturbed") / "search"
    searched(chain, output)
    return output


@pytest.fixture
def saves(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The epochs of all checkpoints, as they are written."""
    done: list[int] = []
    save = Checkpoints.save

    def counted(self: Checkpoints, progress: Any, *rest: Any) -> None:
        save(self, progress, *rest)
        done.append(progress.epoch)

    monkeypatch.setattr(Checkpoints, "save", counted)
    return done


def same(one: Path, two: Path) -> bool:
    return learnt(one) == learnt(two) and all(
        (one / name).read_bytes() == (two / name).read_bytes() for name in RESULTS
    )


def test_all_finalists_learn_and_leave_no_checkpoints(undisturbed: Path) -> None:
    assert None not in learnt(undisturbed).values()
    assert len(learnt(undisturbed)) == 3
    assert not (undisturbed / "learning").exists()


def test_cut_between_two_finalists_the_first_does_not_learn_again(
    chain: Path, undisturbed: Path, tmp_path: Path, saves: list[int]
) -> None:
    output = tmp_path / "search"

    def interrupt(line: str) -> None:
        if line.startswith("finalist "):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        searched(chain, output, interrupt)
    first = len(saves)
    said: list[str] = []
    searched(chain, output, said.append)

    assert same(output, undisturbed)
    assert sum(line.startswith("finalist ") for line in said) == 2
    assert len(saves) == 3 * first


def test_cut_within_the_training_of_one_it_goes_on_from_its_checkpoint(
    chain: Path, undisturbed: Path, tmp_path: Path, saves: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    output, save = tmp_path / "search", Checkpoints.save

    def interrupt(self: Checkpoints, progress: Any, *rest: Any) -> None:
        save(self, progress, *rest)
        if len(saves) == 5:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Checkpoints, "save", interrupt)
        with pytest.raises(KeyboardInterrupt):
            searched(chain, output)
    cut = saves.copy()
    searched(chain, output)

    assert same(output, undisturbed)
    assert saves[len(cut)] == cut[-1] + 1


def test_damaged_notes_of_what_they_learnt_are_made_anew(
    chain: Path, undisturbed: Path, tmp_path: Path
) -> None:
    output = tmp_path / "search"

    def interrupt(line: str) -> None:
        if line.startswith("finalist "):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        searched(chain, output, interrupt)
    notes = output / "finalists.jsonl"
    first, learnt_line = notes.read_text().splitlines()
    notes.write_text(f"{first}\n" + learnt_line.replace('"input": ', '"input": 7') + "\n")
    searched(chain, output)

    assert same(output, undisturbed)


def test_another_machine_goes_on_with_what_was_learnt(chain: Path, undisturbed: Path, tmp_path: Path) -> None:
    copies = str(tmp_path / "volume")

    def interrupt(line: str) -> None:
        if line.startswith("finalist "):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        searched(chain, tmp_path / "lost", interrupt, checkpoints=copies)
    said: list[str] = []
    searched(chain, tmp_path / "search", said.append, checkpoints=copies)

    assert same(tmp_path / "search", undisturbed)
    assert sum(line.startswith("finalist ") for line in said) == 2
    assert not list((tmp_path / "volume").rglob("*.jsonl"))


def test_another_machine_has_nothing_to_learn_of_a_search_that_was_finished(
    chain: Path, undisturbed: Path, tmp_path: Path
) -> None:
    copies, said = str(tmp_path / "volume"), list[str]()
    searched(chain, tmp_path / "lost", checkpoints=copies, keeps_copy=True)
    searched(chain, tmp_path / "search", said.append, checkpoints=copies, keeps_copy=True)

    assert same(tmp_path / "search", undisturbed)
    assert not [line for line in said if line.startswith("finalist ")]


def test_without_epochs_the_supernets_order_decides(
    chain: Path, undisturbed: Path, tmp_path: Path, saves: list[int]
) -> None:
    output = tmp_path / "search"
    searched(chain, output, lambda line: None, "search.finalist_epochs=0")

    found = json.loads((output / "search.json").read_text())
    assert saves == []
    assert not (output / "finalists.jsonl").exists()
    assert set(learnt(output).values()) == {None}
    assert found["architecture_key"] == found["finalists"][0]["key"]
    assert (output / "population.parquet").read_bytes() == (undisturbed / "population.parquet").read_bytes()
