"""Groups and splits of everything new, once it has been decided what is: the next manifest."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from autonad.data.dataset import UNLABELLED
from autonad.data.faults import Fault
from autonad.data.fingerprints import descriptors_of
from autonad.data.images import read_image, read_mask
from autonad.data.ingest.changes import Changes
from autonad.data.ingest.digest import Digest
from autonad.data.ingest.grouping import Joining, Member, Newcomer, place
from autonad.data.ingest.merge import Merge
from autonad.data.ingest.own_split import complete, kept_split
from autonad.data.ingest.rows import manifest_of
from autonad.data.ingest.settings import IngestSettings
from autonad.data.repeats import Surface
from autonad.data.split import extend_split


@dataclass(frozen=True, slots=True)
class Shown:
    """Two images that show one part.

    Attributes:
        a: Item of the first image; of one that the dataset had, its place there.
        b: Of the second.
        correlation: Of their small pictures; 1 if they are equal.
        reason: "equal", "repeats" (copies, or pictures of one surface) or "resembles".
        joined: Whether they are in one group now; else their groups or splits keep them apart.
    """

    a: str
    b: str
    correlation: float
    reason: str
    joined: bool


@dataclass(frozen=True)
class Placement:
    """Where everything new goes.

    Attributes:
        changes: The next manifest with the files that come and go.
        joins: Which images were joined, or would have been.
        faults: What was found.
    """

    changes: Changes
    joins: tuple[Shown, ...]
    faults: tuple[Fault, ...]


def place_all(merge: Merge, stated: Mapping[str, str], settings: IngestSettings) -> Placement:
    """Give every new image its group and its split.

    Args:
        merge: What was decided; its rows get their groups.
        stated: Groups by item, where they are known.
        settings: How groups are joined, and the shares of the splits.

    Raises:
        DatasetError: The images show too few parts to be split.
    """
    joins, faults = _group(merge, stated, settings)
    table = manifest_of(merge.rows.values())
    labelled = (table["mask"] != "").to_numpy()
    table, found = assign(table, labelled, merge.new.keys(), settings)
    faults += found
    table.loc[~labelled, "split"] = UNLABELLED
    quarantine = merge.quarantine
    changes = Changes(
        manifest=table,
        added={**merge.added, **quarantine.added},
        retired=merge.retired,
        reasons=quarantine.reasons,
    )
    return Placement(changes, tuple(joins), tuple(faults))


def assign(
    table: pd.DataFrame, labelled: np.ndarray, new: Collection[str], settings: IngestSettings
) -> tuple[pd.DataFrame, list[Fault]]:
    """Give rows that have no split one.

    Args:
        table: Rows of the manifest: `image`, `group`, `pixels`, and `split`, "" where there is none yet.
        labelled: bool (N,), rows that take part.
        new: Images that are new.
        settings: Whose split it is to be, and the shares.

    Returns:
        The table with splits, and what was found.

    Raises:
        DatasetError: The images show too few parts to be split.
    """
    faults: list[Fault] = []
    if settings.parts.split == "own":
        table, faults = complete(table, labelled, new, settings.fractions, settings.seed)
    if (table.loc[labelled, "split"] == "").any():
        table.loc[labelled, "split"] = extend_split(table[labelled], settings.fractions, settings.seed)
    return table, faults


def _group(
    merge: Merge, stated: Mapping[str, str], settings: IngestSettings
) -> tuple[list[Shown], list[Fault]]:
    """Groups of the new images; rows of groups without a split may be joined to others."""
    rows, new = merge.rows, merge.new
    if not new:
        return [], []
    faults: list[Fault] = []
    split_of = {row.group: row.split for row in rows.values() if row.split not in {"", UNLABELLED}}
    old = [image for image in rows if image not in new]
    members = [Member(image, rows[image].group, split_of.get(rows[image].group, "")) for image in old]
    newcomers = []
    for image, digest in new.items():
        older = _older(merge, digest, image)
        if older is not None:
            message = (
                f"it changed at its source; {older}, its older version, stays in the dataset, and both are "
                "one part"
            )
            faults.append(Fault("warning", "new-version", digest.item, message))
        group = stated.get(digest.item, "") if older is None else rows[older].group
        split = kept_split(digest) if settings.parts.split == "own" else ""
        newcomers.append(Newcomer(digest.item, group, merge.fingerprints[image].content, split))
    descriptors = descriptors_of([merge.fingerprints[image] for image in (*old, *new)])
    images = (*old, *new)
    root = merge.dataset.root

    def surface(index: int) -> Surface:
        mask = rows[images[index]].mask
        image, path = (Path(merge.added.get(place, root / place)) for place in (images[index], mask))
        return Surface.of(read_image(image), read_mask(path) if mask else None)

    parts = settings.parts
    joining = Joining(parts.trust_groups, parts.near_duplicates, merge.rules.prefix, settings.workers)
    grouping = place(members, newcomers, descriptors, surface, joining)
    for image, group in zip(images, (*grouping.members, *grouping.newcomers), strict=True):
        rows[image].group = group
    for image, one in zip(new, newcomers, strict=True):
        if one.split and rows[image].mask and one.stated not in split_of:
            rows[image].split = one.split
    names = [*old, *(digest.item for digest in new.values())]
    joins = [
        Shown(names[join.a], names[join.b], join.correlation, join.reason, not join.refused)
        for join in grouping.joins
    ]
    return joins, [*faults, *grouping.faults]


def _older(merge: Merge, digest: Digest, image: str) -> str | None:
    """The image that an older version of the same object became."""
    known = merge.deliveries.before(digest.record)
    return None if known is None or known.image not in merge.rows or known.image == image else known.image
