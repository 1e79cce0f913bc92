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

from autonad.data.copies import (
    Seen,
    equal_images,
    mixed_groups,
    shown_classes,
    straddling_near,
    straddling_pairs,
)
from autonad.data.dataset import UNLABELLED, Dataset, count_pixels
from autonad.data.faults import Fault, Severity, fault_table, said_once
from autonad.data.fingerprints import Fingerprint, descriptors_of
from autonad.data.ingest.digest import Digester
from autonad.data.ingest.findings import (
    compare,
    conflict_severity,
    looked,
    no_defects,
    reading_findings,
    rejection,
    seen,
    summarise,
)
from autonad.data.ingest.grouping import Grouping, Joining, Newcomer, place
from autonad.data.ingest.ordering import in_order
from autonad.data.ingest.own_split import found_split
from autonad.data.ingest.placing import Shown, assign
from autonad.data.ingest.reading import Advance
from autonad.data.ingest.settings import IngestSettings, PartOptions
from autonad.data.ingest.sources import open_layout
from autonad.data.layouts.decoding import PECULIAR, decode_record
from autonad.data.layouts.layout import Layout
from autonad.data.repeats import Surface
from autonad.data.sanity.judging import judge, judge_splits
from autonad.data.sanity.looked import Expected, Looked
from autonad.data.sanity.measures import Measures
from autonad.data.tile_choice import TileWish
from autonad.errors import DatasetError
from autonad.files import with_name


@dataclass(frozen=True)
class AuditReport:
    """What an audit found.

    Attributes:
        faults: Findings (severity, kind, item, message), errors first.
        num_images: Images that were looked at.
        images: What those that can be used look like, in figures.
        expected: What they were compared with.
        rows: Group, split (as an import would make it; "" if it cannot) and pixels of each class of these.
        classes: Names by index, background first.
        dataset: What was looked at, if it is a dataset.
        layout: What was looked at, if it is a layout.
        reading: How the pixels of a layout are read, in sentences; what is unusual is among the findings.
        recognised: The format and by what it was told, where nobody named it.
        joins: Images of a layout that show one part.
    """

    faults: pd.DataFrame
    num_images: int
    images: tuple[Looked, ...]
    expected: Expected
    rows: pd.DataFrame
    classes: tuple[str, ...]
    dataset: Dataset | None = None
    layout: Layout | None = None
    reading: tuple[str, ...] = ()
    recognised: str = ""
    joins: tuple[Shown, ...] = ()

    @property
    def has_errors(self) -> bool:
        """Whether something must be mended (exit code 1 of the command line)."""
        return bool((self.faults["severity"] == "error").any())


