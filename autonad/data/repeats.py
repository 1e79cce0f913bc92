"""Whether two images that resemble one another show the same part.

At a fixed camera all parts look alike; what tells them apart is their surface, their defects and the noise of
the sensor. Two images are laid over one another, and then compared where they should differ if the parts do:

    pattern   correlation of the finest detail in small fields: of noise, which repeats in copies of one
              picture, and of grain, which repeats in pictures of one surface. The fields in which it is least
              decide, because edges of the scene repeat in some fields whatever the part.
    defects   correlation of the surroundings of the defects that either mask shows, and how far the
              difference there stands out from the difference elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import cv2
import numpy as np

from autonad.data.images import IGNORE
from autonad.data.pictures import SIDE, grey_of, turn
from autonad.data.similarity import Candidates, describe_grey

_SIDE = 256  # longest side at which images are compared, pixels
_FIELD = 16
# Measured on magnetic tiles, on steel and on generated images of a fixed camera, see docs/decisions/0020.
_LEAST_PATTERN, _PATTERN = 0.12, 0.2
_DEFECTS, _OTHER_DEFECTS = 0.75, 0.9
_STANDING_OUT = 5.0
_ROUNDING = 0.3  # of grey levels
_PROBES = 16
_HELD = 64  # images that are kept decoded
_AT_ONCE = 256  # pairs that are compared before it is looked which are left


@dataclass(frozen=True)
class Surface:
    """What of an image is compared.

    Attributes:
        grey: float32 (H, W), 256 pixels at most on its longer side.
        defects: bool (H, W), where its mask shows a defect; None without a mask.
    """

    grey: np.ndarray
    defects: np.ndarray | None

    @cached_property
    def fine(self) -> np.ndarray:
        """The finest detail, which is noise and grain, float32 (H, W)."""
        return _fine(self.grey)

    @cached_property
    def detail(self) -> np.ndarray:
        """Detail between that and what illumination changes, float32 (H, W)."""
        return _detail(self.grey)

    @cached_property
    def descriptor(self) -> np.ndarray:
        """See `similarity.describe`."""
        return describe_grey(self.grey)

    @classmethod
    def of(cls, image: np.ndarray, mask: np.ndarray | None) -> Surface:
        """Of an image uint8 (H, W, 3) with its index mask uint8 (H, W), if it has one."""
        grey = grey_of(image).astype(np.float32)
        factor = min(1.0, _SIDE / max(grey.shape))
        height, width = (max(1, round(factor * n)) for n in grey.shape)
        grey = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
        if mask is None:
            return cls(grey, None)
        shown = ((mask != 0) & (mask != IGNORE)).astype(np.float32)
        # A small defect must not vanish where it covers less than half of a pixel.
        return cls(grey, cv2.resize(shown, (width, height), interpolation=cv2.INTER_AREA) > 0.2)


@dataclass(frozen=True)
class Likeness:
    """How alike two surfaces are.

    Attributes:
        least_pattern: Correlation of the finest detail, which a tenth of the fields do not reach.
        pattern: The same for a quarter of the fields.
        defects: Correlation around the defects; None if neither mask shows any or one is missing.
        excess: Difference around the defects over the difference elsewhere, both root mean squares.
    """

    least_pattern: float
    pattern: float
    defects: float | None = None
    excess: float = 1.0

    @property
    def differs(self) -> bool:
        """Whether one of them has a defect that the other lacks."""
        return self.defects is not None and self.defects < _OTHER_DEFECTS and self.excess >= _STANDING_OUT

    @property
    def repeats(self) -> bool:
        """Whether pixels repeat: the same picture, or the same surface."""
        defects = self.defects is None or self.defects >= _DEFECTS
        return self.least_pattern >= _LEAST_PATTERN and self.pattern >= _PATTERN and defects


def compare(a: Surface, b: Surface) -> Likeness:
    """Lay two surfaces over one another in the orientation that fits best, and compare them."""
    second, detail, shown = _registered(a, b)
    fields = np.quantile(_field_correlations(a.fine, _fine(second)), [0.1, 0.25])
    likeness = Likeness(float(fields[0]), float(fields[1]))
    if shown is None or not shown.any():
        return likeness
    around = cv2.dilate(shown.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    x, y = a.detail, detail
    rest = x - (x * y).sum() / ((y * y).sum() + 1e-9) * y
    inside, outside = (
        float(np.sqrt((rest[where] ** 2).mean())) if where.any() else 0.0 for where in (around, ~around)
    )
    x, y = x[around], y[around]
    defects = float((x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum() + 1e-9))
    return replace(likeness, defects=defects, excess=inside / (outside + _ROUNDING))


Link = tuple[int, int, float]


def confirm(
    candidates: Candidates, stated: Sequence[str], surface: Callable[[int], Surface], workers: int = 1
) -> tuple[list[tuple[int, int, float, bool]], int]:
    """The candidates that show one part.

    Images of different stated groups do so only if their pixels repeat, and so do images of a crowd, which
    show the same scene anyway. Others do if they resemble one another and no defect speaks against it.
    Members of a crowd that others connect already are not compared again, so that a crowd of copies costs a
    comparison for each and not for each pair.

    Args:
        candidates: From `similarity.find_candidates`.
        stated: Stated group of each image; empty if unknown. Pairs within a group are left out.
        surface: Reads an image by its position; called by several threads.
        workers: Threads that read and compare.

    Returns:
        (i, j, correlation, whether pixels repeat), sorted; and how many candidates show different parts.
    """
    crowded = candidates.crowded
    read = lru_cache(_HELD)(surface)
    found: list[tuple[int, int, float, bool]] = []
    same_as = list(range(len(crowded)))

    def root(index: int) -> int:
        while same_as[index] != index:
            same_as[index] = same_as[same_as[index]]
            index = same_as[index]
        return index

    def likeness(link: Link) -> Likeness:
        return compare(read(link[0]), read(link[1]))

    def check(links: Sequence[Link]) -> int:
        """Compare those that are open; how many of them show different parts."""
        different = 0
        for start in range(0, len(links), _AT_ONCE):
            todo = [
                (i, j, correlation)
                for i, j, correlation in links[start : start + _AT_ONCE]
                if (not stated[i] or stated[i] != stated[j])
                and not (crowded[i] and crowded[j] and root(i) == root(j))
            ]
            for (i, j, correlation), alike in zip(todo, pool.map(likeness, todo), strict=True):
                strict = bool(stated[i] and stated[j]) or bool(crowded[i] and crowded[j])
                if alike.repeats or not (strict or alike.differs):
                    found.append((i, j, correlation, alike.repeats))
                    same_as[max(root(i), root(j))] = min(root(i), root(j))
                else:
                    different += 1
        return different

    with ThreadPoolExecutor(workers) as pool:
        for hub in candidates.hubs:
            links = [link for link in hub if not stated[link[0]] or stated[link[0]] != stated[link[1]]]
            probes = sorted({int(n) for n in np.linspace(0, len(links) - 1, _PROBES)}) if links else []
            before = len(found)
            check([links[probe] for probe in probes])
            # Copies of one picture crowd, too; then all of them are looked at.
            if len(found) - before >= 2:
                check([link for number, link in enumerate(links) if number not in probes])
        different = check(candidates.pairs)
    return sorted(found), different


def _registered(a: Surface, b: Surface) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """The second picture laid over the first, its detail, and where either shows a defect, where known."""
    pictures = b.descriptor.reshape(1, SIDE, SIDE)
    way = int(np.argmax([float(turn(pictures, o).ravel() @ a.descriptor) for o in range(8)]))
    height, width = a.grey.shape

    def laid(picture: np.ndarray, how: int) -> np.ndarray:
        turned = np.ascontiguousarray(turn(picture[None], way)[0])
        return cv2.resize(turned, (width, height), interpolation=how)

    grey = laid(b.grey, cv2.INTER_AREA)
    shown = None if b.defects is None else laid(b.defects.astype(np.uint8), cv2.INTER_NEAREST)
    ours, theirs = a.detail, _detail(grey)
    window = cv2.createHanningWindow((width, height), cv2.CV_32F) if min(height, width) > 1 else None
    if window is not None:
        # It multiplies what it is given by the window, in place.
        (x, y), _ = cv2.phaseCorrelate(theirs.copy(), ours.copy(), window)
        move = np.array([[1, 0, x], [0, 1, y]], dtype=np.float32)
        moved = _warped(grey, move, cv2.INTER_LINEAR)
        detail = _detail(moved)
        # Noise alone has no place of its own; a shift that does not help is none.
        if max(abs(x) / width, abs(y) / height) < 1 / 16 and (ours * detail).sum() > (ours * theirs).sum():
            grey, theirs = moved, detail
            shown = None if shown is None else _warped(shown, move, cv2.INTER_NEAREST)
    if a.defects is None or shown is None:
        return grey, theirs, None
    return grey, theirs, a.defects | (shown > 0)


def _warped(picture: np.ndarray, move: np.ndarray, how: int) -> np.ndarray:
    size = (picture.shape[1], picture.shape[0])
    return cv2.warpAffine(picture, move, size, flags=how, borderMode=cv2.BORDER_REFLECT_101)


def _blurred(picture: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)


def _fine(grey: np.ndarray) -> np.ndarray:
    return grey - _blurred(grey, 1.5)


def _detail(grey: np.ndarray) -> np.ndarray:
    """Detail between the finest, which is noise, and what illumination changes."""
    return _blurred(grey, 1) - _blurred(grey, 6)


def _field_correlations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Correlation in each field of 16 × 16 pixels; of the whole if it is smaller."""
    height, width = a.shape
    rows, columns = max(1, height // _FIELD), max(1, width // _FIELD)
    tall, wide = min(_FIELD, height), min(_FIELD, width)

    def fields(picture: np.ndarray) -> np.ndarray:
        whole = picture[: rows * tall, : columns * wide].reshape(rows, tall, columns, wide)
        return whole.swapaxes(1, 2).reshape(rows * columns, tall * wide)

    x, y = fields(a), fields(b)
    return (x * y).sum(axis=1) / np.sqrt((x * x).sum(axis=1) * (y * y).sum(axis=1) + 1e-6)
