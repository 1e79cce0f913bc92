"""What is left of a run, from what its folder holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autonad.config import Config, load_config
from autonad.config.context import Context
from autonad.steps.chain import Chain, Link
from autonad.steps.cost_estimate import Pace
from autonad.steps.design_chain import Design
from autonad.steps.what_is_left import shares_left

SETTINGS = [
    "train_supernet.epochs=10",
    "search.population=4",
    "search.generations=5",
    "search.finalists=4",
    "retrain.epochs=8",
]
FOUND = {"found": [{"name": name, "folder": f"variants/{name}"} for name in ("here-1ms", "here-3ms")]}


@pytest.fixture
def design(tmp_path: Path) -> Design:
    return reopened(tmp_path / "run", load_config(None, SETTINGS))


def reopened(output: Path, config: Config) -> Design:
    context = Context(config)
    chain = Chain(context, output, {"source": "mydata"})
    return Design(context, chain, output, "0" * 64, ("background", "crack"))


def supply(link: Link) -> None:
    """What a step reads is there."""
    for path in link.reads:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(path.name)


def do(design: Design, link: Link, figures: dict[str, Any] | None = None) -> None:
    """Let a step finish: its files are there."""
    supply(link)

    def does() -> dict[str, Any]:
        for path in link.writes:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(path.name)
        return figures or {}

    design.chain(replace(link, does=does))


def cut(design: Design, link: Link, leave: Callable[[], object]) -> None:
    """Cut a step off when it has left something behind."""
    supply(link)

    def does() -> dict[str, Any]:
        leave()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        design.chain(replace(link, does=does))


def checkpoint(folder: Path, epoch: int) -> None:
    progress = {"epoch": epoch, "step": 0, "best_miou": None, "best_epoch": None, "history": [], "losses": []}
    pointer = {"checkpoint": "step-0", "identity": {}, "progress": progress}
    (folder / "checkpoint").mkdir(parents=True)
    (folder / "checkpoint/latest.json").write_text(json.dumps(pointer))


def journal(path: Path, *entries: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(entry)}\n" for entry in ({"inputs": {}}, *entries)))


def evaluated(count: int) -> list[dict[str, Any]]:
    """So many evaluations in generations of four."""
    return [
        entry
        for number in range(count)
        for entry in (*([{"candidates": []}] if number % 4 == 0 else []), {"key": str(number), "miou": 0.5})
    ]


def test_at_first_everything_is_left_by_the_names_of_the_costs(design: Design) -> None:
    pace = Pace(1, 1, 1, 1, 1, 1, 1)
    assert shares_left(design) == dict.fromkeys(pace.costs(design.context.config), 1.0)


def test_of_a_training_that_was_cut_off_its_epochs_are_left(design: Design) -> None:
    cut(design, design.supernet_link(), lambda: checkpoint(design.output / "train-supernet", 4))
    assert shares_left(design)["supernet"] == pytest.approx(0.6)

    longer = load_config(None, [*SETTINGS, "train_supernet.learning_rate=0.5"])
    assert shares_left(reopened(design.output, longer))["supernet"] == 1


def test_a_damaged_checkpoint_leaves_the_training(design: Design) -> None:
    cut(design, design.supernet_link(), lambda: checkpoint(design.output / "train-supernet", 4))
    (design.output / "train-supernet/checkpoint/latest.json").write_text("{")
    assert shares_left(design)["supernet"] == 1


@pytest.mark.parametrize(
    ("evaluations", "learnt", "left"),
    [(0, 0, (1, 1)), (15, 0, (0.25, 1)), (20, 0, (0, 1)), (20, 3, (0, 0.25))],
)
def test_of_a_search_evaluations_and_finalists_are_left(
    design: Design, evaluations: int, learnt: int, left: tuple[float, float]
) -> None:
    do(design, design.supernet_link())
    do(design, design.latency_link())

    def leave() -> None:
        journal(design.output / "search/journal.jsonl", *evaluated(evaluations))
        journal(design.output / "search/finalists.jsonl", *[{"key": "a"}] * learnt)

    cut(design, design.search_link(), leave)
    found = shares_left(design)
    assert (found["supernet"], found["latency"]) == (0, 0)
    assert (found["search"], found["finalists"]) == pytest.approx(left)
    assert (found["retraining"], found["evaluation and export"]) == (1, 1)


def test_of_two_detectors_one_may_be_done(design: Design) -> None:
    do(design, design.supernet_link())
    do(design, design.latency_link())
    do(design, design.search_link(), FOUND)
    one, other = (design.detector_links(found, alone=False) for found in FOUND["found"])
    for link in one:
        do(design, link)
    assert shares_left(design)["retraining"] == 0.5
    cut(design, other[0], lambda: checkpoint(design.output / "variants/here-3ms/retrain", 2))
    assert shares_left(design)["retraining"] == pytest.approx(0.75 / 2)
    assert shares_left(design)["evaluation and export"] == 0.5

    do(design, other[0])
    do(design, other[1])
    found = shares_left(design)
    assert (found["search"], found["finalists"], found["retraining"]) == (0, 0, 0)
    assert found["evaluation and export"] == pytest.approx(1 / 3)


def test_what_follows_a_step_that_is_done_anew_is_left(design: Design) -> None:
    do(design, design.supernet_link())
    do(design, design.latency_link())
    do(design, design.search_link(), FOUND)
    (design.output / "train-supernet/supernet.safetensors").unlink()
    left = shares_left(design)
    assert (left["supernet"], left["latency"], left["search"], left["retraining"]) == (1, 0, 1, 1)
