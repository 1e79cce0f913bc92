import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from autonad.report.charts import progress_charts, training_figure
from autonad.report.front import MOST_POINTS, Population, front_drawings, front_figure, front_file, thinned
from autonad.report.line_chart import draw
from autonad.search.pareto import front


@pytest.mark.parametrize(
    "columns", [["train/loss"], ["val/miou"], ["train/loss", "val/loss", "val/miou", "val/mf1"]]
)
@pytest.mark.parametrize("epochs", [1, 30])
def test_training_curves_are_drawn_from_whatever_is_there(columns: list[str], epochs: int) -> None:
    rng = np.random.default_rng(0)
    history = pd.DataFrame({"epoch": np.arange(epochs) + 1, **{name: rng.random(epochs) for name in columns}})
    history.loc[history.index[1:], columns[-1]] = np.nan  # validated only once
    ET.fromstring(training_figure(history))


@pytest.mark.parametrize("count", [1, 40])
def test_a_search_is_drawn_however_short(count: int) -> None:
    rng = np.random.default_rng(0)
    population = pd.DataFrame(
        {
            "generation": np.arange(count) // 10 + 1,
            "key": [str(n) for n in range(count)],
            "miou": rng.random(count),
            "latency_ms": rng.random(count),
            "score": rng.random(count),
        }
    )
    for chart in progress_charts(population):
        assert {tuple(line.x) for line in chart.lines} == {tuple(sorted(set(population["generation"])))}
        ET.fromstring(draw(chart))
        assert draw(chart) == draw(chart)
    with_winner = front_figure([Population(population, "0")])
    ET.fromstring(with_winner)
    assert with_winner != front_figure([Population(population)])
    assert with_winner == front_figure([Population(population, "0")])


def test_a_chart_that_is_a_file_needs_no_page() -> None:
    table = pd.DataFrame({"key": ["a"], "miou": [0.5], "latency_ms": [1.0]})
    assert "var(" in front_figure([Population(table)])
    assert "var(" not in front_file([Population(table)])
    assert ET.fromstring(front_file([Population(table)])).tag == "{http://www.w3.org/2000/svg}svg"


def test_a_ring_marks_the_best_validation() -> None:
    history = pd.DataFrame({"epoch": [1, 2, 3], "val/miou": [0.2, 0.5, np.nan]})
    assert training_figure(history).count('r="5"') == 1
    assert 'r="5"' not in training_figure(history[["epoch"]].assign(**{"train/loss": 1.0}))


def test_a_large_population_keeps_its_front_and_the_returned_one() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"key": [f"{n:05d}" for n in range(9000)], "miou": rng.random(9000)})
    table["latency_ms"] = 1 + rng.random(9000)
    drawn, left_out = thinned(Population(table, "08999"))
    assert left_out == len(table) - len(drawn.table) > 8000
    assert len(drawn.table) < MOST_POINTS + 100
    assert {*front(table)["key"], "08999"} <= {*drawn.table["key"]}
    assert thinned(Population(table[:50], None))[1] == 0
    both = front_drawings([drawn])
    assert "<title>" in both.wide
    assert "<title>" not in both.narrow  # a telephone has nothing to point with
