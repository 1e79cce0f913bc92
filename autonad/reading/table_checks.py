"""Parquet files with the columns, types and ranges that a table must have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from autonad.reading.bounds import Unreadable, folded

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["text", "count", "number", "truth", "bytes", "counts", "numbers"]

_MOST_ROWS = 50_000_000
_ARROW = {
    "text": ("is_string", "is_large_string"),
    "count": ("is_integer",),
    "number": ("is_floating", "is_integer"),
    "truth": ("is_boolean",),
    "bytes": ("is_binary", "is_large_binary"),
}


@dataclass(frozen=True)
class Column:
    """What a column holds.

    Attributes:
        kind: Of its values; "counts" and "numbers" are lists of them.
        least: None of its numbers is smaller.
        most: None is larger.
        empty: Whether values may be missing.
        optional: Whether the column may be.
    """

    kind: Kind
    least: float | None = None
    most: float | None = None
    empty: bool = False
    optional: bool = False


TEXT, COUNT, NUMBER = Column("text"), Column("count", least=0), Column("number")


def read_table(path: Path, columns: Mapping[str, Column], *, others: bool = False) -> pd.DataFrame:
    """A parquet file as a table.

    Args:
        path: The file.
        columns: What it must hold.
        others: Whether further columns are read too, as they are.

    Returns:
        The columns in the order of the file, numbered from 0.

    Raises:
        FileNotFoundError: It is not there.
        Unreadable: It is no parquet, or one of its columns is not what it must be.
    """
    import pyarrow.parquet as pq

    if not path.is_file():
        raise FileNotFoundError(path)
    try:
        file = pq.ParquetFile(path)
        if file.metadata.num_rows > _MOST_ROWS:
            raise Unreadable(f"it has {file.metadata.num_rows:,} rows, and at most {_MOST_ROWS:,} are read")
        names = [
            one.name
            for one in file.schema_arrow
            if (others and not one.name.startswith("__index")) or one.name in columns
        ]
        found = file.read(columns=names)
        _check_types(found, columns)
        found.validate(full=True)
        table: pd.DataFrame = found.to_pandas()
    # pyarrow raises its own errors, OSError, ValueError, and whatever damaged pandas metadata leads to.
    except Exception as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable(folded(str(error)) or type(error).__name__) from error
    for name, column in columns.items():
        if name in table:
            _check_values(name, table[name], column)
    return table.reset_index(drop=True)


def read_metadata(path: Path, key: bytes) -> bytes:
    """What the metadata of a parquet file's columns say under a key.

    Raises:
        Unreadable: Nothing, or it is no parquet.
    """
    import pyarrow.parquet as pq

    try:
        found = (pq.read_schema(path).metadata or {}).get(key)
    except (OSError, ValueError) as error:
        raise Unreadable(folded(str(error)) or type(error).__name__) from error
    if found is None:
        raise Unreadable(f"it says nothing under {key.decode()!r}")
    return bytes(found)


def _check_types(table: Any, columns: Mapping[str, Column]) -> None:
    """Make sure that the columns are there, once each, and hold what they should."""
    names = table.column_names
    if missing := [name for name, column in columns.items() if name not in names and not column.optional]:
        raise Unreadable(f"it has no {'columns' if len(missing) > 1 else 'column'} {', '.join(missing)}")
    if len(set(names)) < len(names):
        raise Unreadable("it has two columns of one name")
    for name, column in columns.items():
        if name not in names:
            continue
        kind = table.schema.field(name).type
        # Where there is no value, nothing says what it would be.
        untold = str(kind) == "null" and (column.empty or not table.num_rows)
        if not untold and not _is_of(kind, column.kind):
            raise Unreadable(f"column {name} holds {folded(str(kind), 40)}, and it must hold {column.kind}")


def _is_of(kind: Any, wanted: Kind) -> bool:
    import pyarrow as pa

    if wanted in ("counts", "numbers"):
        inner: Kind = "count" if wanted == "counts" else "number"
        if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
            return False
        # Where every list is empty, nothing says what would be in them.
        return pa.types.is_null(kind.value_type) or _is_of(kind.value_type, inner)
    return any(getattr(pa.types, name)(kind) for name in _ARROW[wanted])


def _check_values(name: str, values: pd.Series[Any], column: Column) -> None:
    import numpy as np

    absent = values.isna()
    if not column.empty and absent.any():
        raise Unreadable(f"column {name} has {int(absent.sum())} rows without a value")
    held = values[~absent]
    if column.kind in ("counts", "numbers"):
        numbers = np.concatenate([np.asarray(one, dtype=float) for one in held]) if len(held) else np.zeros(0)
    elif column.kind in ("count", "number"):
        numbers = held.to_numpy(dtype=float)
    else:
        return
    if not np.isfinite(numbers).all():
        raise Unreadable(f"column {name} holds a number that is none")
    for bound, wrong in (
        (column.least, numbers < (column.least or 0)),
        (column.most, numbers > (column.most or 0)),
    ):
        if bound is not None and wrong.any():
            raise Unreadable(f"column {name} holds {numbers[wrong][0]:g}, which is out of range ({bound:g})")
