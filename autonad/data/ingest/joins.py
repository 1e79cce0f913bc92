"""Which images show one part, joined one by one, as far as stated groups and splits allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Reason = Literal["equal", "repeats", "resembles"]


@dataclass(frozen=True, slots=True)
class Join:
    """Two images that show one part.

    Attributes:
        a: Position of the first image among members and newcomers.
        b: Position of the second.
        correlation: Of their small pictures; 1 if they are equal.
        reason: Their pixels are equal, or repeat (copies, one surface), or they merely resemble one another.
        sides: The split of each at that moment; empty while any will do.
        refused: Whether their groups or splits kept them apart.
    """

    a: int
    b: int
    correlation: float
    reason: Reason
    sides: tuple[str, str]
    refused: bool


class Parts:
    """Sets of images that grow by joining; each has at most one split, and one group that has a split."""

    def __init__(
        self, known: Sequence[str], sides: Sequence[str], settled: frozenset[str], *, trust: bool
    ) -> None:
        """Begin with the stated groups.

        Args:
            known: Stated group of each image; empty if unknown.
            sides: Split that each image keeps; empty if any will do.
            settled: Groups that have a split: they are not joined to one another.
            trust: Nothing is joined to a stated group.
        """
        self.joins: list[Join] = []
        self._known, self._settled, self._trust = known, settled, trust
        self._parent = list(range(len(known)))
        self._side = list(sides)
        # Stated groups by the position of the root, of sets that hold others than the root's own.
        self._stated: dict[int, set[str]] = {}
        first: dict[tuple[str, str], int] = {}  # images of one group in two splits are two sets
        for index, group in enumerate(known):
            if group:
                self._merge(first.setdefault((group, sides[index]), index), index)

    def join(self, a: int, b: int, correlation: float, reason: Reason) -> None:
        """Join the sets of two images, unless something keeps them apart; `joins` remembers either."""
        a, b = min(a, b), max(a, b)
        p, q = self._root(a), self._root(b)
        if p == q:
            return
        sides = self._side[p], self._side[q]
        refused = not self._may(p, q, reason)
        self.joins.append(Join(a, b, correlation, reason, sides, refused))
        if not refused:
            self._merge(p, q)

    def named(self, prefix: str, start: int) -> list[str]:
        """The group of each image: one with a split, else the first stated, else a fresh name.

        Args:
            prefix: Begins fresh names, which then count up; without it they are the position of the first.
            start: Position of the first newcomer.
        """
        taken, names = set(self._known), dict[int, str]()
        for index, group in enumerate(self._known):
            root = self._root(index)
            if group and (root not in names or group in self._settled):
                names[root] = group
        fresh = 0
        for index in range(start, len(self._known)):
            root = self._root(index)
            if root not in names:
                number = fresh if prefix else index
                while (name := f"{prefix}/{number:05d}" if prefix else f"g{number:05d}") in taken:
                    number += 1
                taken.add(name)
                names[root] = name
                fresh = number + 1
        return [names[self._root(index)] for index in range(len(self._known))]

    def _may(self, p: int, q: int, reason: Reason) -> bool:
        if self._side[p] and self._side[q] and self._side[p] != self._side[q]:
            return False
        ours, theirs = self._groups(p), self._groups(q)
        if self._trust and (ours or theirs):
            return False
        if ours & self._settled and theirs & self._settled:
            return False
        return not (ours and theirs and reason == "resembles")

    def _merge(self, p: int, q: int) -> None:
        p, q = sorted((self._root(p), self._root(q)))
        if p != q:
            self._parent[q] = p
            self._side[p] = self._side[p] or self._side[q]
            ours, theirs = self._groups(p), self._groups(q)
            if not theirs <= ours:
                ours |= theirs
                self._stated[p] = ours
            self._stated.pop(q, None)

    def _groups(self, root: int) -> set[str]:
        own = self._known[root]
        return self._stated.get(root) or ({own} if own else set())

    def _root(self, index: int) -> int:
        while self._parent[index] != index:
            self._parent[index] = self._parent[self._parent[index]]
            index = self._parent[index]
        return index
