from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from autonad.data.split import k_folds, split_by_group
from autonad.errors import DatasetError

FRACTIONS = (0.6, 0.2, 0.2)


def table(seed: int, groups_per_class: list[int], mixed: float = 0.15) -> pd.DataFrame:
    """Groups of one to six images; some images show a second class."""
    rng = np.random.default_rng(seed)
    rows, group = [], 0
    for index, count in enumerate(groups_per_class, start=1):
        for _ in range(count):
            for _ in range(int(rng.integers(1, 7))):
                pixels = [100] + [0] * len(groups_per_class)
                pixels[index] = int(rng.integers(1, 50))
                if rng.random() < mixed:
                    pixels[int(rng.integers(1, len(pixels)))] = 5
                rows.append({"group": f"g{group}", "pixels": pixels})
            group += 1
    return pd.DataFrame(rows).sample(frac=1, random_state=seed).reset_index(drop=True)


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


def test_folds_partition_rows_and_keep_groups_whole() -> None:
    rows = table(4, [15, 14, 8, 7, 14], mixed=0.0)
    folds = k_folds(rows, 5, 0)
    tested = np.concatenate([test for _, _, test in folds])
    np.testing.assert_array_equal(np.sort(tested), np.arange(len(rows)))
    present = np.array(rows["pixels"].tolist()) > 0
    for index, (train, val, test) in enumerate(folds):
        np.testing.assert_array_equal(val, folds[(index + 1) % 5][2])
        np.testing.assert_array_equal(np.sort(np.concatenate([train, val, test])), np.arange(len(rows)))
        groups = [set(rows["group"].iloc[part]) for part in (train, val, test)]
        assert not groups[0] & groups[1]
        assert not groups[0] & groups[2]
        assert not groups[1] & groups[2]
        assert present[test].any(axis=0).all()


def test_too_few_folds_are_refused() -> None:
    with pytest.raises(DatasetError, match="at least 3"):
        k_folds(table(0, [9]), 2, 0)
