"""Importing a layout: ingesting it into an empty dataset, which appears as a whole."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from autonad.data.dataset import COLUMNS, Dataset
from autonad.data.faults import NothingUsable, fault_table, said_once
from autonad.data.ingest.deliveries import Deliveries
from autonad.data.ingest.digest import Digester
from autonad.data.ingest.findings import (
    compare,
    conflict_severity,
    looked,
    no_defects,
    reading_findings,
    seen,
    summarise,
)
from autonad.data.ingest.ledger import Batch, Ledger
from autonad.data.ingest.merge import Merge
from autonad.data.ingest.ordering import in_order
from autonad.data.ingest.own_split import found_split
from autonad.data.ingest.placing import Shown, place_all
from autonad.data.ingest.reading import Advance
from autonad.data.ingest.settings import IngestSettings, Rules
from autonad.data.ingest.sources import open_layout
from autonad.data.layouts.decoding import PECULIAR
from autonad.data.layouts.layout import Layout
from autonad.data.pixels.pixel_reading import READING
from autonad.data.sanity.judging import judge, judge_splits
from autonad.data.sanity.looked import Expected, Looked
from autonad.data.writer import INITIAL, DatasetWriter, require_free
from autonad.files import with_name


@dataclass(frozen=True)
class ImportReport:
    """What an import did.

    Attributes:
        dataset: The new dataset.
        faults: Findings (severity, kind, item, message).
        quarantined: Items that are kept in its quarantine.
        images: What its images look like, in figures.
        expected: What they were compared with.
        layout: What they were read from.
        reading: How its pixels were read, in sentences; what is unusual is among the findings.
        joins: Images that show one part.
        recognised: The format and by what it was told, where nobody named it.
    """

    dataset: Dataset
    faults: pd.DataFrame
    quarantined: int
    images: tuple[Looked, ...]
    expected: Expected
    layout: Layout
    reading: tuple[str, ...] = ()
    joins: tuple[Shown, ...] = ()
    recognised: str = ""

    @property
    def has_errors(self) -> bool:
        """Whether some items were faulty, beyond the known faults of published sets."""
        return bool((self.faults["severity"] == "error").any())


def import_dataset(
    source: Path,
    output: Path,
    settings: IngestSettings,
    *,
    replace: bool = False,
    advance: Advance = lambda done, total, text: None,
) -> ImportReport:
    """Read a layout and write it as a dataset, split by group.

    Faulty items go to the dataset's quarantine and are named; the import goes on without them. An image that
    its layout declares defective but whose mask is empty is left out too (its label is contradictory: as
    background it would teach to miss the defect), with a warning. Groups come from groups.csv, else from
    near-duplicates. Of equal images with different masks none is used, except in a published set, which is
    imported whole.

    Args:
        source: Folder of the layout.
        output: Folder of the dataset.
        settings: How to read and split it.
        replace: A dataset at `output` is replaced; else it is refused.
        advance: Told how many of how many images were read.

    Returns:
        The dataset and everything that was found wrong.

    Raises:
        NothingUsable: No image can be used, or none shows a defect; an older dataset at `output` stays.
        DatasetError: The request is wrong; an older dataset at `output` stays.
        StorageError: The output cannot be written.
    """
    source, output = with_name(Path(source)), Path(output)
    require_free(output, replace=replace)
    layout = open_layout(source, settings)
    with DatasetWriter(output, classes=layout.classes, source=source, replace=replace) as writer:
        done = _write(layout, source.name, writer, settings, advance)
    plain = tuple(one.text for one in layout.said if one.is_plain)
    return ImportReport(
        Dataset.open(output),
        done.faults,
        done.quarantined,
        done.images,
        done.expected,
        layout,
        plain,
        done.joins,
        layout.told,
    )


@dataclass(frozen=True)
class _Written:
    """What is left of an import once it is on disk; see `ImportReport`."""

    faults: pd.DataFrame
    quarantined: int
    images: tuple[Looked, ...]
    expected: Expected
    joins: tuple[Shown, ...]


def _write(
    layout: Layout, name: str, writer: DatasetWriter, settings: IngestSettings, advance: Advance
) -> _Written:
    """Read, decide, place and write everything; what was needed for it is forgotten then."""
    merge, grey = _decide(layout, writer, settings.include_defect_free, settings.workers, advance)
    _require_defects(layout, merge)
    placement = place_all(merge, layout.groups or {}, settings)
    changes, own = placement.changes, found_split(layout.records, asked=settings.parts.split)
    images = [seen(digest, layout) for digest in merge.new.values()]
    summary = summarise(layout, name, grey=grey, images=len(images), defect_free=merge.batch.defect_free)
    summary += reading_findings(layout.said, name)
    read = said_once([*layout.faults, *merge.faults], PECULIAR, name)
    known = [*read, *own, *placement.faults, *summary, *compare(layout, images)]
    about = {
        "format": layout.format,
        "split": settings.parts.split,
        READING: layout.reading.to_dict(),
        "faults": fault_table(known).to_dict(orient="records"),
    }
    shown = tuple(looked(digest, merge.rows[image].group) for image, digest in merge.new.items())
    writer.put(changes.manifest, changes.added, changes.reasons, about)
    written = Dataset(writer.output, layout.classes, changes.manifest, about)
    expected = Expected.of(name, settings.wish, written)
    doubts = judge(shown, expected)
    is_own = settings.parts.split == "own"
    shares = None if is_own else settings.fractions
    doubts += judge_splits(changes.manifest, layout.classes, shares, own=is_own)
    faults = fault_table([*known, *doubts])
    return _Written(faults, changes.num_kept_apart, shown, expected, placement.joins)


def _require_defects(layout: Layout, merge: Merge) -> None:
    """Make sure that there is something to learn.

    Raises:
        NothingUsable: There is not.
    """
    if any(not digest.empty for digest in merge.new.values()):
        return
    faults = fault_table([*layout.faults, *merge.faults, *no_defects(layout, merge.defect_free)])
    found, free = len(layout.records), len(merge.defect_free)
    why = f"{free} masks are empty" if free else "mend what is named above"
    raise NothingUsable(f"none of {found} images in {layout.source} shows a usable defect: {why}", faults)


def _decide(
    layout: Layout, writer: DatasetWriter, include_defect_free: bool, workers: int, advance: Advance
) -> tuple[Merge, int]:
    """Read all records into the writer's folder; what becomes of each, and how many masks were grey."""
    stems = Counter(record.image.stem.casefold() for record in layout.records)
    rules = Rules(
        include_defect_free=include_defect_free,
        conflict=conflict_severity(layout.format),
        prefix="",
        shared_stems=frozenset(stem for stem, count in stems.items() if count > 1),
        keep_copies=True,
        quarantine_masks=False,
    )
    merge = Merge(
        Dataset(writer.folder, layout.classes, pd.DataFrame(columns=list(COLUMNS)), {}),
        {},
        layout.classes,
        rules,
        Deliveries(Ledger(), {}, INITIAL),
        Batch(INITIAL, "", "", ""),
    )
    digester, grey = Digester.of_layout(layout, writer.made), 0
    with ThreadPoolExecutor(workers) as pool:
        for done, digest in enumerate(in_order(pool, digester.digest, layout.records), start=1):
            grey += digest.grey
            merge.take(digest)
            advance(done, len(layout.records), "images read")
    return merge, grey
