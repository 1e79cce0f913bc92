"""Cross-validation by group."""

from __future__ import annotations

import numpy as np
import pytest
from folds import k_folds
from grouped_rows import table

from autonad.errors import DatasetError


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
