"""Images that show the same thing: equal ones, near-duplicates, and groups that turn out to be one part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from autonad.data.faults import Fault, Severity
from autonad.data.fingerprints import Fingerprint, descriptors_of
from autonad.data.repeats import Surface, confirm
from autonad.data.similarity import find_candidates


@dataclass(frozen=True, slots=True)
class Seen:
    """An image among others: what it is known by, and where it belongs.

    Attributes:
        item: Its name in messages.
        fingerprint: What it and its mask are known by.
        shown: Names of the classes in its mask.
        group: Its group; empty if it is not known.
        split: Its split; empty if it has none.
    """

    item: str
    fingerprint: Fingerprint
    shown: frozenset[str]
    group: str = ""
    split: str = ""


def shown_classes(pixels: Sequence[int], classes: Sequence[str]) -> frozenset[str]:
    """Names of the classes, background apart, that have any of the pixels counted by class index."""
    return _shared(frozenset(name for name, n in list(zip(classes, pixels, strict=True))[1:] if n))


@lru_cache(1024)
def _shared(shown: frozenset[str]) -> frozenset[str]:
    """One object for equal sets: there is one for every image."""
    return shown


def straddling_pairs(
    seen: Sequence[Seen], surface: Callable[[int], Surface], workers: int = 1
) -> list[tuple[int, int, float]]:
    """Pairs (i, j, correlation) in different splits whose pixels repeat; equal images are left out.

    Args:
        seen: The images.
        surface: Reads one of them by its position; called by several threads.
        workers: Threads that compare images.
    """
    if not seen:
        return []
    candidates = find_candidates(descriptors_of([image.fingerprint for image in seen]))
    pairs, _ = confirm(candidates, [image.split for image in seen], surface, workers)
    content = [image.fingerprint.content for image in seen]
    return [(i, j, value) for i, j, value, _ in pairs if content[i] != content[j]]


def equal_images(seen: Sequence[Seen], *, conflict: Severity, straddling: Severity) -> Iterator[Fault]:
    """Equal images, one finding for each after the first.

    Args:
        seen: The images.
        conflict: How grave it is that equal images have different masks.
        straddling: How grave it is that equal images lie in different splits.
    """
    first: dict[str, Seen] = {}
    for image in seen:
        twin = first.setdefault(image.fingerprint.content, image)
        if twin is image:
            continue
        same_mask = twin.fingerprint.labels == image.fingerprint.labels
        if not same_mask:
            message = f"it is the same image as {twin.item} and has another mask; keep the right one"
            yield Fault(conflict, "label-conflict", image.item, message)
        if twin.split != image.split:
            message = f"it lies in {image.split}, its copy {twin.item} in {twin.split}; give both one group"
            yield Fault(straddling, "duplicate", image.item, message)
        elif same_mask:
            yield Fault("warning", "duplicate", image.item, f"it is the same image as {twin.item}")


def straddling_near(seen: Sequence[Seen], near: Iterable[tuple[int, int, float]]) -> Iterator[Fault]:
    """Near-duplicates in different splits, one warning for each pair of groups."""
    told = set()
    for i, j, correlation in near:
        a, b = seen[i], seen[j]
        pair = frozenset((a.group or a.item, b.group or b.item))
        if a.split != b.split and pair not in told:
            told.add(pair)
            message = (
                f"it lies in {b.split} and resembles {a.item} in {a.split} (correlation {correlation:.2f}); "
                "if both show one part, give them one group"
            )
            yield Fault("warning", "near-duplicate", b.item, message)


def mixed_groups(seen: Sequence[Seen]) -> Iterator[Fault]:
    """Groups, that is parts, whose images show different classes."""
    groups: dict[str, list[Seen]] = {}
    for image in seen:
        groups.setdefault(image.group or image.item, []).append(image)
    for group, members in sorted(groups.items()):
        shown = {", ".join(sorted(image.shown)) or "no defect" for image in members}
        if len(shown) > 1:
            yield Fault(
                "warning", "mixed-group", f"group {group}", f"its images show {' / '.join(sorted(shown))}"
            )
