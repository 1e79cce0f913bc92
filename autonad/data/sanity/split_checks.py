"""What training, validation and test lack, and whether they have the sizes that were asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from autonad.console import some
from autonad.data.dataset import SPLITS, UNLABELLED
from autonad.data.faults import Fault

MOST_UNEVEN = 0.1  # difference of a split's share from that asked for
_ENOUGH = 20  # images from which shares can be expected to come out


def check_splits(
    manifest: pd.DataFrame, classes: Sequence[str], fractions: Sequence[float] | None, *, own: bool = False
) -> Iterator[Fault]:
    """Errors: divided-group, unknown-split. Warnings: empty-split, unseen-class, missing-class, uneven-split.

    Args:
        manifest: The whole manifest; images that wait for their masks do not count.
        classes: Names by index, background first.
        fractions: Shares of train, val and test that were asked for; None if nobody asked.
        own: The splits are the user's own, whose leaks were told on import: they are warnings.
    """
    rows = manifest[manifest["split"] != UNLABELLED]
    splits = rows.groupby("group")["split"].nunique()
    divided = list(splits.index[splits > 1])
    if divided and own:
        shown = some(divided)
        message = (
            f"{len(divided)} groups lie in several splits ({shown}), so the test is too easy; leave out "
            "--split own to make a new split"
        )
        yield Fault("warning", "divided-group", "split", message)
    for group, found in rows[rows["group"].isin(divided)].groupby("group") if not own else ():
        where = ", ".join(sorted(found["split"].unique()))
        message = f"its images lie in {where}; a group shows one part, so import it again"
        yield Fault("error", "divided-group", f"group {group}", message)
    for name in sorted(set(rows["split"]) - set(SPLITS)):
        yield Fault("error", "unknown-split", name, f"the manifest has it; splits are {', '.join(SPLITS)}")
    shares = np.ones(len(SPLITS)) if fractions is None else np.asarray(fractions, dtype=float)
    counted = [_totals(rows[rows["split"] == split], len(classes)) for split in SPLITS]
    shown = np.sum(counted, axis=0) > 0
    for index in (np.flatnonzero(~shown[1:]) + 1).tolist() if len(rows) else ():
        yield Fault(
            "warning", "unseen-class", classes[index], "no mask shows this class; leave it out of --classes"
        )
    for split, share, totals in zip(SPLITS, shares, counted, strict=True):
        if not (rows["split"] == split).any():
            if share > 0:
                yield Fault("warning", "empty-split", split, "it holds no images; add images of more parts")
            continue
        for index in np.flatnonzero(shown & (totals == 0)).tolist():
            message = "the split shows no pixel of this class; add images of more parts that show it"
            yield Fault("warning", "missing-class", f"{split}/{classes[index]}", message)
    if fractions is not None:
        yield from _sizes(rows, shares)


def _totals(rows: pd.DataFrame, num_classes: int) -> np.ndarray:
    if rows.empty:
        return np.zeros(num_classes, dtype=np.int64)
    totals = np.array([list(pixels) for pixels in rows["pixels"]], dtype=np.int64).sum(axis=0)
    return np.pad(totals, (0, num_classes - len(totals)))  # before a batch that brought new classes


def _sizes(rows: pd.DataFrame, asked: np.ndarray) -> Iterator[Fault]:
    if len(rows) < _ENOUGH or not asked.sum():
        return
    wanted = asked / asked.sum()
    found = np.array([float((rows["split"] == split).mean()) for split in SPLITS])
    if (np.abs(found - wanted) > MOST_UNEVEN).any():
        have, want = (" / ".join(f"{100 * share:.0f}" for share in shares) for shares in (found, wanted))
        largest = int(rows["group"].value_counts().iloc[0])
        message = (
            f"they hold {have} % of the images, {want} % were asked for; every class goes to every split and "
            f"no part is divided (the largest has {largest} of {len(rows)} images); add images of more parts"
        )
        yield Fault("warning", "uneven-split", "/".join(SPLITS), message)
