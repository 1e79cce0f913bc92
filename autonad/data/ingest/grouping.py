"""Into which group each new image goes, so that no part ever lies in two splits."""

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
        content: sha256 of its pixels; equal images share a group.
    """

    item: str
    stated: str
    content: str


def place(
    members: Sequence[Member], newcomers: Sequence[Newcomer], descriptors: np.ndarray, prefix: str
) -> tuple[list[str], list[str], list[Fault]]:
    """Find the groups of newcomers, by statement and by resemblance.

    Newcomers are joined where they are copies of one another or are stated to be one part: tables of groups
    are made by hand, and a part that was given two groups would otherwise leak from training into the test.
    They join the most similar group that has a split. Groups that have a split are never touched, and stay as
    stated; those that have none yet may be joined.

    Args:
        members: Images of the dataset.
        newcomers: Images to be added.
        descriptors: float32 (members + newcomers, 1024), see `similarity.describe`.
        prefix: Begins the names of new groups that nobody stated; may be empty.

    Returns:
        The group of each member, the group of each newcomer, and warnings.
    """
    count = len(members)
    split_of = {member.group: member.split for member in members}
    known = [member.group for member in members] + [one.stated for one in newcomers]
    names = [member.image for member in members] + [one.item for one in newcomers]
    # A node is settled when its group has a split: it attracts others and is itself never moved.
    settled = np.array([bool(split_of.get(group)) for group in known], dtype=bool)
    near = near_pairs(descriptors, start=count)

    contents = [""] * count + [one.content for one in newcomers]
    root = same_part(known, contents, settled, near)
    faults = [*joined_groups(known, settled, root), *_apart(known, split_of, settled, names, near)]
    group_of_root, torn = _name_groups(known, settled, root, near, prefix)
    for attracted in torn:
        faults += _torn(attracted, known, split_of, names)
    placed = [known[i] if settled[i] else group_of_root[root[i]] for i in range(len(known))]
    return placed[:count], placed[count:], faults


def same_part(
    known: Sequence[str], contents: Sequence[str], settled: np.ndarray, near: Sequence[tuple[int, int, float]]
) -> list[int]:
    """Which images show one part: they are stated to, are equal, or are near-duplicates.

    Args:
        known: Stated group of each image; empty if unknown.
        contents: sha256 of its pixels; empty if it need not be compared.
        settled: bool (N,), images that stay alone here, because their groups are settled.
        near: From `near_pairs`.

    Returns:
        For each image the position of the first one of its part.
    """
    links = [(i, j) for i, j, _ in near if not settled[i] and not settled[j]]
    for marks in (known, contents):
        first: dict[str, int] = {}
        free = (index for index in np.flatnonzero(~settled).tolist() if marks[index])
        links += [(first.setdefault(marks[index], index), index) for index in free]
    return connected(len(known), links)


def joined_groups(known: Sequence[str], settled: np.ndarray, root: Sequence[int]) -> list[Fault]:
    """Warnings of stated groups that turn out to be one, for each set of them; see `same_part`."""
    joined: dict[int, set[str]] = {}
    for index in np.flatnonzero(~settled).tolist():
        joined.setdefault(root[index], set()).update({known[index]} - {""})
    return [
        Fault(
            "warning",
            "joined-groups",
            f"groups {', '.join(sorted(names))}",
            "their images are near-duplicates; they count as one group",
        )
        for names in joined.values()
        if len(names) > 1
    ]


def _name_groups(
    known: Sequence[str],
    settled: np.ndarray,
    root: Sequence[int],
    near: Sequence[tuple[int, int, float]],
    prefix: str,
) -> tuple[dict[int, str], list[list[tuple[float, int, int]]]]:
    """The group of each component, by its first image; and what attracted those that join a settled group.

    What attracts is listed by descending correlation: its negative, the settled image, the image that joins.
    """
    nearest: dict[int, list[tuple[float, int, int]]] = {}
    for i, j, correlation in near:
        for settler, free in ((i, j), (j, i)):
            if settled[settler] and not settled[free]:
                nearest.setdefault(root[free], []).append((-correlation, settler, free))
    stated: dict[int, str] = {}
    for label, group in zip(root, known, strict=True):
        if group:
            stated.setdefault(label, group)
    taken, named, torn = set(known), dict[int, str](), []
    for label in dict.fromkeys(root[index] for index in np.flatnonzero(~settled).tolist()):
        attracted = sorted(nearest.get(label, ()))
        if attracted:
            named[label] = known[attracted[0][1]]
            torn.append(attracted)
        else:
            named[label] = stated.get(label) or _fresh(prefix, label, len(named), taken)
    return named, torn


def _fresh(prefix: str, label: int, number: int, taken: set[str]) -> str:
    """A name that nobody stated: after the group's first image in an import, by number in a batch."""
    if not prefix:
        number = label
    while (name := f"{prefix}/{number:05d}" if prefix else f"g{number:05d}") in taken:
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
