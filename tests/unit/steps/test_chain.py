"""What has finished is not repeated; what was interrupted, or reads something else now, is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autonad.config import Config
from autonad.config.context import Context
from autonad.console import Console
from autonad.errors import ConfigError
from autonad.steps.chain import RECORD, Chain, Link, start_over

WHAT = {"source": "mydata"}


class Kitchen:
    """Two steps, the second of which reads what the first one writes."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.done, self.said = folder, [], []  # type: ignore[var-annotated]
        self.settings: dict[str, object] = {"epochs": 3}
        self.breaks = ""
        self.flags: list[str] = []  # of the mill

    def run(self) -> str:
        self.said.clear()
        self.done.clear()
        self.context = Context(Config(), console=Console(self.said.append))
        chain = Chain(self.context, self.folder, WHAT)
        flour, bread = self.folder / "mill" / "flour", self.folder / "oven" / "bread"
        first = Link("mill", lambda: self._write("mill", flour, "flour"), self.settings, writes=(flour,))
        chain(first)
        second = Link(
            "oven", lambda: self._write("oven", bread, flour.read_text()), {}, (flour,), writes=(bread,)
        )
        return str(chain(second)["said"])

    def _write(self, name: str, path: Path, text: str) -> dict[str, str]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("half")
        if name == self.breaks:
            raise KeyboardInterrupt
        self.context.red_flags.extend(self.flags if name == "mill" else ())
        path.write_text(f"{text} {self.settings['epochs']}")
        self.done.append(name)
        return {"said": path.read_text()}


@pytest.fixture
def kitchen(tmp_path: Path) -> Kitchen:
    return Kitchen(tmp_path / "run")


def test_what_has_finished_is_not_repeated_and_says_what_it_said(kitchen: Kitchen) -> None:
    first = kitchen.run()
    assert kitchen.done == ["mill", "oven"]

    assert kitchen.run() == first
    assert kitchen.done == []
    assert [line.split(", in ")[0] for line in kitchen.said] == [
        "── mill: done before",
        "── oven: done before",
    ]


@pytest.mark.parametrize("step", ["mill", "oven"])
def test_an_interrupted_step_and_those_after_it_are_done(kitchen: Kitchen, step: str) -> None:
    kitchen.breaks = step
    with pytest.raises(KeyboardInterrupt):
        kitchen.run()
    kitchen.breaks = ""

    assert kitchen.run() == "flour 3 3"
    assert kitchen.done == ["mill", "oven"][["mill", "oven"].index(step) :]


def test_changed_settings_repeat_a_step_and_those_that_read_it_with_the_reason(kitchen: Kitchen) -> None:
    kitchen.run()
    kitchen.settings = {"epochs": 5}

    assert kitchen.run() == "flour 5 5"
    assert kitchen.said == [
        "── mill: again, because epochs changed",
        "── oven: again, because mill/flour changed",
    ]


def test_a_setting_that_changes_nothing_downstream_repeats_one_step(kitchen: Kitchen) -> None:
    kitchen.run()
    kitchen.settings = {"epochs": 3, "seed": 1}
    kitchen.run()
    assert kitchen.done == ["mill"]


def test_going_back_after_an_interruption_does_not_take_what_is_half_done(kitchen: Kitchen) -> None:
    kitchen.run()
    kitchen.settings, kitchen.breaks = {"epochs": 5}, "mill"
    with pytest.raises(KeyboardInterrupt):
        kitchen.run()
    kitchen.settings, kitchen.breaks = {"epochs": 3}, ""

    assert kitchen.run() == "flour 3 3"
    assert kitchen.done[0] == "mill"


def test_a_lost_file_is_made_again(kitchen: Kitchen) -> None:
    kitchen.run()
    (kitchen.folder / "oven" / "bread").unlink()
    kitchen.run()
    assert kitchen.done == ["oven"]
    assert kitchen.said[-1] == "── oven: again, because its files are gone"


def test_what_makes_results_doubtful_is_said_again_by_a_run_that_repeats_nothing(kitchen: Kitchen) -> None:
    kitchen.flags = ["red flag: flour: it is dust"]
    kitchen.run()
    kitchen.run()

    assert kitchen.done == []
    assert kitchen.context.red_flags == kitchen.flags
    assert kitchen.said[1] == kitchen.flags[0]

    kitchen.settings, kitchen.flags = {"epochs": 5}, []
    kitchen.run()
    assert kitchen.context.red_flags == []


