"""Importing a layout: ingesting it into an empty dataset, which appears as a whole."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from autonad.data.dataset import COLUMNS, Dataset
from autonad.data.faults import fault_table
from autonad.data.ingest.deliveries import Deliveries
from autonad.data.ingest.digest import Digester
from autonad.data.ingest.findings import compare, seen, summarise
from autonad.data.ingest.ledger import Batch, Ledger
from autonad.data.ingest.merge import Merge
from autonad.data.ingest.placing import place_all
from autonad.data.ingest.settings import IngestSettings, Rules
from autonad.data.layouts.formats import read_layout
from autonad.data.layouts.layout import Layout
from autonad.data.writer import INITIAL, DatasetWriter


@dataclass(frozen=True)
class ImportReport:
    """What an import did.

    Attributes:
        dataset: The new dataset.
        faults: Findings (severity, kind, item, message); errors name what went to quarantine.
        recognised: The format and by what it was told, where nobody named it.
    """

    dataset: Dataset
    faults: pd.DataFrame
    recognised: str = ""

    @property
    def has_errors(self) -> bool:
        """Whether some items were faulty, beyond the known faults of published sets."""
        return bool((self.faults["severity"] == "error").any())


def import_dataset(source: Path, output: Path, settings: IngestSettings) -> ImportReport:
    """Read a layout and write it as a dataset, split by group.

    Faulty items go to the dataset's quarantine and are named; the import goes on without them. An image that
    its layout declares defective but whose mask is empty is left out too (its label is contradictory: as
    background it would teach to miss the defect), with a warning. Groups come from groups.csv, else from
    near-duplicates.

    Args:
        source: Folder of the layout.
        output: Folder of the dataset; replaced if it holds one.
        settings: How to read and split it; `workers` does not count.

    Returns:
        The dataset and everything that was found wrong.

    Raises:
        DatasetError: The request is wrong or nothing usable was found; an older dataset at `output` stays.
        StorageError: The output cannot be written.
    """
    source, output = Path(source), Path(output)
    layout = read_layout(
        settings.format,
        source,
        groups_csv=settings.groups_csv,
        include_defect_free=settings.include_defect_free,
        threshold=settings.threshold,
        classes=settings.classes,
        max_bytes=settings.max_bytes,
        max_pixels=settings.max_pixels,
    )
    with DatasetWriter(output, classes=layout.classes, source=source) as writer:
        merge, grey = _decide(layout, writer, settings.include_defect_free)
        writer.require(len(merge.new))
        changes, found = place_all(merge, layout.groups or {}, settings.fractions, settings.seed)
        images = [seen(digest, layout) for digest in merge.new.values()]
        summary = summarise(
            layout,
            source.name,
            grey=grey,
            images=len(images),
            defect_free=merge.batch.defect_free,
            remedy="ask for images free of defects",
        )
        faults = fault_table([*layout.faults, *merge.faults, *found, *summary, *compare(layout, images)])
        about = {"format": layout.format, "faults": faults.to_dict(orient="records")}
        writer.put(changes.manifest, changes.added, changes.reasons, about)
    recognised = f"{layout.format}: {layout.recognised}" if layout.recognised else ""
    return ImportReport(Dataset.open(output), faults, recognised)


def _decide(layout: Layout, writer: DatasetWriter, include_defect_free: bool) -> tuple[Merge, int]:
    """Read all records into the writer's folder; what becomes of each, and how many masks were grey."""
    stems = Counter(record.image.stem.casefold() for record in layout.records)
    rules = Rules(
        include_defect_free=include_defect_free,
        prefix="",
        shared_stems=frozenset(stem for stem, count in stems.items() if count > 1),
        keep_copies=True,
        half_precision=False,
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
    for record in layout.records:
        digest = digester.digest(record)
        grey += digest.grey
        merge.take(digest)
    return merge, grey
