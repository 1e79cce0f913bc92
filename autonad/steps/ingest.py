"""Extend a dataset by a production batch, from a folder or a bucket."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autonad.config import Config
from autonad.config.context import Context
from autonad.steps.audit_files import look_into_dataset, write_audit
from autonad.steps.step import Step, begin, dataset_name
from autonad.tracking.tags import BATCH, FINGERPRINT, FINGERPRINT_BEFORE

if TYPE_CHECKING:
    import pandas as pd

    from autonad.data.ingest.extending import IngestReport
    from autonad.data.ingest.ledger import Batch
    from autonad.data.ingest.settings import PartOptions
    from autonad.data.pixels.pixel_options import PixelOptions
    from autonad.storage.source import BatchSource


@dataclass(frozen=True)
class IngestResult:
    """What an ingest did.

    Attributes:
        batch: Name and counts of the batch.
        is_new: Whether there was anything new.
        images: Images that the dataset has now.
        fetched: Files that were fetched.
        fingerprint: Of the dataset, now.
        before: Its fingerprint before.
        faults: Table of severity, kind, item, message; empty when nothing was found.
        listed: The file with that table, if something was committed.
        reading: How the batch's pixels were read, in sentences.
        quarantined: Items of the batch that are kept in the dataset's quarantine.
    """

    batch: Batch
    is_new: bool
    images: int
    fetched: int
    fingerprint: str
    before: str
    faults: pd.DataFrame
    listed: Path | None
    reading: tuple[str, ...] = ()
    quarantined: int = 0

    @property
    def num_errors(self) -> int:
        """Faults that are errors."""
        return int((self.faults["severity"] == "error").sum())

    @property
    def text(self) -> str:
        """What was done, in one line."""
        if not self.is_new:
            held = f" (it is batch {self.batch.name} of {self.batch.date})" if self.batch.name else ""
            return f"nothing new in {self.batch.source}{held}; {self.images} images as before"
        done = [
            f"{self.batch.labelled} new images with masks",
            *(
                f"{n} {what}"
                for n, what in (
                    (self.batch.unlabelled, "without"),
                    (self.batch.upgraded, "that now have their mask"),
                    (self.batch.relabelled, "relabelled"),
                    (self.batch.copies, "copies skipped"),
                    (self.batch.defect_free, "without defects left out"),
                    (self.batch.quarantined, "faulty"),
                )
                if n
            ),
        ]
        return f"batch {self.batch.name}: {', '.join(done)}; {self.images} images in all"


def ingest(
    context: Context,
    *,
    source: str,
    dataset: Path,
    format: str = "masks",
    batch: str | None = None,
    groups_csv: Path | None = None,
    classes: tuple[str, ...] | None = None,
    pixels: PixelOptions | None = None,
    parts: PartOptions | None = None,
) -> IngestResult:
    """Ingest what is new in a batch; faulty items go to the dataset's quarantine and are named.

    Args:
        context: Sections `ingest` and `data` decide.
        source: A folder, or s3://bucket/prefix; credentials and endpoint come from the AWS_* variables.
        dataset: Dataset folder to extend.
        format: The batch's layout.
        batch: Name of the batch; None takes the date.
        groups_csv: Which images show the same part; None looks for `groups.csv` in the batch.
        classes: Names of the batch's defect classes, for index masks that mean others than the dataset's.
        pixels: What a user states about pixels.
        parts: How parts are found and split; the defaults if not given.
    """
    config, console = context.config, context.console
    from autonad.data.ingest.extending import ingest_batch
    from autonad.data.ingest.settings import IngestSettings

    settings = IngestSettings.of(
        config, format=format, classes=classes, groups_csv=groups_csv, pixels=pixels, parts=parts
    )
    origin = open_source(source, config)
    params = {"data": config.data.model_dump(), "ingest": config.ingest.model_dump(), "format": format}
    with begin("ingest", context, params=params, learns=False) as step:
        report = ingest_batch(
            dataset, origin, settings, name=batch, date=datetime.date.today(), advance=console.advance
        )
        result = IngestResult(
            report.batch,
            report.is_new,
            len(report.dataset.manifest),
            report.fetched,
            report.dataset.fingerprint,
            report.before,
            report.faults,
            _write_audit(step, dataset, report) if report.is_new else None,
            report.reading,
            report.quarantined,
        )
        step.run.tag(FINGERPRINT, result.fingerprint)
        step.run.tag(FINGERPRINT_BEFORE, result.before)
        step.run.tag(BATCH, result.batch.name)
        step.faulty(result.faults)
        step.run.log(_metrics(report))
        return result


def _write_audit(step: Step, folder: Path, report: IngestReport) -> Path:
    """The page and the table of a batch; those of the batch before are replaced."""
    from autonad.report.audit_page import AuditContent

    assert report.expected is not None
    manifest = report.dataset.manifest
    content = AuditContent(
        f"batch {report.batch.name} of {dataset_name(step.context.config, report.dataset)}",
        report.faults,
        report.images,
        report.expected,
        look_into_dataset(report.dataset, report.places),
        report.dataset.classes,
        manifest[manifest["batch"] == report.batch.name],
        notes=report.reading,
        joins=report.joins,
    )
    return write_audit(step, folder, content)


def open_source(source: str, config: Config) -> BatchSource:
    """The folder or bucket of an address.

    Raises:
        DatasetError: It is no folder.
        StorageError: It is no address of a bucket, or the AWS_* variables cannot be used.
    """
    if "://" not in source:
        from autonad.storage.folder import FolderSource

        return FolderSource(Path(source))
    from autonad.storage.bucket import BucketSource
    from autonad.storage.location import parse_url
    from autonad.storage.store import Store

    location = parse_url(source)
    store = Store(attempts=config.ingest.attempts, connections=config.ingest.connections)
    return BucketSource(store, location)


def _metrics(report: IngestReport) -> dict[str, float]:
    counts = (
        ("images", "labelled", "upgraded", "relabelled", "copies", "defect_free", "quarantined")
        if report.is_new
        else ()
    )
    return {
        **{f"batch/{name}": float(getattr(report.batch, name)) for name in counts},
        "batch/fetched": float(report.fetched),
        "data/images": float(len(report.dataset.manifest)),
        "data/groups": float(report.dataset.manifest["group"].nunique()),
        "data/faults": float(len(report.faults)),
    }
