from bisect import bisect_right

import numpy as np
import pandas as pd
import pytest

from autonad.config import SearchConfig
from autonad.errors import SearchError
from autonad.search import Evaluation, Evolution, pareto
from autonad.search.pareto import front, front_ranks, hypervolume, objectives, pareto_mask
from autonad.space import SearchSpace


def dominates(a: np.ndarray, b: np.ndarray) -> bool:
    return all(x <= y for x, y in zip(a, b, strict=True)) and any(x < y for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("values", [4, 1000])  # few values: many ties
def test_the_front_is_what_nothing_dominates(seed: int, values: int) -> None:
    points = np.random.default_rng(seed).integers(values, size=(60, 2)).astype(float)
    mask = pareto_mask(points)
    assert mask.any()
    for index, point in enumerate(points):
        assert mask[index] == (not any(dominates(other, point) for other in points))


def test_equal_points_share_their_fate() -> None:
    assert pareto_mask(np.array([[1.0, 2.0], [1.0, 2.0], [3.0, 3.0], [3.0, 3.0]])).tolist() == [
        True,
        True,
        False,
        False,
    ]
    assert pareto_mask(np.empty((0, 2))).tolist() == []


def test_the_hypervolume_is_the_dominated_share_of_the_area() -> None:
    assert hypervolume(np.array([[1.0, 2.0]]), (4.0, 4.0)) == 3.0 * 2.0
    assert hypervolume(np.array([[1.0, 3.0], [2.0, 1.0]]), (4.0, 4.0)) == 3.0 + 6.0 - 2.0
    rng = np.random.default_rng(0)
    points = rng.random((15, 2))
    darts = rng.random((200_000, 2))
    hit = (points[None] <= darts[:, None]).all(axis=2).any(axis=1).mean()
    assert hypervolume(points, (1.0, 1.0)) == pytest.approx(hit, abs=0.005)


def test_only_the_front_inside_the_reference_counts() -> None:
    rng = np.random.default_rng(1)
    points = rng.random((30, 2))
    whole = hypervolume(points, (1.0, 1.0))
    assert hypervolume(points[pareto_mask(points)], (1.0, 1.0)) == pytest.approx(whole)
    assert hypervolume(np.vstack([points, [[0.0, 2.0], [5.0, 0.0]]]), (1.0, 1.0)) == pytest.approx(whole)
    better = np.vstack([points, points.min(axis=0) - 0.01])
    assert hypervolume(better, (1.0, 1.0)) > whole
    assert hypervolume(np.empty((0, 2)), (1.0, 1.0)) == 0.0


def test_impossible_objectives_are_refused() -> None:
    for points in (np.array([[np.nan, 1.0]]), np.array([1.0, 2.0]), np.ones((2, 3))):
        with pytest.raises(SearchError, match="objectives"):
            pareto_mask(points)
    with pytest.raises(SearchError, match="two"):
        hypervolume(np.ones((2, 3)), (2.0, 2.0))


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    search = Evolution(
        SearchSpace.preset("tiny"), settings=SearchConfig(population=6, generations=3, top_k=2)
    )
    rng = np.random.default_rng(0)
    while not search.done:
        search.tell([Evaluation(item, rng.random(), float(item.num_blocks)) for item in search.ask()])
    return search.table()


def test_no_row_of_a_searchs_front_is_dominated_by_any_row(table: pd.DataFrame) -> None:
    best = front(table)
    assert best["latency_ms"].is_monotonic_increasing
    everything = objectives(table)
    for point in objectives(best):
        assert not any(dominates(other, point) for other in everything)
    assert table["miou"].max() in set(best["miou"])
    assert len(front(table.head(0))) == 0


def peeled(points: np.ndarray) -> np.ndarray:
    """Ranks by the definition: what nothing left dominates is taken away, again and again."""
    ranks, left, rank = np.zeros(len(points), int), set(range(len(points))), 0
    while left:
        best = {n for n in left if not any(dominates(points[other], points[n]) for other in left)}
        ranks[list(best)] = rank
        left, rank = left - best, rank + 1
    return ranks


@pytest.mark.parametrize("values", [3, 20, 1000])
def test_ranks_are_what_peeling_off_fronts_gives(values: int) -> None:
    for seed in range(4):
        points = np.random.default_rng(seed).integers(values, size=(70, 2)).astype(float)
        np.testing.assert_array_equal(front_ranks(points), peeled(points))


def test_ranks_of_ten_thousand_points_need_few_comparisons(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search of 100 generations of 100 ranks so many in each."""
    steps: list[int] = []

    def counted(lowest: list[float], value: float) -> int:
        steps.append(len(lowest).bit_length())
        return bisect_right(lowest, value)

    monkeypatch.setattr(pareto, "bisect_right", counted)
    ranks = front_ranks(np.random.default_rng(0).random((10_000, 2)))
    assert 100 < ranks.max() < 400
    assert sum(steps) < 10_000 * 10
