"""Runs side by side: the figures are those of the runs, and what differs is named, and nothing else."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from html_page import EVIL, assert_stands_alone
from screens import Screens

from autonad.report.compared import Compared, changed_params, changes, paired
from autonad.report.comparison import changes_text, render_page, text_table
from autonad.report.genes import gene_changes
from autonad.space import SearchSpace

SPACE = SearchSpace.preset("tiny")


def population(seed: int, key: str) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "miou": rng.uniform(0.5, 0.8, 20),
            "latency_ms": rng.uniform(1, 5, 20),
            "key": [key, *(f"k{number}" for number in range(19))],
            "generation": 1,
        }
    )


def images(right: float, *, seed: int = 0, count: int = 30) -> pd.DataFrame:
    """An evaluation of two classes in which a share of the defect's pixels is found, more or less."""
    rng = np.random.default_rng(seed)
    found = np.clip(100 * right + rng.integers(-5, 6, count), 0, 100).astype(int)
    return pd.DataFrame(
        {
            "image": [f"{number}.png" for number in range(count)],
            "group": [f"part {number // 2}" for number in range(count)],
            "confusion_input": [[900, 0, 100 - hits, hits] for hits in found],
        }
    )


def run(name: str, seed: int = 0, *, right: float = 0.7, **changes: Any) -> Compared:
    architecture = SPACE.sample(np.random.default_rng(seed))
    values: dict[str, Any] = {
        "name": name,
        "run_id": f"id-of-{name}",
        "started": "2025-06-01 10:00 UTC",
        "said": {"search": f"{name} found something"},
        "metrics": {
            "search": {"latency/p50_ms": 9.0, "val/miou": 0.6, "model/parameters": 10.0},
            "evaluate": {"test/miou": 0.812, "test/miou_low": 0.79, "test/miou_high": 0.831},
            "export": {"latency/p50_ms": 2.5},
        },
        "params": {"search": {"seed": "1", "search.population": "24"}, "retrain": {"seed": "1"}},
        "data": {"dataset": "steel", "images": "100", "classes": "2 (background, crack)"},
        "code": {"commit": "0a1b2c"},
        "architecture": architecture,
        "population": population(seed, architecture.key),
        "images": images(right, seed=seed),
    }
    return Compared(**(values | changes))


def test_the_table_holds_one_line_per_run_and_the_exported_latency() -> None:
    header, first, second = text_table([run("monday"), run("tuesday", 1, metrics={})]).splitlines()
    assert header.split()[0] == "run"
    assert "81.2 % (79.0 to 83.1)" in first
    assert "2.50 ms" in first
    assert "9.00 ms" not in first
    assert set(second.split()) >= {"tuesday", "–"}


def test_names_do_nothing_to_the_terminal_and_columns_stay_in_line() -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\nmonday\u202e"
    lines = text_table([run(evil), run("tuesday", 1)]).splitlines()

    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)
    assert r"\x1b]0;owned\x07\x1b[2J\nmonday\u202e" in lines[1]
    assert len({line.index(found) for line, found in zip(lines, ("Test", "81.2", "81.2"), strict=True)}) == 1


def test_the_latency_of_the_search_counts_where_nothing_was_exported() -> None:
    metrics = {"search": {"latency/p50_ms": 9.0}}
    assert "9.00 ms" in text_table([run("a"), run("b", metrics=metrics)]).splitlines()[2]


def test_only_what_differs_is_a_change() -> None:
    assert changes([{"a": "1", "b": "2"}, {"a": "1", "c": "3"}]) == [("b", ("2", "–")), ("c", ("–", "3"))]
    assert changes([{"a": "1"}, {"a": "1"}]) == []


def test_parameters_of_steps_that_not_all_made_are_no_changes() -> None:
    first = run("a", params={"synthesize": {"synthesize.blur": "1"}, "search": {"seed": "1", "x": "4"}})
    second = run("b", params={"search": {"seed": "2", "x": "4"}})
    assert changed_params([first, second]) == [("other steps", ("synthesize", "–")), ("seed", ("1", "2"))]


def test_a_name_that_steps_disagree_on_names_its_step() -> None:
    first = run("a", params={"search": {"seed": "1"}, "retrain": {"seed": "1"}})
    second = run("b", params={"search": {"seed": "1"}, "retrain": {"seed": "2"}})
    rows = dict(changed_params([first, second]))
    assert rows["retrain: seed"] == ("–", "2")