def test_it_is_known_which_step_has_finished_and_which_was_cut_off(kitchen: Kitchen) -> None:
    mill = Link("mill", dict, kitchen.settings, writes=(kitchen.folder / "mill" / "flour",))
    other = Link("mill", dict, {"epochs": 9}, writes=mill.writes)
    oven = Link("oven", dict, {}, mill.writes, writes=(kitchen.folder / "oven" / "bread",))

    def state() -> list[tuple[bool, bool]]:
        chain = Chain(Context(Config()), kitchen.folder, WHAT)
        return [(chain.finished(link) is not None, chain.begun(link)) for link in (mill, other, oven)]

    assert state() == [(False, False), (False, False), (False, False)]
    kitchen.breaks = "mill"
    with pytest.raises(KeyboardInterrupt):
        kitchen.run()
    assert state() == [(False, True), (False, False), (False, False)]
    kitchen.breaks = "oven"
    with pytest.raises(KeyboardInterrupt):
        kitchen.run()
    assert state() == [(True, False), (False, False), (False, True)]
    kitchen.breaks = ""
    kitchen.run()
    assert state() == [(True, False), (False, False), (True, False)]


def test_the_time_before_an_interruption_counts(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(100))
    monkeypatch.setattr("autonad.steps.chain.time.monotonic", lambda: float(next(now)))

    def spent() -> dict[str, float]:
        steps = json.loads((kitchen.folder / RECORD).read_text())["steps"]
        return {name: step["seconds"] for name, step in steps.items()}

    kitchen.breaks = "oven"
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            kitchen.run()
    kitchen.breaks = ""
    kitchen.run()
    assert spent() == {"mill": 1, "oven": 3}

    kitchen.breaks = "mill"
    kitchen.settings = {"epochs": 4}
    with pytest.raises(KeyboardInterrupt):
        kitchen.run()
    kitchen.breaks, kitchen.settings = "", {"epochs": 5}
    kitchen.run()
    assert spent() == {"mill": 1, "oven": 1}, "another step than the one that was interrupted"


def test_a_value_is_found_once_for_the_same_circumstances(tmp_path: Path) -> None:
    found = iter(range(9))

    def ask(**of: int) -> object:
        chain = Chain(Context(Config()), tmp_path / "run", WHAT)
        return chain.kept("pace", of, lambda: next(found))

    assert [ask(a=1), ask(a=1), ask(a=2), ask(a=2)] == [0, 0, 1, 1]


def test_a_forgotten_step_is_repeated(kitchen: Kitchen) -> None:
    kitchen.run()
    Chain(Context(Config()), kitchen.folder, WHAT).forget("oven")
    kitchen.run()
    assert kitchen.done == ["oven"]


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ({"photo.png": "x"}, "other files"),
        ({RECORD: "{"}, "damaged"),
        ({RECORD: "[]"}, "damaged"),
        ({RECORD: json.dumps({"what": {}, "steps": [], "kept": {}})}, "damaged"),
        ({RECORD: json.dumps({"what": {}, "steps": {"mill": {"reads": 3}}, "kept": {}})}, "damaged"),
        ({RECORD: json.dumps({"what": {"source": "b"}, "steps": {}, "kept": {}})}, "source b"),
    ],
)
def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, content: dict[str, str], word: str) -> None:
    for name, text in content.items():
        (tmp_path / name).write_text(text)

    with pytest.raises(ConfigError, match=word) as told:
        Chain(Context(Config()), tmp_path, WHAT)

    assert "--output" in str(told.value)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == content


def test_starting_over_removes_a_chain_and_nothing_else(kitchen: Kitchen, tmp_path: Path) -> None:
    kitchen.run()
    start_over(kitchen.folder)
    assert list(kitchen.folder.iterdir()) == []
    start_over(tmp_path / "nowhere")

    (kitchen.folder / "photo.png").write_text("x")
    with pytest.raises(ConfigError, match="removed nothing"):
        start_over(kitchen.folder)
    assert (kitchen.folder / "photo.png").exists()


def test_dataset_and_execution_are_called_by_the_folder_where_nobody_names_them(tmp_path: Path) -> None:
    named = Chain(Context(Config()), tmp_path / "neu", WHAT).named()
    assert named.config.tracking.dataset == "neu"
    assert (named.execution or "").startswith("neu-")
    config = Config.model_validate({"tracking": {"dataset": "steel"}})
    again = Chain(Context(config, "first"), tmp_path / "neu", WHAT).named()
    assert (again.config.tracking.dataset, again.execution) == ("steel", "first")
