"""Train, validation and test without leaks: whole groups, stratified by class, determined by a seed.

Images of one physical part resemble one another so much that copying the mask of the nearest training image
scores well when they straddle splits; therefore a group is never divided. Stratification is iterative
(Sechidis et al., 2011) over groups: the rarest class is dealt out first, while there is still freedom to do
so.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from autonad.data.dataset import SPLITS
from autonad.errors import DatasetError

# The greedy deal depends on the order of groups; the best of some seeded orders is kept. Among many groups
# one order is as good as another, so that large sets need few.
_MOST_ATTEMPTS, _GROUPS_IN_ALL = 24, 24_000


def split_by_group(table: pd.DataFrame, fractions: Sequence[float], seed: int) -> pd.Series:
    """Assign a split to every row.

    A class that occurs in at least three groups occurs in every split, unless groups that mix classes make
    that impossible. Rows without defects count as a class of their own.

    Args:
        table: Manifest rows with the columns `group` and `pixels`.
        fractions: Shares of train, val and test; positive or 0 (an empty split), of any sum.
        seed: Of the order in which equal groups are dealt out.

    Returns:
        "train", "val" or "test" for each row, with the table's index.

    Raises:
        DatasetError: The fractions are not three shares, or there are fewer groups than splits.
    """
    shares = _shares(fractions)
    used = np.flatnonzero(shares > 0)
    positions = deal(table, shares[used] / shares.sum(), seed)
    return pd.Series([SPLITS[used[p]] for p in positions], index=table.index, name="split")


def extend_split(table: pd.DataFrame, fractions: Sequence[float], seed: int) -> pd.Series:
    """Assign a split to the rows that have none, towards the fractions of the whole table.

    A row that has a split keeps it, and so does its whole group: no part ever changes its split.

    Args:
        table: Manifest rows with the columns `group`, `pixels` and `split`; "" where there is none yet.
        fractions: See `split_by_group`.
        seed: Of the order in which equal groups are dealt out.

    Returns:
        The split of each row, with the table's index.

    Raises:
        DatasetError: The fractions are not three shares, or there are fewer groups than splits.
    """
    shares = _shares(fractions)
    used = np.flatnonzero(shares > 0)
    dealt = table[table["split"] != ""].drop_duplicates("group").set_index("group")["split"]
    split = table["split"].where(table["split"] != "", table["group"].map(dealt)).fillna("")
    if (split != "").all():
        return split.rename("split")
    # Rows in a split that gets no share any more take no part: nothing is dealt out there.
    names = [SPLITS[u] for u in used]
    part = pd.Series([names.index(s) if s in names else -1 for s in split], index=table.index)
    taking = (part >= 0) | (split == "")
    positions = deal(table[taking], shares[used] / shares.sum(), seed, part[taking].to_numpy())
    split[taking] = [names[p] for p in positions]
    return split.rename("split")


def _shares(fractions: Sequence[float]) -> np.ndarray:
    shares = np.asarray(fractions, dtype=float)
    if (
        shares.shape != (len(SPLITS),)
        or not np.isfinite(shares).all()
        or (shares < 0).any()
        or shares[0] <= 0
    ):
        raise DatasetError(
            f"split fractions are {list(fractions)}; give shares of train, val and test, train above 0"
        )
    return shares


def deal(table: pd.DataFrame, shares: np.ndarray, seed: int, dealt: np.ndarray | None = None) -> np.ndarray:
    """Deal whole groups out to parts, stratified by class.

    Args:
        table: Manifest rows with the columns `group` and `pixels`.
        shares: Share of each part; they add up to 1.
        seed: Of the order in which equal groups are dealt out.
        dealt: Part of the rows that keep theirs, else -1; None where no row has one.

    Returns:
        Part (index into `shares`) of every row.

    Raises:
        DatasetError: There are fewer groups than parts.
    """
    names, group_of_row = np.unique(table["group"].astype(str).to_numpy(), return_inverse=True)
    if len(names) < len(shares):
        raise DatasetError(
            f"the images form {len(names)} groups, which cannot fill {len(shares)} splits; a group shows "
            "one part and is never divided, so add images of more parts (or set a split's fraction to 0)"
        )
    present = np.array([list(pixels) for pixels in table["pixels"]], dtype=np.int64) > 0
    present[:, 0] = ~present[:, 1:].any(axis=1)  # column 0 becomes "no defect"
    counts = np.zeros(
        (len(names), present.shape[1] + 1)
    )  # (groups, classes + 1); the last column counts images
    np.add.at(counts, group_of_row, np.column_stack([present, np.ones(len(present))]))

    fixed = np.full(len(names), -1)
    if dealt is not None:
        np.maximum.at(fixed, group_of_row, dealt)
    rng = np.random.default_rng(seed)
    number = int(np.clip(_GROUPS_IN_ALL // len(names), 1, _MOST_ATTEMPTS))
    attempts = (_greedy(counts, shares, rng, fixed) for _ in range(number))
    return min(attempts, key=lambda part: _cost(counts, shares, part))[group_of_row]


def _greedy(
    counts: np.ndarray, shares: np.ndarray, rng: np.random.Generator, fixed: np.ndarray
) -> np.ndarray:
    """Part of every group, rarest class first, its largest group first, to the part that lacks it most.

    Groups with a part in `fixed` (else -1) keep it and count towards what that part has.
    """
    part = fixed.copy()
    # (parts, columns): what each part still wants of each class and of images.
    wanted = shares[:, None] * counts.sum(axis=0)
    has = counts[:, :-1] > 0
    shown = np.zeros((len(shares), has.shape[1]), dtype=bool)  # which part has which class already
    for p in range(len(shares)):
        wanted[p] -= counts[fixed == p].sum(axis=0)
        shown[p] = has[fixed == p].any(axis=0)
    left = has[fixed < 0].sum(axis=0)
    jitter = rng.random(len(counts))
    queues = [
        iter(np.flatnonzero(has[:, c])[np.lexsort((jitter[has[:, c]], -counts[has[:, c], c]))].tolist())
        for c in range(has.shape[1])
    ]
    ties = rng.random((len(counts), len(shares)))
    for _ in range(int((fixed < 0).sum())):
        rarest = int(np.argmin(np.where(left > 0, left, len(counts) + 1)))
        group = next(g for g in queues[rarest] if part[g] < 0)
        want = wanted[:, rarest].copy()
        lacking = ~shown[:, rarest]
        if lacking.any() and left[rarest] <= lacking.sum():
            want[~lacking] = -np.inf  # the last groups of a class go where it is missing
        best = int(np.lexsort((ties[group], -wanted[:, -1], -want))[0])
        part[group] = best
        wanted[best] -= counts[group]
        shown[best] |= has[group]
        left -= has[group]
    return part


def _cost(counts: np.ndarray, shares: np.ndarray, part: np.ndarray) -> tuple[int, float]:
    """Classes missing where they could be, then the squared relative deviation from the shares."""
    sums = np.stack([counts[part == p].sum(axis=0) for p in range(len(shares))])  # (parts, columns)
    total = counts.sum(axis=0)
    spread = (counts > 0).sum(axis=0) >= len(shares)
    missing = int((sums[:, spread] == 0).sum())
    known = total > 0
    deviation = float((((sums - shares[:, None] * total)[:, known] / total[known]) ** 2).sum())
    return missing, deviation
