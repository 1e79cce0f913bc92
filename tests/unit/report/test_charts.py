import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from autonad.report.charts import progress_figure, training_figure
from autonad.report.front import Population, front_figure, front_file


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
    ET.fromstring(progress_figure(population))
    assert progress_figure(population) == progress_figure(population)
    with_winner = front_figure([Population(population, "0")])
    ET.fromstring(with_winner)
    assert with_winner != front_figure([Population(population)])
    assert with_winner == front_figure([Population(population, "0")])


def test_a_chart_that_is_a_file_needs_no_page() -> None:
    table = pd.DataFrame({"key": ["a"], "miou": [0.5], "latency_ms": [1.0]})
    assert "var(" in front_figure([Population(table)])
    assert "var(" not in front_file([Population(table)])
    assert ET.fromstring(front_file([Population(table)])).tag == "{http://www.w3.org/2000/svg}svg"


def test_the_users_matplotlib_settings_are_left_alone() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    training_figure(pd.DataFrame({"epoch": [1], "train/loss": [1.0]}))
    assert dict(mpl.rcParams) == before
