"""What a detector could call a defect at several probabilities, and what is truly there; for choosing rules.

Regions are found as on the line, at each of `LEVELS` as the probability of all classes. Below 0.5 a pixel
can reach the probability of two classes, and goes to the likelier one. So rules whose classes share a
probability, or have one of at least 0.5 each, judge exactly what is listed here.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from zipfile import BadZipFile

import numpy as np

from autonad.detector.components import Components, find_components
from autonad.detector.engine import Forward, Pixels, classify, image_logits
from autonad.detector.fitting import IGNORE
from autonad.errors import StorageError, one_line
from autonad.evaluation.image_level import NEAR_PX, dilate
from autonad.files import write_atomic
from autonad.reading.bounds import folded

if TYPE_CHECKING:
    from autonad.data.dataset import Dataset
    from autonad.detector.spec import DetectorSpec

# For what it cannot open, zipfile raises RuntimeError too, of which NotImplementedError is one.
_NO_ZIP = (BadZipFile, zlib.error, RuntimeError)
LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
# No rule shall count smaller regions, pixels.
LEAST_AREA = 4


@dataclass(frozen=True)
class Candidates:
    """The images of a split, N, their D true defects, and the R regions of all levels.

    Attributes:
        classes: Names, background first.
        images: (N,) names.
        groups: (N,) parts.
        defect_image: (D,) image of each true defect, a connected region of the mask.
        defect_class: (D,) its class.
        defect_area: (D,) pixels.
        image: (R,) image of each region.
        level: (R,) position in `LEVELS`.
        value: (R,) class.
        area: (R,) pixels.
        length: (R,) largest extent, pixels.
        mean: (R,) mean probability of its class.
        peak: (R,) largest probability of its class.
        stray: (R,) whether it lies nowhere near a true defect of any class.
        hit_region: (H,) regions that overlap a true defect, a pair each with `hit_defect`.
        hit_defect: (H,) the defects.
    """

    classes: tuple[str, ...]
    images: np.ndarray
    groups: np.ndarray
    defect_image: np.ndarray
    defect_class: np.ndarray
    defect_area: np.ndarray
    image: np.ndarray
    level: np.ndarray
    value: np.ndarray
    area: np.ndarray
    length: np.ndarray
    mean: np.ndarray
    peak: np.ndarray
    stray: np.ndarray
    hit_region: np.ndarray
    hit_defect: np.ndarray

    def save(self, path: Path) -> None:
        """Write them as npz, in one step.

        Raises:
            StorageError: The file cannot be written.
        """
        arrays = {one.name: np.asarray(getattr(self, one.name)) for one in fields(self)}

        def write(to: Path) -> None:
            with to.open("wb") as handle:
                np.savez_compressed(handle, **cast("dict[str, Any]", arrays))

        write_atomic(path, write)

    @classmethod
    def load(cls, path: Path) -> Candidates:
        """Read them.

        Raises:
            StorageError: The file is missing or damaged.
        """
        try:
            with path.open("rb") as handle, np.load(handle, allow_pickle=False) as stored:
                arrays: dict[str, Any] = {one.name: stored[one.name] for one in fields(cls)}
            found = cls(**{**arrays, "classes": tuple(map(str, arrays["classes"]))})
            found._check()
        except (OSError, ValueError, KeyError, EOFError, *_NO_ZIP, MemoryError) as error:
            reason = folded(one_line(error))
            raise StorageError(
                f"{path} cannot be read as an evaluation's candidates ({reason}); run `autonad evaluate` "
                "again"
            ) from error
        return found

    def _check(self) -> None:
        """Make sure that the columns fit together.

        Raises:
            ValueError: They do not.
        """
        images, defects, regions = len(self.images), len(self.defect_image), len(self.image)
        classes = len(self.classes)
        pixels, hits = 10**12, len(self.hit_defect)
        # Rows, and what every value lies below.
        needed: dict[str, tuple[int, int]] = {
            "defect_image": (defects, images),
            "defect_class": (defects, classes),
            "defect_area": (defects, pixels),
            "image": (regions, images),
            "level": (regions, len(LEVELS)),
            "value": (regions, classes),
            **dict.fromkeys(("area", "length"), (regions, pixels)),
            **dict.fromkeys(("mean", "peak", "stray"), (regions, 2)),
            "hit_region": (hits, regions),
            "hit_defect": (hits, defects),
        }
        for name, (rows, below) in needed.items():
            column = getattr(self, name)
            if column.shape != (rows,) or column.dtype.kind not in "biuf":
                raise ValueError(f"{name} has shape {column.shape}, and {rows} numbers are needed")
            if not ((column >= 0) & (column < below)).all():
                raise ValueError(f"{name} holds a value that is not from 0 to below {below}")
        if self.groups.shape != (images,):
            raise ValueError(f"groups has shape {self.groups.shape}, and {images} names are needed")

    @classmethod
    def none(cls, classes: tuple[str, ...]) -> Candidates:
        """Those of a split without images.

        Args:
            classes: Names, background first.
        """
        numbers = {one.name: np.zeros(0, np.int64) for one in fields(cls)[3:]}
        return cls(classes=classes, images=np.zeros(0, "<U1"), groups=np.zeros(0, "<U1"), **numbers)

    @property
    def defect_images(self) -> np.ndarray:
        """(N,) whether an image shows a defect."""
        shown = np.zeros(len(self.images), dtype=bool)
        shown[self.defect_image] = True
        return shown


def candidates_file(folder: Path, split: str) -> Path:
    """Where an evaluation keeps the candidates of a split."""
    return folder / f"candidates-{split}.npz"


def collect_candidates(
    forward: Forward,
    dataset: Dataset,
    split: str,
    spec: DetectorSpec,
    progress: Callable[[int, int], None] | None = None,
) -> Candidates:
    """Run a detector over a split as on the line.

    Args:
        forward: The network, numpy in and out.
        dataset: Where images and masks are.
        split: "val" or "test".
        spec: What the network needs.
        progress: Called with (images done, images in all).

    Raises:
        DatasetError: The split is empty, or a file cannot be read or is another than the manifest names.
    """
    from autonad.data.unchanged import require_unchanged

    rows = dataset.split(split)
    require_unchanged(dataset, rows)
    found: dict[str, list[np.ndarray]] = {one.name: [] for one in fields(Candidates)[3:]}
    regions = defects = 0
    faint = (LEVELS[0],) * (spec.num_classes - 1)
    for number, row in enumerate(rows.itertuples()):
        image, truth = dataset.read_image(row), dataset.read_mask(row)
        pixels = classify(image_logits(forward, image, spec), truth.shape, faint)
        own = image_candidates(pixels, truth)
        own["image"] = np.full(own["value"].size, number)
        own["defect_image"] = np.full(own["defect_class"].size, number)
        own["hit_region"] += regions
        own["hit_defect"] += defects
        regions, defects = regions + own["value"].size, defects + own["defect_class"].size
        for name, values in own.items():
            found[name].append(values)
        if progress is not None:
            progress(number + 1, len(rows))
    return Candidates(
        classes=spec.classes,
        images=np.asarray(rows["image"].astype(str).tolist()),
        groups=np.asarray(rows["group"].astype(str).tolist()),
        **{name: np.concatenate(values) for name, values in found.items()},
    )


def collect_splits(
    forward: Forward,
    dataset: Dataset,
    spec: DetectorSpec,
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Candidates]:
    """Run a detector over validation and test as on the line, and keep what it found.

    Args:
        forward: The network, numpy in and out.
        dataset: Where images and masks are; a split without images has no candidates.
        spec: What the network needs.
        folder: Where they are kept.
        progress: Called with (images done, images in all) of a split.

    Raises:
        DatasetError: A file cannot be read, or is another than the manifest names.
        StorageError: They cannot be written.
    """
    there, splits = set(dataset.manifest["split"]), {}
    for name in ("val", "test"):
        splits[name] = (
            collect_candidates(forward, dataset, name, spec, progress)
            if name in there
            else Candidates.none(spec.classes)
        )
        splits[name].save(candidates_file(folder, name))
    return splits


def image_candidates(pixels: Pixels, truth: np.ndarray) -> dict[str, np.ndarray]:
    """Regions and true defects of one image.

    Args:
        pixels: Classes at the lowest level, with their probabilities.
        truth: (h, w) classes or `IGNORE`.

    Returns:
        Fields of `Candidates` without the images; regions and defects are counted from 0.
    """
    known = truth != IGNORE
    defects = find_components(np.where(known, truth, 0), np.zeros(truth.shape, np.float32))
    marked = np.zeros(truth.shape, dtype=np.int64)
    rows, columns, of = _pixels(defects)
    marked[rows, columns] = of + 1
    near = dilate(marked > 0, NEAR_PX)
    parts: dict[str, list[np.ndarray]] = {
        name: []
        for name in ("level", "value", "area", "length", "mean", "peak", "stray", "hit_region", "hit_defect")
    }
    count = 0
    for level, least in enumerate(LEVELS):
        mask = np.where(pixels.score >= np.float32(least), pixels.mask, 0)
        found = find_components(mask, pixels.score)
        rows, columns, of = _pixels(found)
        unknown = np.bincount(of, ~known[rows, columns], len(found))
        kept = (found.area >= LEAST_AREA) & (2 * unknown <= found.area)
        touching = np.bincount(of, near[rows, columns], len(found)) > 0
        position = np.cumsum(kept) - 1 + count
        hit = marked[rows, columns] > 0
        pairs = np.unique(np.stack([of[hit], marked[rows, columns][hit] - 1]), axis=1)
        pairs = pairs[:, kept[pairs[0]]]
        for name in ("value", "area", "length", "mean", "peak"):
            parts[name].append(getattr(found, name)[kept])
        parts["level"].append(np.full(int(kept.sum()), level))
        parts["stray"].append(~touching[kept])
        parts["hit_region"].append(position[pairs[0]])
        parts["hit_defect"].append(pairs[1])
        count += int(kept.sum())
    joined = {name: np.concatenate(values) for name, values in parts.items()}
    return {**joined, "defect_class": defects.value, "defect_area": defects.area}


def _pixels(found: Components) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, column and region of each pixel of the regions."""
    runs = found.runs
    sizes = runs.stop - runs.start
    offsets = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.repeat(runs.row, sizes), np.repeat(runs.start, sizes) + offsets, np.repeat(found.label, sizes)
