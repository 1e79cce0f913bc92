import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from html_page import EVIL, assert_stands_alone
from screens import Screens

from autonad.evaluation.rank_correlation import rank_agreement
from autonad.report.assessment import scatter_file, write_page

PREDICTORS = ("inherited", "parameters", "flops")


def example(noise: float = 0.01, target: str = "line-3") -> tuple[pd.DataFrame, dict[str, Any]]:
    rng = np.random.default_rng(0)
    trained = np.linspace(0.5, 0.8, 12)
    table = pd.DataFrame(
        {
            "key": [f"{n:012x}" for n in range(12)],
            "latency_ms": np.geomspace(1, 20, 12),
            "parameters": rng.integers(1000, 9000, 12),
            "flops": rng.integers(10**6, 10**8, 12),
            "inherited_miou": trained - 0.1 + rng.normal(0, noise, 12),
            "inherited_native_miou": trained - 0.12,
            "trained_miou": trained,
            "trained_native_miou": trained - 0.02,
            "epochs": 9,
            "minutes": 4.0,
        }
    )
    figures = {"inherited": "inherited_miou", "parameters": "parameters", "flops": "flops"}
    agreement = rank_agreement(
        trained, {name: table[column].to_numpy(float) for name, column in figures.items()}, resamples=200
    )
    about = {"score_at": "input", "minutes": 4.0, "target": target, "cautions": []}
    return table, {**agreement, "top_half": agreement, **about}


def test_the_page_shows_every_architecture_and_stands_alone(tmp_path: Path) -> None:
    table, description = example()
    write_page(tmp_path / "page.html", table, description)
    text = (tmp_path / "page.html").read_text()
    page = assert_stands_alone(text)
    drawn = re.findall(r"<title>(\w+) · inherited", text.split('class="scatter"')[1])
    assert drawn == table["key"].tolist()
    for picture in page.named("svg"):  # for a wide and for a narrow screen
        assert "12 architectures: inherited mIoU" in (picture["aria-label"] or "")
    assert "better than counting parameters and counting FLOPs" in page.text
    assert "4.00 to 4.00 minutes" in page.text


def test_darker_points_are_slower() -> None:
    table, _ = example()
    shades = re.findall(r'r="6" fill="(#[0-9a-f]{6})"', scatter_file(table, "input"))
    order = list(dict.fromkeys(shades))
    assert len(order) > 4
    assert shades == sorted(shades, key=order.index)


def test_native_figures_are_drawn_where_they_count() -> None:
    table, _ = example()
    first = table.iloc[0]
    drawn = scatter_file(table, "native").replace("\N{NO-BREAK SPACE}", " ")
    assert f"trained {100 * first['trained_native_miou']:.2f} %" in drawn


def test_chance_is_not_called_better(tmp_path: Path) -> None:
    table, description = example(noise=1.0)
    write_page(tmp_path / "page.html", table, description)
    assert "is not shown by so few architectures" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize("key", ["cautions", "target"])
def test_hostile_text_is_shown_as_text(tmp_path: Path, key: str) -> None:
    table, description = example()
    description[key] = [EVIL] if key == "cautions" else EVIL
    write_page(tmp_path / "page.html", table, description)
    assert EVIL in assert_stands_alone((tmp_path / "page.html").read_text()).text


def test_it_fits_every_screen_and_paper(tmp_path: Path, screens: Screens) -> None:
    write_page(tmp_path / "page.html", *example())
    screens.check((tmp_path / "page.html").read_text())
