"""What is found in new images, whichever way they come: by an audit, an import or a batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from autonad.data.copies import Seen, equal_images, mixed_groups, shown_classes
from autonad.data.faults import Fault, Severity
from autonad.data.ingest.digest import Digest
from autonad.data.layouts.formats import PUBLISHED
from autonad.data.layouts.layout import Layout
from autonad.data.sanity.looked import Looked


def rejection(digest: Digest) -> Fault | None:
    """Why a record that was read cannot be used.

    Either reading it found an error, or its layout promises a defect and its mask shows none: as background
    it would teach to miss the defect.
    """
    if digest.error is None and digest.empty and digest.record.label is not None:
        return Fault(
            "warning",
            "empty-mask",
            digest.item,
            f"it is labelled {digest.record.label}, but its mask is empty; it is left out",
        )
    return digest.error


def seen(digest: Digest, layout: Layout, *, split: str = "") -> Seen:
    """A usable record among others, in the group that the layout states."""
    assert digest.fingerprint is not None
    group = layout.groups[digest.item] if layout.groups is not None else ""
    shown = shown_classes(digest.pixels, layout.classes)
    return Seen(digest.item, digest.fingerprint, shown, group, split)


def looked(digest: Digest, group: str) -> Looked:
    """A usable record as the checks of sanity are given it."""
    assert digest.fingerprint is not None
    assert digest.measures is not None
    prints = digest.fingerprint
    return Looked(digest.item, digest.measures, prints.content, prints.labels, group)


def summarise(layout: Layout, name: str, *, grey: int, images: int, defect_free: int = 0) -> list[Fault]:
    """Findings that are counted over many images.

    Args:
        layout: How they were read.
        name: What the images are called together.
        grey: Masks that held grey values.
        images: Images that are new.
        defect_free: Images that were left out because they show no defect.
    """
    faults = []
    if grey:
        message = f"{grey} masks hold grey values; values above {layout.threshold} are taken as defect"
        faults.append(Fault("warning", "grey-masks", name, message))
    if defect_free:
        message = (
            f"{defect_free} images without defects are left out; `--set data.include_defect_free=true` "
            "keeps them"
        )
        faults.append(Fault("warning", "defect-free", name, message))
    if layout.groups is None and images:
        message = (
            "there is no groups.csv; only near-duplicates are kept together, not other views of the same part"
        )
        if layout.format == "neu":
            message += " (one NEU image in nine is an overlapping crop of another)"
        faults.append(Fault("warning", "no-groups", name, message))
    return faults


def compare(layout: Layout, images: Sequence[Seen]) -> list[Fault]:
    """Findings that come from comparing the images of a layout: mixed groups, and equal images."""
    faults: list[Fault] = []
    if layout.groups is not None:
        faults += mixed_groups(images)
        shared = sum(n for n in Counter(image.group for image in images if image.group).values() if n > 1)
        if layout.format == "neu" and shared:
            message = f"{shared} images overlap others; groups.csv keeps them together"
            faults.append(Fault("warning", "overlapping-crops", layout.source.name, message))
    faults += equal_images(images, conflict=conflict_severity(layout.format), straddling="warning")
    return faults


def conflict_severity(format: str | None) -> Severity:
    """How grave two masks of one image are: nobody can mend a published set, a user can mend their own."""
    return "warning" if format in PUBLISHED else "error"
