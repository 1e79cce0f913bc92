from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from grouped_rows import table

from autonad.data.split import split_by_group
from autonad.errors import DatasetError

FRACTIONS = (0.6, 0.2, 0.2)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("counts", [[3, 3, 3], [3, 8, 40], [15, 14, 8, 7, 14], [200, 4, 3]])
def test_groups_stay_whole_and_classes_reach_every_split(seed: int, counts: list[int]) -> None:
    rows = table(seed, counts)
    split = split_by_group(rows, FRACTIONS, seed)
    assert split.groupby(rows["group"]).nunique().max() == 1
    present = np.array(rows["pixels"].tolist()) > 0
    for name in ("train", "val", "test"):
        assert present[(split == name).to_numpy()].any(axis=0).all(), name


def test_fractions_are_met_for_images_and_classes() -> None:
    rows = table(0, [60, 60, 30])
    split = split_by_group(rows, FRACTIONS, 0)
    present = np.array(rows["pixels"].tolist()) > 0
    for name, fraction in zip(("train", "val", "test"), FRACTIONS, strict=True):
        chosen = (split == name).to_numpy()
        assert chosen.mean() == pytest.approx(fraction, abs=0.03)
        for c in range(1, 4):
            assert present[chosen, c].sum() / present[:, c].sum() == pytest.approx(fraction, abs=0.05)


def test_images_without_defects_reach_every_split() -> None:
    rows = pd.DataFrame(
        [{"group": f"d{i}", "pixels": [9, 1]} for i in range(20)]
        + [{"group": f"f{i}", "pixels": [9, 0]} for i in range(3)]
    )
    split = split_by_group(rows, FRACTIONS, 0)
    assert set(split[20:]) == {"train", "val", "test"}


def test_the_seed_decides() -> None:
    rows = table(1, [20, 20])
    a, b, c = (split_by_group(rows, FRACTIONS, seed) for seed in (5, 5, 6))
    assert a.equals(b)
    assert not a.equals(c)


def test_the_order_of_rows_does_not_matter() -> None:
    rows = table(2, [12, 9])
    split = split_by_group(rows, FRACTIONS, 0)
    reversed_split = split_by_group(rows.iloc[::-1], FRACTIONS, 0)
    assert reversed_split.sort_index().equals(split)


def test_a_split_of_no_share_stays_empty() -> None:
    rows = table(3, [5, 5])
    assert set(split_by_group(rows, (0.8, 0.2, 0), 0)) == {"train", "val"}
    assert set(split_by_group(rows, (6, 2, 2), 0)) == {"train", "val", "test"}


@pytest.mark.parametrize("fractions", [(0.5, 0.5), (0, 0.5, 0.5), (0.6, -0.2, 0.6), (0.6, float("nan"), 0.2)])
def test_wrong_fractions_are_refused(fractions: tuple[float, ...]) -> None:
    with pytest.raises(DatasetError, match="split fractions"):
        split_by_group(table(0, [5]), fractions, 0)


def test_too_few_groups_are_refused() -> None:
    with pytest.raises(DatasetError, match="form 2 groups, which cannot fill 3 splits"):
        split_by_group(table(0, [2]), FRACTIONS, 0)
