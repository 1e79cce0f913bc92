"""Which images show the same part, as the user states it: groups.csv."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from autonad.data.faults import Fault
from autonad.data.layouts.layout import Layout
from autonad.errors import DatasetError


def read_groups(path: Path) -> dict[str, str]:
    """Group by image from a CSV file with the columns `image` (relative to the source folder) and `group`.

    Raises:
        DatasetError: The file is missing, is no such table, or gives an image two groups.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError as error:
        raise DatasetError(f"groups file {path} does not exist; check the path") from error
    except (OSError, ValueError) as error:
        raise DatasetError(f"groups file {path} cannot be read: {error}; save it as CSV in UTF-8") from error
    if not {"image", "group"} <= set(table.columns):
        raise DatasetError(
            f"groups file {path} has the columns {list(table.columns)}; it needs image and group"
        )
    images = [value.replace("\\", "/").removeprefix("./") for value in table["image"]]
    groups: dict[str, str] = {}
    for image, group in zip(images, table["group"], strict=True):
        if groups.setdefault(image, group) != group:
            raise DatasetError(
                f"groups file {path} puts {image} into groups {groups[image]} and {group}; choose one"
            )
    return groups


def stated_groups(layout: Layout, groups_csv: Path | None) -> tuple[dict[str, str] | None, list[Fault]]:
    """Group of every record, or None when they have to be found by similarity."""
    path = groups_csv if groups_csv is not None else layout.source / "groups.csv"
    if groups_csv is None and not path.is_file():
        return None, []
    known = read_groups(path)
    groups, faults = {}, []
    for record in layout.records:
        group = known.get(record.item, "")
        if not group:
            faults.append(
                Fault("warning", "no-group", record.item, f"{path.name} does not name it; it forms a group")
            )
        groups[record.item] = group or f"alone:{record.item}"
    if len(faults) == len(layout.records):
        raise DatasetError(
            f"groups file {path} names none of the images; write paths relative to {layout.source}, such as "
            f"{layout.records[0].item}"
        )
    return groups, faults
