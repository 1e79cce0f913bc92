"""The split that a source has already, kept where it is asked for."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from autonad.data.dataset import SPLITS
from autonad.data.faults import Fault
from autonad.data.ingest.digest import Digest
from autonad.data.layouts.layout import Record
from autonad.data.split import split_by_group


def kept_split(digest: Digest) -> str:
    """The split that the source gives an image; empty if it gives none."""
    return digest.record.published_split or ""


def found_split(records: Sequence[Record], *, asked: str) -> list[Fault]:
    """What a user should know about the source's own split.

    Args:
        records: Images of the source.
        asked: "own" if it is to be kept, "new" if not.
    """
    counts = {
        split: number
        for split in SPLITS
        if (number := sum(record.published_split == split for record in records))
    }
    rest = len(records) - sum(counts.values())
    shown = ", ".join(f"{number} {split}" for split, number in counts.items())
    if not counts:
        if asked == "own" and records:
            message = (
                "the source has no split of its own: folders train, val and test, lists train.txt …, or a "
                "column; all images are dealt out anew"
            )
            return [Fault("warning", "own-split", "split", message)]
        return []
    if asked == "new":
        message = (
            f"the source has a split of its own ({shown}); a new one is made by group; --split own keeps it"
        )
        return [Fault("warning", "own-split", "split", message)]
    if rest:
        message = f"the source's own split ({shown}) leaves out {rest} images; these are dealt out by group"
        return [Fault("warning", "own-split", "split", message)]
    return []


def complete(
    table: pd.DataFrame, labelled: np.ndarray, new: Collection[str], fractions: Sequence[float], seed: int
) -> tuple[pd.DataFrame, list[Fault]]:
    """Deal splits that the source's own split lacks out of its training images, by group.

    Only a split that is empty in the whole dataset and has a share is made, and only of new images.

    Args:
        table: Rows of the manifest; "" where there is no split yet.
        labelled: bool (N,), rows that take part.
        new: Images that are new.
        fractions: Shares of train, val and test.
        seed: Of the split.

    Returns:
        The table with more splits in it, and which were made.
    """
    table, faults = table.copy(), list[Fault]()
    parts = table[labelled & (table["split"] != "").to_numpy()]
    sides = parts.groupby("group")["split"].nunique()
    divided = sorted(sides.index[sides > 1])
    lacking = [split for split, share in zip(SPLITS, fractions, strict=True) if share > 0]
    lacking = [split for split in lacking if not (parts["split"] == split).any()]
    pool = parts[(parts["split"] == "train") & parts["image"].isin(list(new)) & ~parts["group"].isin(divided)]
    if parts.empty or not lacking or "train" in lacking or pool["group"].nunique() <= len(lacking):
        return table, faults
    shares = [
        share if split == "train" or split in lacking else 0.0
        for split, share in zip(SPLITS, fractions, strict=True)
    ]
    table.loc[pool.index, "split"] = split_by_group(pool, shares, seed)
    made = ", ".join(f"{(table['split'] == split).sum()} {split}" for split in lacking)
    message = (
        f"the source's own split has no {' and no '.join(lacking)}; {made} were dealt out of train, by group"
    )
    faults.append(Fault("warning", "own-split", "split", message))
    return table, faults
