"""Groups and splits of everything new, once it has been decided what is: the next manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from autonad.data.dataset import COLUMNS, UNLABELLED
from autonad.data.faults import Fault
from autonad.data.fingerprints import at_half_precision
from autonad.data.ingest.changes import Changes
from autonad.data.ingest.digest import Digest
from autonad.data.ingest.grouping import Member, Newcomer, place
from autonad.data.ingest.merge import Merge
from autonad.data.split import extend_split


def place_all(
    merge: Merge, stated: Mapping[str, str], fractions: Sequence[float], seed: int
) -> tuple[Changes, list[Fault]]:
    """Give every new image its group and its split.

    Args:
        merge: What was decided; its rows get their groups.
        stated: Groups by item, where they are known.
        fractions: Shares of train, val and test.
        seed: Of the split.

    Returns:
        The next manifest with the files that come and go, and what was found.

    Raises:
        DatasetError: The images show too few parts to be split.
    """
    faults = _group(merge, stated)
    table = pd.DataFrame(list(merge.rows.values()), columns=list(COLUMNS))
    table = table.sort_values("image", kind="stable").reset_index(drop=True)
    labelled = (table["mask"] != "").to_numpy()
    if (table.loc[labelled, "split"] == "").any():
        table.loc[labelled, "split"] = extend_split(table[labelled], fractions, seed)
    table.loc[~labelled, "split"] = UNLABELLED
    quarantine = merge.quarantine
    changes = Changes(
        manifest=table,
        added={**merge.added, **quarantine.added},
        retired=merge.retired,
        reasons=quarantine.reasons,
    )
    return changes, faults


def _group(merge: Merge, stated: Mapping[str, str]) -> list[Fault]:
    """Groups of the new images; rows of groups without a split may be joined to others."""
    rows, new = merge.rows, merge.new
    if not new:
        return []
    faults: list[Fault] = []
    split_of = {row["group"]: row["split"] for row in rows.values() if row["split"] not in {"", UNLABELLED}}
    old = [image for image in rows if image not in new]
    members = [Member(image, rows[image]["group"], split_of.get(rows[image]["group"], "")) for image in old]
    newcomers = []
    for image, digest in new.items():
        older = _older(merge, digest, image)
        if older is not None:
            message = (
                f"it changed at its source; {older}, its older version, stays in the dataset, and both are "
                "one part"
            )
            faults.append(Fault("warning", "new-version", digest.item, message))
        group = stated.get(digest.item, "") if older is None else str(rows[older]["group"])
        newcomers.append(Newcomer(digest.item, group, merge.fingerprints[image].content))
    descriptors = [merge.fingerprints[image].descriptor for image in (*old, *new)]
    vectors = at_half_precision(descriptors) if merge.rules.half_precision else np.stack(descriptors)
    olds, news, found = place(members, newcomers, vectors, merge.rules.prefix)
    for image, group in zip((*old, *new), (*olds, *news), strict=True):
        rows[image]["group"] = group
    return faults + found


def _older(merge: Merge, digest: Digest, image: str) -> str | None:
    """The image that an older version of the same object became."""
    known = merge.deliveries.before(digest.record)
    return None if known is None or known.image not in merge.rows or known.image == image else known.image
