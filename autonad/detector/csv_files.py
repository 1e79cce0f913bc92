"""defects.csv and verdicts.csv: they grow with each image, and are in the order of images at the end."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TextIO

from autonad.errors import StorageError
from autonad.files import cell, write_atomic

DEFECTS, VERDICTS = "defects.csv", "verdicts.csv"
UNREADABLE = "UNREADABLE"

DEFECT_COLUMNS = (
    *("image", "class", "verdict", "rule", "area_px", "area_mm2", "length_px", "length_mm"),
    *("width_px", "width_mm", "top", "left", "bottom", "right", "mean", "peak"),
)
VERDICT_COLUMNS = ("image", "verdict", "reason", "defects", "named", "too_small", "height", "width", "mask")


class CsvFiles:
    """The two tables of a folder of results.

    Args:
        folder: Where they lie.
        entries: Results so far, as `Finished` holds them.

    Raises:
        StorageError: They cannot be written.
    """

    def __init__(self, folder: Path, entries: Iterable[dict[str, Any]]) -> None:
        self._paths = folder / VERDICTS, folder / DEFECTS
        self._files: tuple[TextIO, ...] = ()
        self.rewrite(entries)

    def add(self, entry: dict[str, Any]) -> None:
        """Append an image's rows, to be seen at once.

        Raises:
            StorageError: The disk is full.
        """
        rows = [verdict_row(entry)], defect_rows(entry)
        for number, (path, some) in enumerate(zip(self._paths, rows, strict=True)):
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows(map(guarded, some))
            try:
                if len(self._files) <= number:
                    self._files += (_opened(path, "a"),)
                self._files[number].write(text.getvalue())
                self._files[number].flush()
            except OSError as error:
                raise StorageError(
                    f"cannot write {path}: {error.strerror}; free some space, then repeat the command: what "
                    "is done is not done again"
                ) from error

    def rewrite(self, entries: Iterable[dict[str, Any]]) -> None:
        """Write both tables anew, each in one step; no file stays open.

        Raises:
            StorageError: They cannot be written.
        """
        verdicts, defects = self._paths
        self._close()

        def fill(first: Path, second: Path) -> None:
            with _opened(first, "w") as rows, _opened(second, "w") as more:
                _fill(rows, more, entries)

        write_atomic(verdicts, lambda first: write_atomic(defects, lambda second: fill(first, second)))

    def _close(self) -> None:
        for file in self._files:
            with suppress(OSError):  # what a full disk did not take is written anew
                file.close()
        self._files = ()


def total_of(entry: dict[str, Any]) -> int:
    """How many defects an image has; its entry names the worst ones."""
    return sum(count for _, _, count in entry["counts"])


def verdict_row(entry: dict[str, Any]) -> Sequence[Any]:
    """An image's row of verdicts.csv."""
    height, width = entry["size"] or (None, None)
    mask = f"masks/{entry['output']}.png" if entry["problem"] is None else None
    return (
        *(entry["image"], entry["verdict"], entry["problem"] or entry["reason"]),
        *(total_of(entry), len(entry["defects"]), entry["too_small"], height, width, mask),
    )


def _opened(path: Path, mode: Literal["a", "w"]) -> TextIO:
    """A table to write to; names of files that are no text are escaped in it."""
    return path.open(mode, encoding="utf-8", errors="backslashreplace", newline="")


def defect_rows(entry: dict[str, Any]) -> list[Sequence[Any]]:
    """An image's rows of defects.csv."""
    return [
        (
            *(entry["image"], found["class_name"], found["verdict"], found["rule"]),
            *(found["area_px"], found["area_mm2"], found["length_px"], found["length_mm"]),
            *(found["width_px"], found["width_mm"], *found["box"], found["mean"], found["peak"]),
        )
        for found in entry["defects"]
    ]


def _fill(verdicts: TextIO, defects: TextIO, entries: Iterable[dict[str, Any]]) -> None:
    first, second = (csv.writer(file, lineterminator="\n") for file in (verdicts, defects))
    first.writerow(VERDICT_COLUMNS)
    second.writerow(DEFECT_COLUMNS)
    for entry in entries:
        first.writerow(guarded(verdict_row(entry)))
        second.writerows(map(guarded, defect_rows(entry)))


def guarded(row: Sequence[Any]) -> list[Any]:
    """A row whose texts no spreadsheet takes for formulas."""
    return [cell(one) for one in row]