def audit_dataset(
    root: Path | str,
    *,
    wish: TileWish | None = None,
    fractions: Sequence[float] | None = None,
    workers: int = 2,
    advance: Advance = lambda done, total, text: None,
) -> AuditReport:
    """Look for faults in a dataset.

    Args:
        root: Its folder.
        wish: How images will come into the network's input, by which the size of defects is judged; the
            defaults if not given.
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
    readable = dataset.manifest[dataset.manifest["image"].isin([look.item for look in shown])]
    learnt = Dataset(dataset.root, dataset.classes, readable, dataset.about)
    expected = Expected.of(dataset.root.name, wish or TileWish(), learnt)
    faults += judge(shown, expected)
    is_own = dataset.about.get("split") == "own"
    faults += judge_splits(dataset.manifest, dataset.classes, None if is_own else fractions, own=is_own)
    conflict = conflict_severity(dataset.about.get("format"))
    # Whoever keeps a split of their own was told of its leaks, and cannot mend them here.
    leak: Severity = "warning" if is_own else "error"
    faults += equal_images(images, conflict=conflict, straddling=leak)
    known = {row.image: row for row in rows}

    def surface(index: int) -> Surface:
        row = known[images[index].item]
        return Surface.of(dataset.read_image(row), dataset.read_mask(row))

    faults += straddling_near(images, straddling_pairs(images, surface, workers))
    faults += mixed_groups(images)
    table, classes = dataset.manifest[["group", "split", "pixels"]], dataset.classes
    return AuditReport(
        fault_table(faults), len(table), tuple(shown), expected, table, classes, dataset=dataset
    )


def audit_layout(
    source: Path | str, settings: IngestSettings, *, advance: Advance = lambda done, total, text: None
) -> AuditReport:
    """Look for faults in a layout before it is imported.

    It is grouped and split as an import would do it. Copies across the published splits are warnings, because
    the import splits anew, by group, unless their user keeps them.

    Args:
        source: Its folder.
        settings: How an import would read it.
        advance: Told how many of how many images were read.

    Raises:
        DatasetError: The folder does not hold the layout.
    """
    layout = open_layout(with_name(Path(source)), settings)
    faults, grey = list(layout.faults), 0
    images, shown, pixels, free = list[Seen](), list[Looked](), list[Sequence[int]](), list[str]()
    digester = Digester.of_layout(layout, None)
    with ThreadPoolExecutor(settings.workers) as pool:
        for done, digest in enumerate(in_order(pool, digester.digest, layout.records), start=1):
            grey += digest.grey
            fault = rejection(digest)
            faults += [*digest.faults] if fault is None else [*digest.faults, fault]
            if fault is None and digest.empty:
                free.append(digest.item)
            if fault is None and (settings.include_defect_free or not digest.empty):
                images.append(seen(digest, layout, split=digest.record.published_split or ""))
                shown.append(looked(digest, images[-1].group))
                pixels.append(digest.pixels)
            advance(done, len(layout.records), "images read")
    if not any(image.measures.areas for image in shown):
        faults += no_defects(layout, free)
    faults = said_once(faults, PECULIAR, layout.source.name)
    faults += reading_findings(layout.said, layout.source.name)
    left_out = 0 if settings.include_defect_free else len(free)
    faults += summarise(
        layout, layout.source.name, grey=grey, images=len(layout.records), defect_free=left_out
    )
    faults += compare(layout, images)
    expected = Expected.of(layout.source.name, settings.wish, None)
    faults += judge(shown, expected)
    table, joins, more = _as_imported(layout, images, pixels, settings)
    found, plain = fault_table([*faults, *more]), tuple(one.text for one in layout.said if one.is_plain)
    return AuditReport(
        found,
        len(layout.records),
        tuple(shown),
        expected,
        table,
        layout.classes,
        layout=layout,
        reading=plain,
        recognised=layout.told,
        joins=joins,
    )


def _look(dataset: Dataset, row: Any) -> tuple[list[Fault], Looked | None, Seen | None]:
    """One image of a dataset: its faults, its look, and what it is among others if it has a mask."""
    labelled = row.split != UNLABELLED
    try:
        image = dataset.read_image(row)
        mask = dataset.read_mask(row) if labelled else None
    except DatasetError as error:
        return [Fault("error", error.kind, row.image, str(error))], None, None
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


def _as_imported(
    layout: Layout, images: Sequence[Seen], pixels: Sequence[Sequence[int]], settings: IngestSettings
) -> tuple[pd.DataFrame, tuple[Shown, ...], list[Fault]]:
    """Groups and splits as an import would make them: image, group, split and pixels; joins; faults."""
    is_own = settings.parts.split == "own"
    grouping = _grouped(layout, images, settings.parts)
    joins = tuple(
        Shown(images[join.a].item, images[join.b].item, join.correlation, join.reason, not join.refused)
        for join in grouping.joins
    )
    faults = [*found_split(layout.records, asked=settings.parts.split), *grouping.faults]
    near = [join for join in grouping.joins if join.reason != "equal"]
    crossing = sum(images[join.a].split != images[join.b].split for join in near)
    if crossing and not is_own:
        message = f"{crossing} pairs of near-duplicates cross the published splits; the import makes new ones"
        faults.append(Fault("warning", "near-duplicate", layout.source.name, message))
    table = pd.DataFrame(
        {
            "image": [image.item for image in images],
            "group": grouping.newcomers,
            "split": [image.split if is_own else "" for image in images],
            "pixels": pixels,
        }
    )
    try:
        table, found = assign(table, np.ones(len(table), dtype=bool), table["image"].tolist(), settings)
    except DatasetError as error:
        return table, joins, [*faults, Fault("error", "too-few-parts", layout.source.name, str(error))]
    shares = None if is_own else settings.fractions
    return table, joins, [*faults, *found, *judge_splits(table, layout.classes, shares, own=is_own)]


def _grouped(layout: Layout, images: Sequence[Seen], parts: PartOptions) -> Grouping:
    """Which images of a layout show one part."""
    records = {record.item: record for record in layout.records}

    def surface(index: int) -> Surface:
        decoded = decode_record(layout, records[images[index].item])
        assert decoded.image is not None
        return Surface.of(decoded.image, decoded.mask)

    joining = Joining(parts.trust_groups, parts.near_duplicates)
    newcomers = [
        Newcomer(
            image.item, image.group, image.fingerprint.content, image.split if parts.split == "own" else ""
        )
        for image in images
    ]
    descriptors = descriptors_of([image.fingerprint for image in images])
    return place([], newcomers, descriptors, surface, joining)


def _rows(manifest: pd.DataFrame) -> Iterator[Any]:
    # The stubs of pandas give every field the union of all types.
    yield from manifest.itertuples()


def _import_faults(dataset: Dataset) -> Iterator[Fault]:
    """What the import has found, as warnings: it was dealt with then, and must not be forgotten."""
    for fault in dataset.about.get("faults", []):
        is_kept_out = fault["severity"] == "error"  # what is in the dataset is found again
        if is_kept_out or fault["kind"] not in {"mixed-group", "label-conflict", "duplicate"}:
            yield Fault("warning", fault["kind"], fault["item"], f"found on import: {fault['message']}")
