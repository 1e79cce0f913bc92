"""Faults in a dataset or in a layout, found before training.

Errors are what must be mended: unreadable files, masks that do not fit, copies that straddle splits, groups
that do. Warnings are what a user should know: the known faults of published sets, resemblance, mixed groups,
and all that `sanity` doubts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from autonad.data.copies import Seen, equal_images, find_near, mixed_groups, shown_classes, straddling_near
from autonad.data.dataset import UNLABELLED, Dataset, count_pixels
from autonad.data.faults import Fault, fault_table
from autonad.data.fingerprints import Fingerprint
from autonad.data.ingest.digest import Digester
from autonad.data.ingest.findings import compare, conflict_severity, looked, rejection, seen, summarise
from autonad.data.ingest.grouping import joined_groups, same_part
from autonad.data.ingest.ordering import in_order
from autonad.data.ingest.reading import Advance
from autonad.data.ingest.settings import IngestSettings
from autonad.data.layouts.formats import read_layout
from autonad.data.sanity.judging import judge, judge_splits
from autonad.data.sanity.looked import Expected, Looked
from autonad.data.sanity.measures import Measures
from autonad.errors import DatasetError


@dataclass(frozen=True)
class AuditReport:
    """What an audit found.

    Attributes:
        faults: Findings (severity, kind, item, message), errors first.
        num_images: Images that were looked at.
        images: What those that can be used look like, in figures.
    """

    faults: pd.DataFrame
    num_images: int
    images: tuple[Looked, ...]

    @property
    def has_errors(self) -> bool:
        """Whether something must be mended (exit code 1 of the command line)."""
        return bool((self.faults["severity"] == "error").any())


def audit_dataset(
    root: Path | str,
    *,
    input_size: tuple[int, int] = (128, 128),
    keep_aspect: bool = True,
    fractions: Sequence[float] | None = None,
    workers: int = 2,
    advance: Advance = lambda done, total, text: None,
) -> AuditReport:
    """Look for faults in a dataset.

    Args:
        root: Its folder.
        input_size: Height and width of the network's input, by which the size of defects is judged.
        keep_aspect: Images are padded to it, not stretched.
        fractions: Shares of train, val and test that were asked for; None if that is not known.
        workers: Threads that decode.
        advance: Told how many of how many images were read.

    Raises:
        DatasetError: The folder is no dataset.
    """
    dataset = Dataset.open(root)
    faults = list(_import_faults(dataset))
    images, shown = list[Seen](), list[Looked]()
    rows = list(_rows(dataset.manifest))
    with ThreadPoolExecutor(workers) as pool:
        for done, (found, look, image) in enumerate(in_order(pool, partial(_look, dataset), rows), start=1):
            faults += found
            shown += [] if look is None else [look]
            images += [] if image is None else [image]
            advance(done, len(rows), "images read")
    faults += judge(shown, Expected(dataset.root.name, input_size, keep_aspect))
    faults += judge_splits(dataset.manifest, dataset.classes, fractions)
    conflict = conflict_severity(dataset.about.get("format"))
    faults += equal_images(images, conflict=conflict, straddling="error")
    faults += straddling_near(images, find_near(images))
    faults += mixed_groups(images)
    return AuditReport(fault_table(faults), len(dataset.manifest), tuple(shown))


def audit_layout(
    source: Path | str, settings: IngestSettings, *, advance: Advance = lambda done, total, text: None
) -> AuditReport:
    """Look for faults in a layout before it is imported.

    Copies across the published splits are warnings, because the import splits anew, by group.

    Args:
        source: Its folder.
        settings: How an import would read it.
        advance: Told how many of how many images were read.

    Raises:
        DatasetError: The folder does not hold the layout.
    """
    layout = read_layout(
        settings.format,
        Path(source),
        groups_csv=settings.groups_csv,
        include_defect_free=settings.include_defect_free,
        threshold=settings.threshold,
        classes=settings.classes,
    )
    faults, grey = list(layout.faults), 0
    images, shown = list[Seen](), list[Looked]()
    digester = Digester.of_layout(layout, None)
    with ThreadPoolExecutor(settings.workers) as pool:
        for done, digest in enumerate(in_order(pool, digester.digest, layout.records), start=1):
            grey += digest.grey
            fault = rejection(digest)
            faults += [*digest.faults] if fault is None else [*digest.faults, fault]
            if fault is None:
                images.append(seen(digest, layout, split=digest.record.published_split or ""))
                shown.append(looked(digest, images[-1].group))
            advance(done, len(layout.records), "images read")
    faults += summarise(layout, layout.source.name, grey=grey, images=len(layout.records))
    faults += compare(layout, images)
    faults += judge(shown, settings.expected(layout.source.name))
    near = find_near(images)
    if layout.groups is not None:
        groups, none = [image.group for image in images], np.zeros(len(images), dtype=bool)
        part = same_part(groups, [image.fingerprint.content for image in images], none, near)
        faults += joined_groups(groups, none, part)
    crossing = sum(images[i].split != images[j].split for i, j, _ in near)
    if crossing:
        message = f"{crossing} pairs of near-duplicates cross the published splits; the import makes new ones"
        faults.append(Fault("warning", "near-duplicate", layout.source.name, message))
    return AuditReport(fault_table(faults), len(layout.records), tuple(shown))


def _look(dataset: Dataset, row: Any) -> tuple[list[Fault], Looked | None, Seen | None]:
    """One image of a dataset: its faults, its look, and what it is among others if it has a mask."""
    labelled = row.split != UNLABELLED
    try:
        image = dataset.read_image(row)
        mask = dataset.read_mask(row) if labelled else None
    except DatasetError as error:
        return [Fault("error", _kind(str(error)), row.image, str(error))], None, None
    counts = [0] * dataset.num_classes if mask is None else count_pixels(mask, dataset.num_classes)
    faults = list(_changes(dataset, row, counts))
    prints = Fingerprint.of(image, mask)
    look = Looked(row.image, Measures.of(image, mask), prints.content, prints.labels, row.group)
    if not labelled:
        return faults, look, None
    return faults, look, Seen(row.image, prints, shown_classes(counts, dataset.classes), row.group, row.split)


def _changes(dataset: Dataset, row: Any, counts: Sequence[int]) -> Iterator[Fault]:
    """Files that are not what the manifest says."""
    if hashlib.sha256((dataset.root / row.image).read_bytes()).hexdigest() != row.sha256:
        message = "its content is not what the manifest says; import it again"
        yield Fault("error", "changed", row.image, message)
    if list(counts) != [int(n) for n in row.pixels]:
        message = "its pixel counts are not what the manifest says; import it again"
        yield Fault("error", "changed", row.mask, message)


def _rows(manifest: pd.DataFrame) -> Iterator[Any]:
    # The stubs of pandas give every field the union of all types.
    yield from manifest.itertuples()


def _import_faults(dataset: Dataset) -> Iterator[Fault]:
    """What the import has found, as warnings: it was dealt with then, and must not be forgotten."""
    for fault in dataset.about.get("faults", []):
        if fault["kind"] not in {"mixed-group", "label-conflict", "duplicate"}:  # those are found again
            yield Fault("warning", fault["kind"], fault["item"], f"found on import: {fault['message']}")


def _kind(message: str) -> str:
    if "holds the values" in message:
        return "unknown-value"
    return "size-mismatch" if "the manifest says" in message else "unreadable"
