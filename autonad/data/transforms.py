"""Paired augmentation of images and masks; the only module that imports albumentations.

Pixels that a geometric change moves in from outside are "ignore" (255) in the mask. In the image they are
reflected texture rather than a flat colour, so that no false edges appear next to real ones.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from autonad.data.images import IGNORE
from autonad.errors import ConfigError

# Without it the import asks a server for the newest version and waits for the answer.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import albumentations as A


@dataclass(frozen=True)
class AugmentationSettings:
    """What may happen to a training image; the defaults do nothing.

    Attributes:
        flips: Mirror both ways, and turn by quarters where the image is square; exact, all equally likely.
        rotate_degrees: Largest rotation either way.
        scale: Smallest and largest zoom.
        translate: Largest shift either way, as a fraction of the side.
        shear_degrees: Largest shear either way.
        affine: Probability of rotation, scale, shift and shear together.
        blur: Probability of a Gaussian blur.
        blur_sigma: Largest standard deviation of the blur, pixels.
        sharpness: Probability of sharpening (never together with blur).
        tone: Probability of a change of contrast and brightness.
        contrast: Largest relative change of contrast.
        brightness: Largest change of brightness, as a fraction of white.
        crop: Probability of zooming in on a defect. Each class in the image is chosen equally often,
            whatever its area, then one of its pixels: small and rare defects are seen large.
        crop_side: Smallest and largest side of that crop, as a fraction of the image's.
    """

    flips: bool = False
    rotate_degrees: float = 0.0
    scale: tuple[float, float] = (1.0, 1.0)
    translate: float = 0.0
    shear_degrees: float = 0.0
    affine: float = 0.0
    blur: float = 0.0
    blur_sigma: float = 1.0
    sharpness: float = 0.0
    tone: float = 0.0
    contrast: float = 0.0
    brightness: float = 0.0
    crop: float = 0.0
    crop_side: tuple[float, float] = (0.4, 0.8)

    def __post_init__(self) -> None:
        for name in ("affine", "blur", "sharpness", "tone", "crop"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(
                    f"augmentation.{name} is {getattr(self, name)}; give a probability from 0 to 1"
                )
        for name in ("rotate_degrees", "translate", "shear_degrees", "blur_sigma", "contrast", "brightness"):
            if getattr(self, name) < 0:
                raise ConfigError(f"augmentation.{name} is {getattr(self, name)}; it cannot be negative")
        if self.blur + self.sharpness > 1:
            raise ConfigError(
                f"augmentation.blur + augmentation.sharpness is {self.blur + self.sharpness:g}; "
                "an image is blurred or sharpened, not both, so together they may be at most 1"
            )
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ConfigError(f"augmentation.scale is {self.scale}; give (smallest, largest), both above 0")
        if not 0 < self.crop_side[0] <= self.crop_side[1] <= 1:
            raise ConfigError(f"augmentation.crop_side is {self.crop_side}; give (smallest, largest) up to 1")


PRESETS: dict[str, AugmentationSettings] = {
    "none": AugmentationSettings(),
    "light": AugmentationSettings(flips=True, tone=0.5, contrast=0.1, brightness=0.1),
    "standard": AugmentationSettings(
        flips=True,
        affine=0.5,
        rotate_degrees=20,
        scale=(0.8, 1.25),
        translate=0.08,
        shear_degrees=5,
        blur=0.1,
        blur_sigma=1.0,
        sharpness=0.1,
        tone=0.5,
        contrast=0.2,
        brightness=0.1,
    ),
    "strong": AugmentationSettings(
        flips=True,
        affine=0.8,
        rotate_degrees=45,
        scale=(0.7, 1.5),
        translate=0.15,
        shear_degrees=10,
        blur=0.2,
        blur_sigma=1.5,
        sharpness=0.2,
        tone=0.8,
        contrast=0.3,
        brightness=0.15,
        crop=0.3,
        crop_side=(0.4, 0.8),
    ),
}


class Augmentation:
    """Changes an image and its mask in the same way, determined by a seed alone."""

    def __init__(self, settings: AugmentationSettings) -> None:
        # Images are small: OpenCV's threads cost more than they bring, and would compete with torch's.
        cv2.setNumThreads(0)
        self.settings = settings
        self._affine = _affine(settings) if settings.affine > 0 else None
        self._photometric = _photometric(settings)

    @classmethod
    def preset(cls, name: str) -> Augmentation | None:
        """The augmentation of a name; "none" gives None.

        Raises:
            ConfigError: The name is unknown.
        """
        if name not in PRESETS:
            raise ConfigError(f"augmentation {name!r} is unknown; use one of {', '.join(PRESETS)}")
        return None if name == "none" else cls(PRESETS[name])

    def augment(
        self, image: np.ndarray, mask: np.ndarray, seed: int | tuple[int, ...]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Augmented copies of an image and its mask; the inputs stay as they are.

        Args:
            image: uint8 (H, W, 3).
            mask: uint8 (H, W), 255 = ignore.
            seed: Non-negative; everything random follows from it.

        Returns:
            uint8 (H, W, 3) and uint8 (H, W), contiguous.
        """
        rng = np.random.default_rng(seed)
        settings = self.settings
        if settings.crop and rng.random() < settings.crop:
            image, mask = zoom_on_defect(image, mask, rng, settings.crop_side)
        if settings.flips:
            image, mask = _flip(image, mask, rng)
        chosen = []
        if self._affine is not None and rng.random() < settings.affine:
            chosen.append(self._affine)
        draw = rng.random()
        if draw < settings.blur:
            chosen.append(self._photometric["blur"])
        elif draw < settings.blur + settings.sharpness:
            chosen.append(self._photometric["sharpness"])
        if settings.tone and rng.random() < settings.tone:
            chosen.append(self._photometric["tone"])
        # Some transforms draw from Python's generator, some from numpy's: both follow from the seed.
        python_rng = random.Random(int(rng.integers(2**63)))
        image, mask = np.ascontiguousarray(image), np.ascontiguousarray(mask)
        for transform in chosen:
            transform.set_random_state(rng, python_rng)
            result = transform(image=image, mask=mask)
            image, mask = result["image"], result["mask"]
        return image, mask


