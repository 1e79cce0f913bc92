"""Into which group each image of a batch goes, so that no part ever lies in two splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autonad.data.faults import Fault
from autonad.data.similarity import connected, near_pairs


@dataclass(frozen=True)
class Member:
    """An image of the dataset.

    Attributes:
        image: Its path in the dataset.
        group: Its group.
        split: The split of its group; empty if the group has no labelled image yet.
    """

    image: str
    group: str
    split: str


@dataclass(frozen=True)
class Newcomer:
    """An image that is added.

    Attributes:
        item: Its name in the batch.
        stated: Its group as stated by groups.csv, or that of an older version of it; empty if unknown.
    """

    item: str
    stated: str


def place(
    members: Sequence[Member], newcomers: Sequence[Newcomer], descriptors: np.ndarray, batch: str
) -> tuple[list[str], list[str], list[Fault]]:
    """Find the groups of newcomers, by statement and by resemblance.

    Stated groups that the dataset has stay as stated. Other newcomers are joined where they resemble one
    another or are stated to be one part, and join the most similar group that has a split. Groups that have
    a split are never touched; those that have none yet may be joined.

    Args:
        members: Images of the dataset.
        newcomers: Images to be added.
        descriptors: float32 (members + newcomers, 1024), see `similarity.describe`.
        batch: Name of the batch; begins the names of new groups that nobody stated.

    Returns:
        The group of each member, the group of each newcomer, and warnings.
    """
    count = len(members)
    split_of = {member.group: member.split for member in members}
    known = [member.group for member in members] + [one.stated for one in newcomers]
    # A node is settled when its group has a split: it attracts others and is itself never moved.
    settled = np.array([bool(split_of.get(group)) for group in known], dtype=bool)
    names = [member.image for member in members] + [one.item for one in newcomers]
    near = near_pairs(descriptors, start=count)

    links: list[tuple[int, int]] = []
    first: dict[str, int] = {}
    for index in np.flatnonzero(~settled).tolist():
        if known[index]:
            links.append((first.setdefault(known[index], index), index))
    links += [(i, j) for i, j, _ in near if not settled[i] and not settled[j]]
    root = connected(len(known), links)

    nearest: dict[int, list[tuple[float, int, int]]] = {}
    for i, j, correlation in near:
        for settler, free in ((i, j), (j, i)):
            if settled[settler] and not settled[free]:
                nearest.setdefault(root[free], []).append((-correlation, settler, free))
    faults = list(_apart(known, split_of, settled, names, near))
    taken = set(known)
    stated: dict[int, str] = {}
    for label, group in zip(root, known, strict=True):
        if group:
            stated.setdefault(label, group)
    group_of_root: dict[int, str] = {}
    for index in range(len(known)):
        label = root[index]
        if settled[index] or label in group_of_root:
            continue
        attracted = sorted(nearest.get(label, ()))
        if attracted:
            group_of_root[label] = known[attracted[0][1]]
            faults += _torn(attracted, known, split_of, names)
        else:
            group_of_root[label] = stated.get(label) or _fresh(batch, len(group_of_root), taken)
    placed = [known[i] if settled[i] else group_of_root[root[i]] for i in range(len(known))]
    return placed[:count], placed[count:], faults


def _fresh(batch: str, number: int, taken: set[str]) -> str:
    while (name := f"{batch}/{number:05d}") in taken:
        number += 1
    taken.add(name)
    return name


def _torn(
    attracted: Sequence[tuple[float, int, int]],
    known: Sequence[str],
    split_of: dict[str, str],
    names: Sequence[str],
) -> list[Fault]:
    """Newcomers that resemble parts of other splits than the one that they join; one warning per group."""
    chosen = known[attracted[0][1]]
    told: set[str] = set()
    faults = []
    for correlation, settler, free in attracted:
        group = known[settler]
        if split_of[group] != split_of[chosen] and group not in told:
            told.add(group)
            faults.append(
                Fault(
                    "warning",
                    "near-duplicate",
                    names[free],
                    f"it resembles {names[settler]} in {split_of[group]} (correlation {-correlation:.2f}), "
                    f"but joins group {chosen} in {split_of[chosen]}, which is nearer; no part "
                    "changes its split",
                )
            )
    return faults


def _apart(
    known: Sequence[str],
    split_of: dict[str, str],
    settled: np.ndarray,
    names: Sequence[str],
    near: Sequence[tuple[int, int, float]],
) -> list[Fault]:
    """Stated groups whose images resemble a part of another split."""
    return [
        Fault(
            "warning",
            "near-duplicate",
            names[j],
            f"groups.csv puts it into group {known[j]} in {split_of[known[j]]}, and it resembles {names[i]} "
            f"in {split_of[known[i]]} (correlation {correlation:.2f}); it stays where it was put",
        )
        for i, j, correlation in near
        if settled[i] and settled[j] and split_of[known[i]] != split_of[known[j]]
    ]
