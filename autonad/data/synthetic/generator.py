"""Generated datasets: surfaces of several materials with defects of controllable appearance.

A part is one piece of surface with its defects. It is shown in a few images that differ in position,
exposure and noise, as in production, and forms one group. Everything follows from the seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from autonad.data.dataset import BACKGROUND, Dataset, check_classes
from autonad.data.split import split_by_group
from autonad.data.synthetic.defects import DEFECTS, draw_defect
from autonad.data.synthetic.textures import MATERIALS, surface
from autonad.data.writer import DatasetWriter
from autonad.errors import DatasetError


@dataclass(frozen=True)
class Appearance:
    """How surfaces and defects look; a change of any of these is a change of appearance.

    Attributes:
        contrast: Visibility of the defects; 1 is moderate, 0 invisible.
        size: Size of the defects relative to the usual.
        grain: Strength of the surface's texture relative to the usual.
        brightness: Added to every image, as a fraction of white.
        exposure: Largest relative change of brightness between images of one part.
        blur: Standard deviation of the camera's blur, pixels.
        noise: Standard deviation of the camera's noise, as a fraction of white.
    """

    contrast: float = 1.0
    size: float = 1.0
    grain: float = 1.0
    brightness: float = 0.0
    exposure: float = 0.15
    blur: float = 0.5
    noise: float = 0.015

    def __post_init__(self) -> None:
        for name in ("contrast", "size", "grain", "exposure", "blur", "noise"):
            if getattr(self, name) < 0:
                raise DatasetError(f"appearance {name} is {getattr(self, name)}; it cannot be negative")
        if not 0.2 <= self.size <= 2:
            raise DatasetError(f"appearance size is {self.size}; choose a value from 0.2 to 2")


def synthesize(
    output: Path,
    *,
    num_images: int,
    size: tuple[int, int] = (128, 128),
    materials: Sequence[str] = MATERIALS,
    classes: Sequence[str] = ("crack", "blowhole", "scratch", "stain"),
    seed: int = 0,
    appearance: Appearance | None = None,
    views: tuple[int, int] = (2, 3),
    defect_free: float = 0.0,
    fractions: Sequence[float] = (0.6, 0.2, 0.2),
) -> Dataset:
    """Generate a dataset.

    Args:
        output: Folder of the dataset; replaced if it holds one.
        num_images: Images in all.
        size: Height and width of each, pixels, at least 32.
        materials: Some of `textures.MATERIALS`.
        classes: Some of `defects.DEFECTS`.
        seed: Everything random follows from it.
        appearance: How it all looks; the defaults if not given.
        views: Fewest and most images of one part.
        defect_free: Fraction of parts without defects.
        fractions: Shares of train, val and test.

    Returns:
        The dataset.

    Raises:
        DatasetError: An argument is out of range, or the images show too few parts to be split.
        StorageError: The output cannot be written.
    """
    _check(num_images, size, materials, classes, views, defect_free)
    names = check_classes(classes)
    look = appearance or Appearance()
    rng = np.random.default_rng([seed, 0])
    with DatasetWriter(Path(output), classes=names, replace=True) as writer:
        written = part = defective = 0
        while written < num_images:
            count = min(int(rng.integers(views[0], views[1] + 1)), num_images - written)
            kinds: list[str] = []
            if rng.random() >= defect_free:
                kinds = _deal_defects(rng, names[1:], defective)
                defective += 1
            material = str(rng.choice(list(materials)))
            images, masks = render_part(
                material, kinds, classes=names, size=size, views=count, appearance=look, seed=(seed, 1, part)
            )
            for view, (image, mask) in enumerate(zip(images, masks, strict=True)):
                group = f"s{seed}-p{part:05d}"
                writer.add(image, mask, name=f"{group}-v{view}", group=group)
            written += count
            part += 1
        about = {"format": "synthetic", "faults": []}
        writer.finish(lambda rows: split_by_group(rows, fractions, seed), about=about)
    return Dataset.open(output)


def _check(
    num_images: int,
    size: tuple[int, int],
    materials: Sequence[str],
    classes: Sequence[str],
    views: tuple[int, int],
    defect_free: float,
) -> None:
    """Refuse arguments that are out of range; see `synthesize`."""
    for name, found, known in (("material", materials, MATERIALS), ("defect class", classes, DEFECTS)):
        unknown = [value for value in found if value not in known]
        if unknown or not found:
            raise DatasetError(
                f"{name} {', '.join(unknown) or '(none)'} cannot be generated; use some of {', '.join(known)}"
            )
    if num_images < 1 or min(size) < 32 or not 1 <= views[0] <= views[1] or not 0 <= defect_free < 1:
        raise DatasetError(
            f"got {num_images} images of {size[0]} × {size[1]} pixels, {views[0]} to {views[1]} per part, a "
            f"fraction {defect_free} without defects; need at least 1 image, 32 × 32 pixels, 1 view, and a "
            "fraction below 1"
        )


def _deal_defects(rng: np.random.Generator, classes: Sequence[str], number: int) -> list[str]:
    """The defects of a part, the `number`-th that has any."""
    # Dealing the classes in turn keeps them balanced; a second kind makes parts that show both.
    kinds = [classes[number % len(classes)]] * int(rng.integers(1, 3))
    if rng.random() < 0.3:
        kinds.append(str(rng.choice(list(classes))))
    return kinds


def render_part(
    material: str,
    kinds: Sequence[str],
    *,
    classes: Sequence[str],
    size: tuple[int, int],
    views: int,
    appearance: Appearance,
    seed: int | tuple[int, ...],
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Images of one part.

    Args:
        material: One of `textures.MATERIALS`.
        kinds: The part's defects, in the order in which they are drawn; a later one covers an earlier one.
        classes: Names by index, background first; the masks hold these indices.
        size: Height and width, pixels.
        views: Number of images.
        appearance: How it looks.
        seed: Everything random follows from it.

    Returns:
        `views` images uint8 (H, W, 3), and as many masks uint8 (H, W).
    """
    rng = np.random.default_rng(seed)
    indices = {name: index for index, name in enumerate(classes) if name != BACKGROUND}
    scale = min(size)
    margin = max(2, scale // 12)
    shape = (size[0] + 2 * margin, size[1] + 2 * margin)
    piece = surface(material, rng, shape, grain=appearance.grain)
    labels = np.zeros(shape, dtype=np.uint8)
    # Defects are centred where every view sees them.
    border = margin * 2 + scale // 8
    inside = (border, border, shape[0] - border, shape[1] - border)
    for kind in kinds:
        piece, mask = draw_defect(
            kind, piece, rng, inside=inside, scale=scale * appearance.size, contrast=appearance.contrast
        )
        labels[mask] = indices[kind]

    images, masks = [], []
    for _ in range(views):
        top, left = (int(v) for v in rng.integers(0, 2 * margin + 1, 2))
        window = np.s_[top : top + size[0], left : left + size[1]]
        image = piece[window] * (1 + rng.uniform(-1, 1) * appearance.exposure) + appearance.brightness
        if appearance.blur > 0:
            image = cv2.GaussianBlur(image, (0, 0), sigmaX=appearance.blur)
        image = image + appearance.noise * rng.standard_normal(image.shape, dtype=np.float32)
        images.append(np.clip(image * 255 + 0.5, 0, 255).astype(np.uint8))
        masks.append(labels[window].copy())
    return images, masks