def zoom_on_defect(
    image: np.ndarray, mask: np.ndarray, rng: np.random.Generator, side: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Crop around a random pixel of a random defect class and enlarge the crop to the image's size.

    Args:
        image: uint8 (H, W, 3).
        mask: uint8 (H, W).
        rng: Source of the class, the pixel, the crop's side and its position around the pixel.
        side: Smallest and largest side of the crop, as a fraction of the image's.

    Returns:
        Image and mask of the same size as before; unchanged if the mask shows no defect.
    """
    height, width = mask.shape
    classes = [
        int(c) for c in np.flatnonzero(np.bincount(mask.ravel(), minlength=256)) if c not in (0, IGNORE)
    ]
    if not classes:
        return image, mask
    pixels = np.flatnonzero(mask == classes[int(rng.integers(len(classes)))])
    y, x = divmod(int(pixels[int(rng.integers(len(pixels)))]), width)
    fraction = rng.uniform(*side)
    h, w = max(2, round(height * fraction)), max(2, round(width * fraction))
    # The defect may lie anywhere in the middle half of the crop, so that its place tells the network nothing.
    top = int(np.clip(y - h * rng.uniform(0.25, 0.75), 0, height - h))
    left = int(np.clip(x - w * rng.uniform(0.25, 0.75), 0, width - w))
    window = np.s_[top : top + h, left : left + w]
    return (
        cv2.resize(image[window], (width, height), interpolation=cv2.INTER_LINEAR),
        cv2.resize(mask[window], (width, height), interpolation=cv2.INTER_NEAREST_EXACT),
    )


def _flip(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    mirror, turns = int(rng.integers(2)), int(rng.integers(4))
    if mask.shape[0] != mask.shape[1]:
        turns = turns // 2 * 2  # a quarter turn would exchange height and width
    if mirror:
        image, mask = image[:, ::-1], mask[:, ::-1]
    return np.rot90(image, turns), np.rot90(mask, turns)


class _IgnoringAffine(A.Affine):
    """Affine change that reflects the image at its border, but marks what comes in from outside as ignore."""

    def apply_to_mask(
        self, mask: np.ndarray, matrix: np.ndarray, output_shape: tuple[int, int], **params: Any
    ) -> np.ndarray:
        return cv2.warpAffine(
            mask,
            matrix[:2],
            output_shape[::-1],
            flags=cv2.INTER_NEAREST,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=IGNORE,
        )


def _affine(settings: AugmentationSettings) -> A.Affine:
    return _IgnoringAffine(
        rotate=(-settings.rotate_degrees, settings.rotate_degrees),
        scale=settings.scale,
        translate_percent=(-settings.translate, settings.translate),
        shear=(-settings.shear_degrees, settings.shear_degrees),
        border_mode=cv2.BORDER_REFLECT_101,
        p=1.0,
    )


def _photometric(settings: AugmentationSettings) -> dict[str, A.ImageOnlyTransform]:
    return {
        "blur": A.GaussianBlur(
            sigma_limit=(min(0.3, settings.blur_sigma), settings.blur_sigma), blur_limit=0, p=1.0
        ),
        "sharpness": A.Sharpen(alpha=(0.1, 0.4), lightness=(1.0, 1.0), p=1.0),
        "tone": A.RandomBrightnessContrast(
            brightness_limit=settings.brightness, contrast_limit=settings.contrast, p=1.0
        ),
    }
