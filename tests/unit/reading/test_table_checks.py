"""Columns of a parquet file are what they must be, or the first wrong one is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autonad.reading.bounds import Unreadable
from autonad.reading.table_checks import COUNT, TEXT, Column, read_table

COLUMNS = {
    "name": TEXT,
    "n": COUNT,
    "miou": Column("number", least=0, most=1, empty=True),
    "pixels": Column("counts", least=0),
    "ok": Column("truth"),
    "more": Column("text", optional=True),
}
WHOLE: dict[str, Any] = {
    "name": ["a", "b"],
    "n": [1, 2],
    "miou": [0.5, None],
    "pixels": [[1, 2], []],
    "ok": [True, False],
}


def written(path: Path, content: Any) -> Path:
    pd.DataFrame(content).to_parquet(path)
    return path


def test_a_table_comes_back_as_it_was(tmp_path: Path) -> None:
    table = read_table(written(tmp_path / "t.parquet", {**WHOLE, "other": [1, 2]}), COLUMNS)

    assert list(table.columns) == list(WHOLE)
    assert table["name"].tolist() == ["a", "b"]
    assert [list(one) for one in table["pixels"]] == [[1, 2], []]
    assert "other" in read_table(tmp_path / "t.parquet", COLUMNS, others=True)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"name": [1, 2]}, "column name holds int64"),
        ({"name": ["a", None]}, "column name has 1 rows without a value"),
        ({"n": [1.0, 2.0]}, "column n holds double"),
        ({"n": [1, -1]}, "column n holds -1"),
        ({"miou": [0.5, np.inf]}, "column miou holds a number that is none"),
        ({"miou": [0.5, 1.5]}, "column miou holds 1.5"),
        ({"miou": ["a", "b"]}, "column miou holds"),
        ({"pixels": [[1], [-1]]}, "column pixels holds -1"),
        ({"pixels": [1, 2]}, "column pixels holds int64"),
        ({"pixels": [[1], None]}, "column pixels has 1 rows"),
        ({"ok": [1, 0]}, "column ok holds int64"),
        ({"more": [1, 0]}, "column more holds int64"),
    ],
)
def test_a_wrong_column_is_named(tmp_path: Path, change: dict[str, Any], part: str) -> None:
    with pytest.raises(Unreadable) as refused:
        read_table(written(tmp_path / "t.parquet", {**WHOLE, **change}), COLUMNS)
    assert part in str(refused.value)


def test_a_column_that_is_lost_and_a_file_that_is_none_are_told(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="no columns n, ok"):
        read_table(
            written(tmp_path / "t.parquet", {k: v for k, v in WHOLE.items() if k not in ("n", "ok")}), COLUMNS
        )
    (tmp_path / "none.parquet").write_bytes(b"PAR1 no parquet PAR1")
    with pytest.raises(Unreadable):
        read_table(tmp_path / "none.parquet", COLUMNS)
    with pytest.raises(FileNotFoundError):
        read_table(tmp_path / "missing.parquet", COLUMNS)
