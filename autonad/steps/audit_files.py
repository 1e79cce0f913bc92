"""The page and the table of an audit, which an import and a batch write into the dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from autonad.errors import ConfigError, DatasetError, StorageError
from autonad.files import write_text_atomic

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from autonad.data.dataset import Dataset
    from autonad.data.layouts.layout import Layout
    from autonad.report.audit_page import AuditContent
    from autonad.report.suspects import Look
    from autonad.steps.step import Step

PAGE, TABLE = "audit.html", "faults.csv"


def write_audit(step: Step, folder: Path, content: AuditContent) -> Path:
    """Write page and table, and log them; the table.

    Equal content gives equal bytes, so that a dataset which is imported twice is the same for DVC.

    Raises:
        StorageError: The folder cannot be written.
    """
    from autonad.files import cell
    from autonad.report.audit_page import write_audit_page

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot write {folder}: {error.strerror}; choose a writable folder") from error
    write_audit_page(folder / PAGE, content)
    table = content.faults.map(cell)
    write_text_atomic(folder / TABLE, table.to_csv(index=False, lineterminator="\n"))
    step.attach(folder, PAGE, TABLE)
    return folder / TABLE


def require_no_audit(folder: Path, *, replace: bool) -> None:
    """Make sure that writing loses no other audit.

    Raises:
        ConfigError: It would, and `replace` is not given.
    """
    if not replace and (folder / PAGE).exists():
        raise ConfigError(
            f"output {folder} holds another audit, so it is not overwritten; choose another folder, or give "
            "--replace"
        )


def how_read(layout: Layout) -> list[str]:
    """How the images and masks of a layout were read, in sentences."""
    groups = "groups are stated" if layout.groups is not None else "no groups are stated"
    first = f"Read as {layout.format}: classes {', '.join(layout.classes)}; {groups}."
    return [first, *(one.text for one in layout.said)]


def look_into_layout(layout: Layout) -> Look:
    """Shows the items of a layout as an import reads them."""
    from autonad.data.layouts.decoding import decode_record

    records = {record.item: record for record in layout.records}

    def look(item: str) -> tuple[np.ndarray, np.ndarray | None] | None:
        if item not in records:
            return None
        found = decode_record(layout, records[item])
        return None if found.image is None else (found.image, found.mask)

    return look


def look_into_dataset(dataset: Dataset, places: Mapping[str, str] | None = None) -> Look:
    """Shows the images of a dataset.

    Args:
        dataset: The dataset.
        places: Image in the dataset by item, where it is called otherwise.
    """
    rows = dataset.manifest.set_index("image", drop=False)

    def look(item: str) -> tuple[np.ndarray, np.ndarray | None] | None:
        image = item if places is None else places.get(item, item)
        if image not in rows.index:
            return None
        row = rows.loc[image]
        try:
            return dataset.read_image(row), dataset.read_mask(row) if row["mask"] else None
        except DatasetError:
            return None

    return look
