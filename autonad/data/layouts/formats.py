"""Importing published layouts into the one on-disk layout, whatever their names, folders and faults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from autonad.data.copies import Seen, equal_images, find_near, join_groups, mixed_groups, shown_classes
from autonad.data.dataset import Dataset, count_pixels
from autonad.data.faults import Fault, Severity, fault_table
from autonad.data.fingerprints import Fingerprint
from autonad.data.images import is_portable
from autonad.data.layouts.layout import Decoded, Layout, decode, read_groups
from autonad.data.layouts.mask_folders import read_masks
from autonad.data.layouts.published import read_msd, read_mt, read_neu, read_neu_seg, read_voc
from autonad.data.split import split_by_group
from autonad.data.writer import DatasetWriter
from autonad.errors import DatasetError

PUBLISHED = ("neu", "mt", "msd", "neu-seg")
_OWN = ("voc", "masks")
FORMATS = (*PUBLISHED, *_OWN)


@dataclass(frozen=True)
class ImportReport:
    """What an import did.

    Attributes:
        dataset: The new dataset.
        faults: Findings (severity, kind, item, message); errors name what went to quarantine.
    """

    dataset: Dataset
    faults: pd.DataFrame

    @property
    def has_errors(self) -> bool:
        """Whether some items were faulty, beyond the known faults of published sets."""
        return bool((self.faults["severity"] == "error").any())


def read_layout(
    format: str,
    source: Path,
    *,
    groups_csv: Path | None = None,
    include_defect_free: bool = False,
    threshold: int = 127,
    classes: Sequence[str] | None = None,
) -> Layout:
    """List a published layout without decoding its images.

    Args:
        format: One of `FORMATS`.
        source: Its folder.
        groups_csv: Table `image,group`; `source/groups.csv` if it exists and none is given.
        include_defect_free: List images that the layout declares free of defects (magnetic tiles).
        threshold: In masks of one class, larger values are defect.
        classes: Names of the defect classes, for the formats `voc` and `masks`.

    Raises:
        DatasetError: The format is unknown, a folder is missing, the layout is empty or groups.csv is
            malformed.
    """
    if not 0 <= threshold <= 254:
        raise DatasetError(f"the mask threshold is {threshold}; it must lie between 0 and 254")
    layout = list_layout(format, source, include_defect_free=include_defect_free, classes=classes)
    if not layout.records:
        named = f" ({layout.faults[0].item}: {layout.faults[0].message})" if layout.faults else ""
        raise DatasetError(f"{source} holds no usable image with a mask in the layout {format!r}{named}")
    groups, faults = _groups(layout, groups_csv)
    return replace(layout, faults=(*layout.faults, *faults), groups=groups, threshold=threshold)


def list_layout(
    format: str,
    source: Path,
    *,
    include_defect_free: bool,
    classes: Sequence[str] | None,
    known: Sequence[str] | None = None,
) -> Layout:
    """List the records of a layout, of which there may be none, without groups.

    Args:
        format: One of `FORMATS`.
        source: Its folder.
        include_defect_free: See `read_layout`.
        classes: See `read_layout`.
        known: See `read_masks`; of no effect in other formats.

    Raises:
        DatasetError: The format is unknown, or a folder is missing.
    """
    if format not in FORMATS:
        raise DatasetError(f"format {format!r} is unknown; use one of {', '.join(FORMATS)}")
    if classes is not None and format not in _OWN:
        raise DatasetError(f"format {format!r} has classes of its own; leave them out")
    if not source.is_dir():
        raise DatasetError(f"source folder {source} does not exist; check the path")
    if format == "voc":
        return read_voc(source, classes=classes)
    if format == "masks":
        return read_masks(source, classes=classes, known=known)
    readers = {"neu": read_neu, "mt": read_mt, "msd": read_msd, "neu-seg": read_neu_seg}
    return readers[format](source, include_defect_free=include_defect_free)


def import_dataset(
    format: str,
    source: Path,
    output: Path,
    *,
    groups_csv: Path | None = None,
    seed: int = 0,
    fractions: Sequence[float] = (0.6, 0.2, 0.2),
    include_defect_free: bool = False,
    threshold: int = 127,
    classes: Sequence[str] | None = None,
) -> ImportReport:
    """Read a published layout and write it as a dataset, split by group.

    Faulty items go to the dataset's quarantine and are named; the import goes on without them. An image that
    its layout declares defective but whose mask is empty is left out too (its label is contradictory: as
    background it would teach to miss the defect), with a warning. Groups come from groups.csv, else from
    near-duplicates.

    Args:
        format: One of `FORMATS`.
        source: Folder of the layout.
        output: Folder of the dataset; replaced if it holds one.
        groups_csv: See `read_layout`.
        seed: Of the split.
        fractions: Shares of train, val and test.
        include_defect_free: Keep images without defects.
        threshold: See `read_layout`.
        classes: See `read_layout`.

    Returns:
        The dataset and everything that was found wrong.

    Raises:
        DatasetError: The request is wrong or nothing usable was found; an older dataset at `output` stays.
        StorageError: The output cannot be written.
    """
    source, output = Path(source), Path(output)
    layout = read_layout(
        format,
        source,
        groups_csv=groups_csv,
        include_defect_free=include_defect_free,
        threshold=threshold,
        classes=classes,
    )
    faults = list(layout.faults)
    stems = Counter(record.image.stem.casefold() for record in layout.records)
    seen: list[Seen] = []
    grey = defect_free = 0
    with DatasetWriter(output, classes=layout.classes, source=source) as writer:
        for found in decode(layout):
            record = found.record
            grey += found.grey
            rejection = reject(found)
            faults += [*found.faults, rejection] if rejection else found.faults
            if rejection is not None or found.image is None or found.mask is None:
                reason = rejection.message if rejection else found.faults[0].message
                writer.quarantine(record.image, item=record.item, reason=reason)
                continue
            if found.empty and not include_defect_free:
                defect_free += 1
                continue
            portable = is_portable(found.content)
            writer.add(
                found.content if portable else found.image,
                found.mask,
                name=record.image.stem if stems[record.image.stem.casefold()] == 1 else record.name,
                group="",
                suffix=record.image.suffix,
            )
            group = layout.groups[record.item] if layout.groups is not None else ""
            shown = shown_classes(count_pixels(found.mask, len(layout.classes)), layout.classes)
            seen.append(Seen(record.item, Fingerprint.of(found.image, found.mask), shown, group))
        groups, joined = join_groups(seen, find_near(seen))
        faults += joined
        faults += summarise(layout, seen, grey=grey, defect_free=defect_free)
        table = fault_table(faults)
        writer.finish(
            lambda rows: split_by_group(rows, fractions, seed),
            groups=groups,
            about={"format": format, "faults": table.to_dict(orient="records")},
        )
    return ImportReport(Dataset.open(output), table)


def reject(found: Decoded) -> Fault | None:
    """Why a record that was read well cannot be used: its layout promises a defect, its mask shows none."""
    if found.empty and found.record.label is not None:
        return Fault(
            "warning",
            "empty-mask",
            found.record.item,
            f"it is labelled {found.record.label}, but its mask is empty; it is left out",
        )
    return None


def summarise(layout: Layout, seen: Sequence[Seen], *, grey: int, defect_free: int = 0) -> list[Fault]:
    """Findings that concern several images of a layout: peculiarities, equal images, mixed groups."""
    name = layout.source.name
    faults = []
    if grey:
        message = f"{grey} masks hold grey values; values above {layout.threshold} are taken as defect"
        faults.append(Fault("warning", "grey-masks", name, message))
    if defect_free:
        message = (
            f"{defect_free} images without defects are left out; ask for images free of defects to keep them"
        )
        faults.append(Fault("warning", "defect-free", name, message))
    if layout.groups is None:
        message = (
            "there is no groups.csv; only near-duplicates are kept together, not other views of the same part"
        )
        if layout.format == "neu":
            message += " (one NEU image in nine is an overlapping crop of another)"
        faults.append(Fault("warning", "no-groups", name, message))
    else:
        faults += mixed_groups(seen)
        shared = sum(n for n in Counter(image.group for image in seen).values() if n > 1)
        if layout.format == "neu" and shared:
            message = f"{shared} images overlap others; groups.csv keeps them together"
            faults.append(Fault("warning", "overlapping-crops", name, message))
    # Nobody can mend a published set; a user can mend their own.
    conflict: Severity = "warning" if layout.format in PUBLISHED else "error"
    faults += equal_images(seen, conflict=conflict, straddling="warning")
    return faults


def _groups(layout: Layout, groups_csv: Path | None) -> tuple[dict[str, str] | None, list[Fault]]:
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
