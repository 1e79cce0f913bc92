"""Which images of an audit are shown: some of each kind of finding, errors first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from autonad.data.sanity.looked import Looked

Look = Callable[[str], tuple[np.ndarray, np.ndarray | None] | None]
"""Image uint8 (H, W, 3) and mask uint8 (H, W) of an item; None where it cannot be shown."""
MOST_SUSPECTS = 24
EXAMPLES = 4  # of what is said of the whole set

# What is said of a whole set is shown at the images that show it best.
_WORST: dict[str, Callable[[Looked], float | str]] = {
    "inverted-masks": lambda image: -image.measures.defect,
    "mostly-defect": lambda image: -image.measures.defect,
    "unrelated-masks": lambda image: image.measures.edges[0] if image.measures.edges else 0.0,
    "turned-masks": lambda image: image.measures.edges[0] if image.measures.edges else 0.0,
    "few-grey-levels": lambda image: image.measures.levels,
    "vanishing-defect": lambda image: image.measures.areas[0],
    "equal-masks": lambda image: image.labels,
}


@dataclass(frozen=True)
class Suspect:
    """An image that is shown.

    Attributes:
        item: Its name.
        reasons: Kinds of what was found in it.
        image: uint8 (H, W, 3).
        mask: uint8 (H, W); None without one.
    """

    item: str
    reasons: tuple[str, ...]
    image: np.ndarray
    mask: np.ndarray | None


def choose_suspects(faults: pd.DataFrame, images: Sequence[Looked], look: Look) -> list[Suspect]:
    """Images in which something was found, from each kind in turn, at most `MOST_SUSPECTS`.

    Args:
        faults: Severity, kind, item, message; errors first.
        images: All images, in figures.
        look: Shows an item; what it cannot show is left out.
    """
    waiting: dict[str, list[str]] = {}
    reasons: dict[str, list[str]] = {}
    items = {image.item for image in images}
    for fault in faults.itertuples():
        kind, item = str(fault.kind), str(fault.item)
        rank = _WORST.get(kind)
        known = [item]
        if rank is not None and item not in items:
            defective = [image for image in images if image.measures.areas]
            known = [image.item for image in sorted(defective, key=rank)[:EXAMPLES]]
        for one in known:
            waiting.setdefault(kind, []).append(one)
            if kind not in reasons.setdefault(one, []):
                reasons[one].append(kind)
    return _shown(waiting, reasons, look)


def _shown(waiting: dict[str, list[str]], reasons: dict[str, list[str]], look: Look) -> list[Suspect]:
    """From each kind in turn."""
    chosen: dict[str, Suspect] = {}
    tried: set[str] = set()
    queues = [iter(items) for items in waiting.values()]
    while queues and len(chosen) < MOST_SUSPECTS:
        for queue in list(queues):
            item = next((one for one in queue if one not in tried), None)
            if item is None:
                queues.remove(queue)
                continue
            tried.add(item)
            found = look(item)
            if found is not None and len(chosen) < MOST_SUSPECTS:
                chosen[item] = Suspect(item, tuple(reasons[item]), *found)
    order = list(waiting)
    return sorted(chosen.values(), key=lambda suspect: (order.index(suspect.reasons[0]), suspect.item))
