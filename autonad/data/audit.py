"""Faults in a dataset or in a published layout, found before training.

Errors are what must be mended: unreadable files, masks that do not fit, copies that straddle splits, groups
that do. Warnings are what a user should know: the known faults of published sets, empty masks, resemblance,
mixed groups.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from autonad.data.copies import Seen, equal_images, find_near, mixed_groups, shown_classes, straddling_near
from autonad.data.dataset import SPLITS, UNLABELLED, Dataset, count_pixels
from autonad.data.faults import Fault, fault_table
from autonad.data.fingerprints import Fingerprint
from autonad.data.ingest.digest import Digester
from autonad.data.ingest.findings import compare, conflict_severity, rejection, seen, summarise
from autonad.data.ingest.grouping import joined_groups, same_part
from autonad.data.layouts.formats import read_layout
from autonad.errors import DatasetError


@dataclass(frozen=True)
class AuditReport:
    """What an audit found.

    Attributes:
        faults: Findings (severity, kind, item, message), errors first.
        num_images: Images that were looked at.
        recognised: The format and by what it was told, where nobody named it.
    """

    faults: pd.DataFrame
    num_images: int
    recognised: str = ""

    @property
    def has_errors(self) -> bool:
        """Whether something must be mended (exit code 1 of the command line)."""
        return bool((self.faults["severity"] == "error").any())


def audit_dataset(root: Path | str) -> AuditReport:
    """Look for faults in a dataset.

    Args:
        root: Its folder.

    Raises:
        DatasetError: The folder is no dataset.
    """
    dataset = Dataset.open(root)
    faults = list(_import_faults(dataset))
    images: list[Seen] = []
    for row in _rows(dataset.manifest):
        labelled = row.split != UNLABELLED
        try:
            image = dataset.read_image(row)
            mask = dataset.read_mask(row) if labelled else np.zeros(image.shape[:2], dtype=np.uint8)
        except DatasetError as error:
            faults.append(Fault("error", _kind(str(error)), row.image, str(error)))
            continue
        if hashlib.sha256((dataset.root / row.image).read_bytes()).hexdigest() != row.sha256:
            faults.append(
                Fault(
                    "error",
                    "changed",
                    row.image,
                    "its content is not what the manifest says; import it again",
                )
            )
        if not labelled:
            continue
        counts = count_pixels(mask, dataset.num_classes)
        if counts != [int(n) for n in row.pixels]:
            faults.append(
                Fault(
                    "error",
                    "changed",
                    row.mask,
                    "its pixel counts are not what the manifest says; import it again",
                )
            )
        if sum(counts) == 0:
            faults.append(Fault("warning", "ignored", row.image, "all pixels of its mask are ignored (255)"))
        shown = shown_classes(counts, dataset.classes)
        images.append(Seen(row.image, Fingerprint.of(image, mask), shown, row.group, row.split))
    faults += _splits(dataset.manifest[dataset.manifest["split"] != UNLABELLED], dataset.classes)
    conflict = conflict_severity(dataset.about.get("format"))
    faults += equal_images(images, conflict=conflict, straddling="error")
    faults += straddling_near(images, find_near(images))
    faults += mixed_groups(images)
    return AuditReport(fault_table(faults), len(dataset.manifest))


def audit_layout(
    format: str,
    source: Path | str,
    *,
    groups_csv: Path | None = None,
    include_defect_free: bool = True,
    threshold: int = 127,
    classes: Sequence[str] | None = None,
    max_bytes: int = 256 * 2**20,
    max_pixels: int | None = None,
) -> AuditReport:
    """Look for faults in a published layout before it is imported.

    The arguments are those of `formats.read_layout`. Copies across the published splits are
    warnings, because the import splits anew, by group.

    Raises:
        DatasetError: The folder does not hold the layout.
    """
    layout = read_layout(
        format,
        Path(source),
        groups_csv=groups_csv,
        include_defect_free=include_defect_free,
        threshold=threshold,
        classes=classes,
        max_bytes=max_bytes,
        max_pixels=max_pixels,
    )
    faults, images, grey = list(layout.faults), list[Seen](), 0
    digester = Digester.of_layout(layout, None)
    for record in layout.records:
        digest = digester.digest(record)
        grey += digest.grey
        fault = rejection(digest)
        faults += [*digest.faults] if fault is None else [*digest.faults, fault]
        if fault is not None:
            continue
        if digest.empty and record.masks:
            faults.append(Fault("warning", "empty-mask", record.item, "its mask shows no defect"))
        images.append(seen(digest, layout, split=record.published_split or ""))
    faults += summarise(layout, layout.source.name, grey=grey, images=len(layout.records))
    faults += compare(layout, images)
    near = find_near(images)
    if layout.groups is not None:
        groups, none = [image.group for image in images], np.zeros(len(images), dtype=bool)
        part = same_part(groups, [image.fingerprint.content for image in images], none, near)
        faults += joined_groups(groups, none, part)
    crossing = sum(images[i].split != images[j].split for i, j, _ in near)
    if crossing:
        message = f"{crossing} pairs of near-duplicates cross the published splits; the import makes new ones"
        faults.append(Fault("warning", "near-duplicate", layout.source.name, message))
    recognised = f"{layout.format}: {layout.recognised}" if layout.recognised else ""
    return AuditReport(fault_table(faults), len(layout.records), recognised)


def _rows(manifest: pd.DataFrame) -> Iterator[Any]:
    # The stubs of pandas give every field the union of all types.
    yield from manifest.itertuples()


def _splits(manifest: pd.DataFrame, classes: Sequence[str]) -> Iterator[Fault]:
    for group, found in manifest.groupby("group")["split"].unique().items():
        if len(found) > 1:
            message = (
                f"its images lie in {', '.join(sorted(found))}; a group shows one part, so import it again"
            )
            yield Fault("error", "divided-group", f"group {group}", message)
    for name in sorted(set(manifest["split"]) - set(SPLITS)):
        yield Fault("error", "unknown-split", name, f"the manifest has it; splits are {', '.join(SPLITS)}")
    for split in SPLITS:
        rows = manifest[manifest["split"] == split]
        if rows.empty:
            yield Fault("warning", "empty-split", split, "it holds no images")
            continue
        totals = np.array([list(pixels) for pixels in rows["pixels"]]).sum(axis=0).tolist()
        for name in (name for name, pixels in zip(classes, totals, strict=True) if not pixels):
            yield Fault(
                "warning", "missing-class", f"{split}/{name}", "the split shows no pixel of this class"
            )


def _import_faults(dataset: Dataset) -> Iterator[Fault]:
    """What the import has found, as warnings: it was dealt with then, and must not be forgotten."""
    for fault in dataset.about.get("faults", []):
        if fault["kind"] not in {"mixed-group", "label-conflict", "duplicate"}:  # those are found again
            yield Fault("warning", fault["kind"], fault["item"], f"found on import: {fault['message']}")


def _kind(message: str) -> str:
    if "holds the values" in message:
        return "unknown-value"
    return "size-mismatch" if "the manifest says" in message else "unreadable"