def test_genes_give_the_architectures_back_in_order() -> None:
    one, other = (SPACE.sample(np.random.default_rng(seed)) for seed in (1, 2))
    rows = gene_changes([one, other])
    places = [row.what for row in rows]
    assert places[0] == "architecture"
    assert [name for name in places if re.fullmatch(r"stage \d", name)] == [f"stage {n}" for n in range(1, 5)]
    blocks = [name for name in places if name.startswith("stage 4")]
    assert len(blocks) == 1 + max(len(one.stages[3].blocks), len(other.stages[3].blocks))
    assert {row.what for row in gene_changes([one, one]) if len(set(row.values)) > 1} == set()
    assert rows[1].values == tuple(f"{a.stages[0].width} channels" for a in (one, other))


def test_the_paired_difference_has_the_right_sign_and_needs_the_same_images() -> None:
    poor, good = run("poor", right=0.5), run("good", 1, right=0.8)
    found = paired(good, poor, resamples=500, level=0.95, seed=0)
    assert found.difference is not None
    assert found.images == 30
    assert 0 < found.difference.interval.low < found.difference.difference
    assert paired(poor, good, resamples=500, level=0.95, seed=0).difference.probability < 0.01  # type: ignore[union-attr]
    fewer = dataclasses.replace(good, images=images(0.8, count=20))
    assert paired(fewer, poor, resamples=500, level=0.95, seed=0).why_not == "other images"
    unknown = dataclasses.replace(good, images=None)
    assert paired(unknown, poor, resamples=500, level=0.95, seed=0).why_not == "no evaluation"


@pytest.fixture(scope="module")
def page() -> str:
    return render_page(
        [
            run("monday"),
            run("tuesday <b>", 1, params={"search": {"seed": "2"}}, code={"commit": "ffff"}),
            run("wednesday", 2, population=None, architecture=None, images=None),
        ]
    )


def test_the_page_is_whole_and_needs_nothing_from_outside(page: str) -> None:
    for section in ("Figures", "On the same images", "Pareto fronts", "Architectures", "What changed"):
        assert f"<h2>{section}</h2>" in page
    assert_stands_alone(page)
    assert "tuesday &lt;b&gt;" in page
    assert "<b>" not in page


def test_hostile_names_are_shown_as_text() -> None:
    data = {"dataset": EVIL, "classes": f"2 (background, {EVIL})"}
    page = assert_stands_alone(
        render_page(
            [run("a"), run(EVIL, 1, data=data, said={"search": EVIL}, params={"search": {EVIL: EVIL}})]
        )
    )
    assert page.text.count(EVIL) > 5


@pytest.mark.parametrize("count", [1, 9])
def test_every_front_has_its_colour_and_marker(count: int) -> None:
    runs = [run(f"run {n}", n) for n in range(count)] + [run("without", population=None)]
    page = render_page(runs)
    assert page.count('<g class="winner">') == 2 * count  # for wide and for narrow screens
    assert page.count('class="legend"') == (2 if count == 1 else 1)
    if count > 1:
        swatches = re.findall(r'<li><span style="background:([^"]+)"></span>([^<]+)', page)
        assert len(swatches) == count
        marks = [(colour, name.split(" ")[0]) for colour, name in swatches]
        assert len({(colour, mark if mark != "run" else "") for colour, mark in marks}) == count


def test_the_page_names_what_changed(page: str) -> None:
    changed = page.split("<h2>What changed</h2>")[1]
    assert "Data: the same in all of them." in changed
    assert "seed" in changed
    assert "ffff" in changed
    assert "code    commit: 0a1b2c → ffff" in changes_text([run("a"), run("b", code={"commit": "ffff"})])


def test_a_run_for_other_hardware_is_pointed_out() -> None:
    here, there = run("a", data={"hardware key": "aa"}), run("b", data={"hardware key": "bb"})
    assert "for different hardware" in render_page([here, there])
    assert "for different hardware" not in render_page([here, dataclasses.replace(here, name="c")])


def test_equal_runs_give_equal_pages_and_bare_ones_a_page() -> None:
    assert render_page([run("a"), run("b", 1)]) == render_page([run("a"), run("b", 1)])
    bare = render_page([Compared("a", "1"), Compared("b", "2")])
    assert "<h2>Pareto fronts</h2>" not in bare
    assert "Parameters: the same in all of them." in bare


def test_it_fits_every_screen_and_paper(screens: Screens) -> None:
    screens.check(render_page([run("monday"), run("tuesday", 1)]))
