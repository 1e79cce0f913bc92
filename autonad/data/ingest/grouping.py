"""Into which group each new image goes, so that no part ever lies in two splits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from autonad.console import some
from autonad.data.descriptors import Rows
from autonad.data.faults import Fault
from autonad.data.ingest.joins import Join, Parts
from autonad.data.repeats import Surface, confirm
from autonad.data.similarity import find_candidates

_SHOWN = 20  # joined groups that are listed one by one


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Newcomer:
    """An image that is added.

    Attributes:
        item: Its name in the batch.
        stated: Its group as stated by groups.csv, or that of an older version of it; empty if unknown.
        content: sha256 of its pixels; equal images share a group.
        split: The split in which its user wants to keep it; empty if any will do.
    """

    item: str
    stated: str
    content: str
    split: str = ""


@dataclass(frozen=True)
class Joining:
    """How images are joined to groups that nobody stated.

    Attributes:
        trust: Nothing is joined to a stated group.
        search: Near-duplicates are searched for.
        prefix: Begins the names of new groups that nobody stated; may be empty.
        workers: Threads that compare images.
    """

    trust: bool = False
    search: bool = True
    prefix: str = ""
    workers: int = 1


@dataclass(frozen=True)
class Grouping:
    """Where images went.

    Attributes:
        members: Group of each member.
        newcomers: Group of each newcomer.
        joins: What was joined, and what would have been if groups or splits had not kept it apart.
        faults: Warnings.
    """

    members: list[str]
    newcomers: list[str]
    joins: tuple[Join, ...]
    faults: tuple[Fault, ...]


def place(
    members: Sequence[Member],
    newcomers: Sequence[Newcomer],
    descriptors: Rows,
    surface: Callable[[int], Surface],
    joining: Joining,
) -> Grouping:
    """Find the groups of newcomers, by statement and by resemblance.

    Stated groups are believed: resembling never joins two of them. Where pixels repeat (copies of one
    picture, pictures of one surface) they would leak from training into the test, and are joined unless
    `joining.trust`. Images without a stated group join what they resemble and show no other defects than;
    the most similar first. Groups that have a split are never joined to one another, and nothing joins
    across splits.

    Args:
        members: Images of the dataset.
        newcomers: Images to be added.
        descriptors: float (members + newcomers, 1024), see `similarity.describe`.
        surface: Reads an image by its position in `descriptors`.
        joining: How.
    """
    count = len(members)
    split_of = {member.group: member.split for member in members if member.split}
    known = [member.group for member in members] + [one.stated for one in newcomers]
    names = [member.image for member in members] + [one.item for one in newcomers]
    sides = [split_of.get(group, "") for group in known[:count]]
    sides += [split_of.get(one.stated) or one.split for one in newcomers]
    parts = Parts(known, sides, frozenset(split_of), trust=joining.trust)
    first: dict[str, int] = {}
    for index, one in enumerate(newcomers, start=count):
        if one.content and first.setdefault(one.content, index) != index:
            parts.join(first[one.content], index, 1.0, "equal")
    faults: list[Fault] = []
    if joining.search:
        candidates = find_candidates(descriptors, start=count)
        found, different = confirm(candidates, known, surface, joining.workers)
        for i, j, correlation, repeats in sorted(found, key=lambda pair: -pair[2]):
            parts.join(i, j, correlation, "repeats" if repeats else "resembles")
        if different:
            pairs, s = ("1 pair", "s") if different == 1 else (f"{different} pairs", "")
            message = f"{pairs} of images look{s} alike and show{s} different parts; they stay apart"
            faults.append(Fault("warning", "look-alikes", "groups", message))
    groups = parts.named(joining.prefix, count)
    joins = tuple(parts.joins)
    faults += [
        *_joined(joins, known, groups, names),
        *_kept_apart(joins, groups, names),
        *_trusted(joins, groups, joining),
    ]
    return Grouping(groups[:count], groups[count:], joins, tuple(faults))


def _joined(
    joins: Iterable[Join], known: Sequence[str], groups: Sequence[str], names: Sequence[str]
) -> list[Fault]:
    """One warning for each group that images were joined to, with its pairs."""
    of_group: dict[str, list[Join]] = {}
    for join in joins:
        if not join.refused:
            of_group.setdefault(groups[join.a], []).append(join)
    faults = []
    for group, found in of_group.items():
        stated = sorted({known[index] for join in found for index in (join.a, join.b)} - {""})
        pairs = ", ".join(
            f"{names[join.a]} and {names[join.b]} ({join.correlation:.3f})" for join in found[:3]
        )
        pairs += f" and {len(found) - 3} more pairs" if len(found) > 3 else ""
        if len(stated) > 1:
            message = (
                f"their images repeat: {pairs}; they count as one group (--trust-groups keeps them apart)"
            )
            faults.append(Fault("warning", "joined-groups", f"groups {some(stated)}", message))
        else:
            message = f"its images count as one part: {pairs}"
            faults.append(Fault("warning", "joined-images", f"group {group}", message))
    faults.sort(key=lambda fault: fault.kind != "joined-groups")
    if len(faults) > _SHOWN:
        message = f"{len(faults) - _SHOWN} more groups were joined from near-duplicates"
        faults = [*faults[:_SHOWN], Fault("warning", "joined-images", "groups", message)]
    return faults


def _kept_apart(joins: Iterable[Join], groups: Sequence[str], names: Sequence[str]) -> list[Fault]:
    """Images that lie in different splits though they show one part; one warning per pair of groups."""
    pairs: dict[tuple[str, str], list[Join]] = {}
    for join in joins:
        if join.refused and "" not in join.sides and join.sides[0] != join.sides[1]:
            pairs.setdefault((groups[join.a], groups[join.b]), []).append(join)
    faults = []
    for found in pairs.values():
        a, b = found[0].a, found[0].b
        more = f", and {len(found) - 1} more pairs do" if len(found) > 1 else ""
        message = (
            f"it resembles {names[a]} in {found[0].sides[0]} (correlation {found[0].correlation:.2f}){more}, "
            f"but is in {found[0].sides[1]}, group {groups[b]}; the test is too easy if both show one part"
        )
        faults.append(Fault("warning", "near-duplicate", names[b], message))
    if len(faults) > _SHOWN:
        message = f"{len(faults) - _SHOWN} more groups resemble groups of other splits"
        faults = [*faults[:_SHOWN], Fault("warning", "near-duplicate", "splits", message)]
    return faults


def _trusted(joins: Iterable[Join], groups: Sequence[str], joining: Joining) -> list[Fault]:
    """What `joining.trust` keeps apart although pixels repeat."""
    if not joining.trust:
        return []
    pairs = {
        (groups[join.a], groups[join.b]) for join in joins if join.refused and join.reason != "resembles"
    }
    if not pairs:
        return []
    shown = "; ".join(f"{a} and {b}" for a, b in sorted(pairs)[:3])
    message = (
        f"images repeat in {len(pairs)} pairs of groups ({shown}), which stay apart as --trust-groups asks"
    )
    return [Fault("warning", "repeated-images", "groups", message)]
