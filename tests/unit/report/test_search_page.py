import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from html_page import EVIL, assert_stands_alone
from screens import Screens

from autonad.config import SearchConfig
from autonad.errors import SearchError
from autonad.report.search import write_page
from autonad.report.units import milliseconds
from autonad.search import Evaluation, Evolution
from autonad.search.pareto import front
from autonad.space import SearchSpace


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    search = Evolution(
        SearchSpace.preset("tiny"), settings=SearchConfig(population=6, generations=3, top_k=2)
    )
    rng = np.random.default_rng(0)
    while not search.done:
        search.tell([Evaluation(item, rng.random(), float(item.num_blocks)) for item in search.ask()])
    return search.table()


def _shown(page: str, group: str) -> list[str]:
    """Keys of the architectures that the points of a group are titled with."""
    drawn = page.split(f'<g class="{group}"')[1].split("</g>")[0]
    return re.findall(r"<title>(\w+) ·", drawn)


def test_the_page_shows_everything_needs_no_network_and_is_reproducible(
    tmp_path: Path, table: pd.DataFrame
) -> None:
    winner = table["key"].iloc[4]
    for name in ("a.html", "b.html"):
        write_page(tmp_path / name, table, winner=winner, latency_budget_ms=5.5)
    page = (tmp_path / "a.html").read_text()
    assert_stands_alone(page)
    assert len(page) < 100_000
    assert all(key in page for key in table["key"])
    assert "budget 5.5 ms" in page
    assert (tmp_path / "b.html").read_text() == page
    assert _shown(page, "population") == table["key"].tolist()
    assert _shown(page, "front") == front(table)["key"].tolist()
    assert _shown(page, "winner") == [winner]
    first = table.iloc[0]
    latency = milliseconds(first["latency_ms"])
    title = f"{first['key']} · mIoU {100 * first['miou']:.2f} % · {latency} · generation 1"
    assert title in page.replace("\N{NO-BREAK SPACE}", " ")


def test_the_front_is_a_table_that_sorts_without_a_script(tmp_path: Path, table: pd.DataFrame) -> None:
    write_page(tmp_path / "page.html", table, num_classes=3)
    page = (tmp_path / "page.html").read_text()
    best = front(table)
    rows = re.findall(r'<tr[^>]* style="([^"]+)"><th scope="row">(\w+)', page)
    assert [key for _, key in rows] == best["key"].tolist()
    ranks = np.array([re.findall(r"--by-\d:(\d+);", style) for style, _ in rows], int)
    for column, name, sign in ((0, "latency_ms", 1), (1, "miou", -1), (2, "score", -1), (3, "generation", 1)):
        values = sign * best[name].to_numpy()[np.argsort(ranks[:, column])]
        assert (np.diff(values) >= 0).all(), name
    assert len(re.findall(r'<input type="radio" name="sort" id="by-\d"', page)) == ranks.shape[1] == 5
    for number in range(2, 6):
        assert f"#by-{number}:checked" in page


def test_parameters_are_those_of_the_networks(tmp_path: Path, table: pd.DataFrame) -> None:
    from autonad.network import AutoNADNet
    from autonad.space import Architecture

    write_page(tmp_path / "page.html", table, num_classes=3)
    page = (tmp_path / "page.html").read_text()
    for text in front(table)["architecture"]:
        assert f">{AutoNADNet(Architecture.from_json(text), 3).num_parameters:,}</td>" in page


def test_hostile_keys_are_shown_as_text(tmp_path: Path, table: pd.DataFrame) -> None:
    best = front(table)["key"].iloc[0]
    write_page(tmp_path / "page.html", table.replace({"key": {best: EVIL}}), winner=EVIL)
    assert EVIL in assert_stands_alone((tmp_path / "page.html").read_text()).text


def test_a_large_search_stays_a_small_page(tmp_path: Path, table: pd.DataFrame) -> None:
    many = pd.concat([table] * 300, ignore_index=True)
    many["key"] = [f"{number:012x}" for number in range(len(many))]
    many["miou"] = np.random.default_rng(0).random(len(many))
    many["latency_ms"] = 1 + many["miou"] ** 3 + np.random.default_rng(1).random(len(many))
    write_page(tmp_path / "page.html", many, latency_budget_ms=1.5, num_classes=3)
    assert (tmp_path / "page.html").stat().st_size < 200_000
    assert "are left out" in (tmp_path / "page.html").read_text()


def test_a_long_front_is_thinned_to_its_ends_and_the_winner(tmp_path: Path, table: pd.DataFrame) -> None:
    count = 700
    long = pd.concat([table] * -(-count // len(table)), ignore_index=True).head(count)
    long["key"] = [f"{number:012x}" for number in range(count)]
    long["latency_ms"] = np.linspace(1, 9, count)
    long["miou"] = np.linspace(0.2, 0.8, count)
    winner = long["key"].iloc[333]
    write_page(tmp_path / "page.html", long, winner=winner, num_classes=3)
    page = (tmp_path / "page.html").read_text()
    assert len(page.encode()) < 200_000
    assert f"{count} on the front" in page
    rows = re.findall(r'<th scope="row">(\w{12})', page)
    assert {long["key"].iloc[0], winner, long["key"].iloc[-1]} <= set(rows)
    assert len(rows) <= 52
    assert f"{count - len(rows)} between them are left out" in page


def test_a_page_needs_evaluations_and_a_known_winner(tmp_path: Path, table: pd.DataFrame) -> None:
    with pytest.raises(SearchError, match="no evaluation"):
        write_page(tmp_path / "page.html", table.head(0))
    with pytest.raises(SearchError, match="unknown"):
        write_page(tmp_path / "page.html", table, winner="unknown")
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize("size", ["input", "native"])
def test_the_page_says_at_which_size_pixels_count(tmp_path: Path, table: pd.DataFrame, size: str) -> None:
    write_page(tmp_path / "page.html", table, size=size)  # type: ignore[arg-type]
    assert f"mIoU at {size} size" in (tmp_path / "page.html").read_text()


def test_the_measured_latency_is_the_one_that_is_shown(tmp_path: Path, table: pd.DataFrame) -> None:
    write_page(tmp_path / "page.html", table, measured=("line-3", 3.14159), latency_budget_ms=5.5)
    text = " ".join(assert_stands_alone((tmp_path / "page.html").read_text()).text.split())
    assert "Latency 3.14 ms median on line-3, batch 1;" in text
    assert "predicted; budget 5.50 ms" in text


def test_it_fits_every_screen_and_paper(tmp_path: Path, table: pd.DataFrame, screens: Screens) -> None:
    write_page(tmp_path / "page.html", table, latency_budget_ms=5.5, num_classes=3, measured=("line", 3.1))
    screens.check((tmp_path / "page.html").read_text())
